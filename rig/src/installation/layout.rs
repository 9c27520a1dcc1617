//! What an installation is made of, and what its processes are told.

use std::path::{Path, PathBuf};

use afterglow_sim::Sim;
use anyhow::{Context as _, ensure};
use secrecy::ExposeSecret as _;

use crate::process::run;

/// A service of the installation, or all of them in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Every service in one process, on an embedded bus.
    All,
    /// Takes webhooks.
    Ingest,
    /// Folds and scores.
    Scorer,
    /// Judges and sends.
    Responder,
    /// Where people work.
    Console,
    /// What other systems are told.
    Crm,
}

impl Service {
    /// As the command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Service::All => "all",
            Service::Ingest => "ingest",
            Service::Scorer => "scorer",
            Service::Responder => "responder",
            Service::Console => "console",
            Service::Crm => "crm",
        }
    }

    pub(super) const fn takes_webhooks(self) -> bool {
        matches!(self, Service::All | Service::Ingest)
    }
}

/// What to set up.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The binary.
    pub binary: PathBuf,
    /// PostgreSQL and RabbitMQ; without them one process on SQLite and an embedded bus.
    pub servers: Option<(String, String)>,
    /// Brands, each with one account.
    pub brands: u32,
    /// Every n-th brand answers nobody; 0: none.
    pub silent_every: u32,
    /// Further settings, as the environment has them.
    pub settings: Vec<(String, String)>,
}

impl Layout {
    /// Four brands that answer Story replies.
    pub fn new(binary: impl Into<PathBuf>, servers: Option<(&str, &str)>) -> Self {
        let servers = servers.map(|(database, broker)| (database.to_owned(), broker.to_owned()));
        Self { binary: binary.into(), servers, brands: 4, silent_every: 0, settings: Vec::new() }
    }

    /// With a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

/// What the processes are told.
pub(super) fn environment(layout: &Layout, sim: &Sim, folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let first = sim.accounts().first().context("the simulated Meta has accounts")?;
    let mut environment: Vec<(String, String)> = [
        ("AFTERGLOW_DATA_DIR", folder.join("data").display().to_string()),
        ("AFTERGLOW_META__APP_SECRETS", first.app.secret.expose_secret().to_owned()),
        ("AFTERGLOW_META__APP_IDS", first.app.id.clone()),
        ("AFTERGLOW_META__VERIFY_TOKEN", "rig".into()),
        ("AFTERGLOW_META__GRAPH_URL", sim.graph_url()),
        ("AFTERGLOW_KEYS__FORGETTING", "a key for rigs and tests".into()),
        // So that what a killed process left half-done is found within seconds.
        ("AFTERGLOW_RESPONDER__SEND_TIMEOUT_MS", "1000".into()),
        ("AFTERGLOW_RESPONDER__ECHO_PATIENCE_MS", "500".into()),
        ("AFTERGLOW_RESPONDER__FATE_PATIENCE_MS", "3000".into()),
        ("AFTERGLOW_CONSOLE__LISTEN", "127.0.0.1:0".into()),
        ("AFTERGLOW_LOG__FORMAT", "json".into()),
        ("AFTERGLOW_LOG__FILTER", "info".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    if let Some((database, broker)) = &layout.servers {
        let key = run(&layout.binary, &["keys", "generate"], &[], "")?;
        let of_servers = [
            ("DATABASE_URL", database.clone()),
            ("AMQP_URL", broker.clone()),
            ("AFTERGLOW_KEYS__RING", String::from_utf8(key.stdout)?.trim().to_owned()),
            ("AFTERGLOW_DATABASE__MAX_CONNECTIONS", "6".into()),
        ];
        environment.extend(of_servers.map(|(name, value)| (name.to_owned(), value)));
    }
    environment.extend(layout.settings.iter().cloned());
    Ok(environment)
}

/// Makes the brands and connects their accounts.
pub(super) async fn connect_accounts(binary: &Path, sim: &Sim, environment: &[(String, String)]) -> anyhow::Result<()> {
    for account in sim.accounts() {
        tokio::task::yield_now().await; // a thousand of them take minutes: whoever wants to stop can
        let mut brand = vec!["brand", "add", account.brand.as_str()];
        if account.autoresponder {
            brand.extend(["--story-reply-text", "Thank you for your reply!"]);
        }
        let made = run(binary, &brand, environment, "")?;
        let arguments = ["account", "add", account.id.as_str(), "--brand", account.brand.as_str()];
        let added = run(binary, &arguments, environment, account.access_token.expose_secret())?;
        for done in [made, added] {
            ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    Ok(())
}
