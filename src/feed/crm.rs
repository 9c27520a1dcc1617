//! `afterglow feed crm`: the CRMs that a brand document names.

use std::io::Read as _;

use afterglow_crm::push::token_context;
use afterglow_domain::BrandId;
use afterglow_runtime::Settings;
use afterglow_store::{BrandStore, SealedSecret, Store};
use anyhow::{Context as _, bail};
use secrecy::SecretString;
use serde_json::json;

use crate::brand::known;
use crate::installation::{clock, keyring};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List a brand's connections and how each stands, one JSON object a line
    List {
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Give a connection its access token, read from standard input; it goes on at once
    Token {
        #[command(flatten)]
        of: Of,
    },
    /// Write nothing for now; what changes meanwhile waits
    Pause {
        #[command(flatten)]
        of: Of,
    },
    /// Go on, also after the CRM refused the token or the mapping
    Resume {
        #[command(flatten)]
        of: Of,
    },
    /// Write again all that followed a change, as far as it is kept
    Replay {
        #[command(flatten)]
        of: Of,
        /// The change; 0: from the beginning
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// List the records that the CRM refused, one JSON object a line
    Refused {
        #[command(flatten)]
        of: Of,
        /// Have all of them tried again
        #[arg(long)]
        retry: bool,
    },
}

/// Which connection.
#[derive(clap::Args)]
pub(crate) struct Of {
    /// Its name in the brand document
    connection: String,
    /// The brand
    #[arg(long)]
    brand: String,
}

pub(crate) async fn run(command: &Command, settings: &Settings, store: &Store) -> anyhow::Result<()> {
    match command {
        Command::List { brand } => list(store, &BrandId::new(brand.as_str())).await,
        Command::Token { of } => {
            let brand = of.brand();
            let scoped = of.known(store, &brand).await?;
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the access token from standard input")?;
            let token = text.trim();
            if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
                bail!("standard input holds no access token: one line, for instance from a file");
            }
            let sealed = keyring(settings)?.seal(&SecretString::from(token), &token_context(&brand, &of.connection))?;
            Ok(scoped.set_crm_token(&of.connection, &SealedSecret(sealed)).await?)
        }
        Command::Pause { of } => {
            let brand = of.brand();
            Ok(of.known(store, &brand).await?.pause_crm(&of.connection, Some("a person paused it")).await?)
        }
        Command::Resume { of } => {
            let brand = of.brand();
            Ok(of.known(store, &brand).await?.pause_crm(&of.connection, None).await?)
        }
        Command::Replay { of, from } => {
            let brand = of.brand();
            let scoped = of.known(store, &brand).await?;
            let floor = scoped.feed_tail().await?.floor;
            scoped.replay_crm(&of.connection, (*from).max(floor)).await?;
            if *from < floor {
                let told = json!({ "from": floor, "note": "earlier changes are no longer kept (feed.keep_days)" });
                crate::output::line(told)?;
            }
            Ok(())
        }
        Command::Refused { of, retry } => {
            let brand = of.brand();
            let scoped = of.known(store, &brand).await?;
            if *retry {
                let again = scoped.retry_crm_refusals(&of.connection, clock()()).await?;
                return crate::output::line(json!({ "tried_again": again }));
            }
            for refusal in scoped.crm_refusals(&of.connection, 10_000).await? {
                crate::output::line(json!({
                    "viewer": refusal.viewer.to_string(), "code": refusal.code, "message": refusal.message,
                    "at": refusal.at.to_rfc3339(),
                }))?;
            }
            Ok(())
        }
    }
}

impl Of {
    fn brand(&self) -> BrandId {
        BrandId::new(self.brand.as_str())
    }

    /// The brand's part of the store, if it has such a connection.
    async fn known<'a>(&self, store: &'a Store, brand: &'a BrandId) -> anyhow::Result<BrandStore<'a>> {
        let scoped = store.brand(brand);
        let known = known(store, &self.brand).await?;
        if !known.settings.crm.iter().any(|connection| connection.name == self.connection) {
            let name = &self.connection;
            bail!(
                "{brand} has no CRM {name}: name it in the section `crm` of its document, and apply that (docs/feed.md)"
            );
        }
        Ok(scoped)
    }
}

async fn list(store: &Store, brand: &BrandId) -> anyhow::Result<()> {
    let scoped = store.brand(brand);
    let known = known(store, brand.as_str()).await?;
    let head = scoped.feed_tail().await?.head;
    for connection in known.settings.crm {
        let state = scoped.crm_state(&connection.name).await?;
        let refused = scoped.crm_refusals(&connection.name, 10_000).await?.len();
        crate::output::line(json!({
            "connection": connection.name, "crm": connection.crm, "url": connection.address(),
            "has_token": state.token.is_some(), "written": state.cursor, "behind": head.saturating_sub(state.cursor),
            "paused": state.paused, "not_before": state.not_before.map(afterglow_domain::Timestamp::to_rfc3339),
            "refused": refused,
        }))?;
    }
    Ok(())
}
