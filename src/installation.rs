//! The parts that the settings name: store, bus, keys, clock.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::Bus;
use afterglow_crm::egress::{AddressPolicy, EgressClient, EgressSettings};
use afterglow_domain::{Clock, Timestamp};
use afterglow_ingest::{Connect, ConnectApps};
use afterglow_meta::graph::{App, GraphClient, GraphHosts};
use afterglow_runtime::{Address, Feed, Keyring, Secret, Settings, http_client, now_ms};
use afterglow_store::{ForgetKey, Store, StoreOptions};
use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;

/// The key file's name inside the data directory.
const KEY_FILE: &str = "keys";
/// The file of the key under which the forgotten are recognised.
const FORGET_KEY_FILE: &str = "forgetting";

/// The system's clock.
pub(crate) fn clock() -> Clock {
    Arc::new(|| Timestamp::from_millis(now_ms()))
}

/// Opens the store without looking at its schema.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let options = StoreOptions { max_connections: settings.database.max_connections };
    let url = settings.database.url.as_ref();
    let shown = url.map_or_else(|| settings.data_dir.display().to_string(), Address::redacted);
    Store::open(url.map(Address::expose), &settings.data_dir, options)
        .await
        .with_context(|| format!("cannot open the database at {shown}: is it there, and is database.url right?"))
}

/// Opens the store and makes sure of its schema. SQLite is brought up to date; PostgreSQL, which other processes share,
/// is left to `afterglow migrate`.
pub(crate) async fn ready_store(settings: &Settings) -> anyhow::Result<Store> {
    let store = open_store(settings).await?;
    if settings.database.url.is_none() {
        store.migrate().await.context("cannot bring the SQLite schema up to date")?;
    }
    store.check_schema().await?;
    match forget_key(settings)? {
        Some(key) => Ok(store.with_forget_key(key)),
        None if store.has_forgotten().await? => {
            bail!("people were forgotten here, and keys.forgetting is not set: without it they are not recognised")
        }
        None => Ok(store),
    }
}

/// The key under which the forgotten are recognised; with SQLite it is made when it is first needed.
pub(crate) fn forget_key(settings: &Settings) -> anyhow::Result<Option<ForgetKey>> {
    let secret = match &settings.keys.forgetting {
        Some(secret) => secret.get().clone(),
        None if settings.database.url.is_none() => {
            let file = settings.data_dir.join(FORGET_KEY_FILE);
            let text = key_file(&file).with_context(|| format!("cannot read or make {}", file.display()))?;
            secrecy::SecretString::from(text.trim())
        }
        None => return Ok(None),
    };
    let key = ForgetKey::new(secret).context("keys.forgetting needs 16 bytes or more")?;
    Ok(Some(key))
}

/// Opens the bus.
pub(crate) async fn open_bus(settings: &Settings, service: &str) -> anyhow::Result<Arc<dyn Bus>> {
    let url = settings.bus.url.as_ref();
    let shown = url.map_or_else(|| settings.data_dir.display().to_string(), Address::redacted);
    if url.is_none() {
        std::fs::create_dir_all(&settings.data_dir)
            .with_context(|| format!("cannot make the data directory {}", settings.data_dir.display()))?;
    }
    afterglow_bus::open(
        url.map(Address::expose),
        &settings.data_dir,
        &settings.bus.prefix,
        service,
        settings.bus.journal_hours,
    )
    .await
    .with_context(|| format!("cannot open the bus at {shown}: is it there, and is bus.url right?"))
}

/// The identity provider by which people sign in, if one is set. `base`: where people reach the console.
pub(crate) fn oidc(settings: &Settings, base: &str) -> anyhow::Result<Option<afterglow_console::Oidc>> {
    let Some(wanted) = &settings.console.oidc else { return Ok(None) };
    let options = afterglow_console::OidcOptions {
        issuer: wanted.issuer.clone(),
        client_id: wanted.client_id.clone(),
        client_secret: wanted.client_secret.as_ref().map(|secret| secret.get().clone()),
        name: wanted.name.clone(),
        back: format!("{}/sign-in/oidc/back", base.trim_end_matches('/')),
        create: wanted.create,
    };
    Ok(Some(afterglow_console::Oidc::new(options, clock()).context("console.oidc")?))
}

/// The keys that seal access tokens. Without configured ones and with SQLite, a key file in the data directory.
pub(crate) fn keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    if !settings.keys.ring.is_empty() {
        return Ok(Keyring::new(settings.keys.ring.iter().map(Secret::get))?);
    }
    if settings.database.url.is_some() {
        bail!("no key to seal access tokens with: make one with `afterglow keys generate` and set keys.ring");
    }
    let file = settings.data_dir.join(KEY_FILE);
    let text = key_file(&file).with_context(|| format!("cannot read or make the key file {}", file.display()))?;
    let keys: Vec<secrecy::SecretString> =
        text.lines().filter(|line| !line.trim().is_empty()).map(secrecy::SecretString::from).collect();
    Keyring::new(&keys).with_context(|| format!("in the key file {}", file.display()))
}

/// The key file's text. A new file is readable by its owner alone, and is made at most once.
fn key_file(file: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        read => return Ok(read?),
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let key = Keyring::generate("local")?;
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match created {
        Ok(mut created) => {
            std::io::Write::write_all(&mut created, format!("{}\n", key.expose_secret()).as_bytes())?;
            created.sync_all()?;
        }
        // Another process was first; its key counts.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    Ok(std::fs::read_to_string(file)?)
}

/// The Graph API's client.
pub(crate) fn graph(settings: &Settings) -> anyhow::Result<GraphClient> {
    let mut hosts = settings.meta.graph_url.as_deref().map_or_else(GraphHosts::default, GraphHosts::single);
    if let Some(version) = &settings.meta.graph_version {
        hosts.version.clone_from(version);
    }
    let timeout = Duration::from_millis(settings.responder.send_timeout_ms);
    Ok(GraphClient::new(http_client(timeout)?, hosts))
}

/// What connects accounts.
pub(crate) fn connect(settings: &Settings, store: Store) -> anyhow::Result<Connect> {
    let app = |id: &Option<String>, secret: &Option<Secret>| {
        let (id, secret) = (id.clone()?, secret.as_ref()?.get().clone());
        Some(App { id, secret })
    };
    let meta = &settings.meta;
    Ok(Connect {
        store,
        graph: graph(settings)?,
        apps: ConnectApps {
            instagram: app(&meta.instagram_app_id, &meta.instagram_app_secret),
            facebook: app(&meta.facebook_app_id, &meta.facebook_app_secret),
        },
        keyring: Arc::new(keyring(settings)?),
        clock: clock(),
        public_url: settings.ingest.public_url.clone(),
    })
}

/// How endpoints that brands name are called.
pub(crate) fn egress(feed: &Feed) -> anyhow::Result<EgressClient> {
    egress_reading(feed, EgressSettings::default().max_body)
}

/// The same, which reads so many bytes of a reply.
pub(crate) fn egress_reading(feed: &Feed, max_body: usize) -> anyhow::Result<EgressClient> {
    let network =
        |text: &String| text.parse().with_context(|| format!("feed.allowed_networks: {text:?} is no network"));
    let policy = AddressPolicy {
        allowed_networks: feed.allowed_networks.iter().map(network).collect::<anyhow::Result<_>>()?,
        plain_http: feed.plain_http,
    };
    let timeout = Duration::from_millis(feed.timeout_ms);
    EgressClient::new(EgressSettings { policy, timeout, max_body }).context("no HTTP client")
}
