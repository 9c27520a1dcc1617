//! What the demo needs before it begins.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use afterglow_bus::Lane;
use afterglow_console::{LINK_MS, Token};
use afterglow_domain::{BrandId, BrandSettings, Channel, IntentStatus, Login, Source, Timestamp};
use afterglow_rules::Document;
use afterglow_runtime::{Secret, Settings};
use afterglow_sim::account::{self, Layout};
use afterglow_sim::world::Causes;
use afterglow_sim::{Sim, SimOptions};
use afterglow_store::{Account, Brand, DocumentApplied, NewDocument, Role, SealedToken};
use afterglow_tokens::token_context;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::installation::{clock, keyring};
use crate::serve::Parts;

/// The brands' names, time zones and answers.
const BRANDS: [(&str, &str, &str); 2] = [
    (
        "Lumen Lamps",
        "Europe/Amsterdam",
        "Thank you for your reply! Somebody of our team reads along and answers soon. 💡",
    ),
    ("Umbra Coffee", "America/New_York", "Thanks for writing to Umbra! We read every reply. Say stop at any time."),
];

/// Starts the simulated Meta and tells the settings of it.
pub(super) async fn simulated_meta(seed: u64, settings: &mut Settings) -> anyhow::Result<Sim> {
    let layout = Layout { brands: 2, accounts_per_brand: 1, apps: 1, silent_every: 0 };
    let mut options = SimOptions::new(account::accounts(layout, seed), clock());
    // Messages and taps are answered as well as Story replies.
    options.rules.causes = Causes::AnyContact;
    let sim = Sim::start(options).await?;
    settings.meta.graph_url = Some(sim.graph_url());
    settings.meta.app_secrets =
        sim.accounts().iter().take(1).map(|account| Secret::from(account.app.secret.expose_secret())).collect();
    settings.meta.app_ids = sim.accounts().iter().take(1).map(|account| account.app.id.clone()).collect();
    settings.meta.verify_token = Some(Secret::from("demo"));
    for (n, account) in sim.accounts().iter().enumerate() {
        let id = format!("1790000000000000{n}");
        let story = afterglow_sim::world::Story { id, posted: clock()(), viewers: 480 };
        sim.with_world(|world| world.set_story(&account.id, story));
    }
    settings.ingest.insights_ms = 5_000;
    settings.feed.figures_ms = 5_000;
    // The demo is sufficient to itself, whatever the environment says.
    settings.database.url = None;
    settings.bus.url = None;
    settings.keys.ring.clear();
    Ok(sim)
}

/// Where an address is taken, another port will do.
pub(super) fn free_ports(settings: &mut Settings) {
    for address in [&mut settings.ingest.listen, &mut settings.console.listen, &mut settings.ops.listen] {
        if let Err(error) = TcpListener::bind(*address)
            && error.kind() == std::io::ErrorKind::AddrInUse
            && let Ok(free) = TcpListener::bind((address.ip(), 0)).and_then(|listener| listener.local_addr())
        {
            *address = free;
        }
    }
}

/// Makes the brands and connects their accounts.
pub(super) async fn brands(parts: &Parts, sim: &Sim) -> anyhow::Result<()> {
    let keyring = Arc::new(keyring(&parts.settings)?);
    let now = (parts.clock)();
    for (account, (name, time_zone, text)) in sim.accounts().iter().zip(BRANDS) {
        let settings =
            if account.autoresponder { BrandSettings::answering_story_replies(text) } else { BrandSettings::default() };
        let brand = Brand {
            id: account.brand.clone(),
            name: name.into(),
            time_zone: time_zone.into(),
            settings,
            document_version: 0,
            created: now,
        };
        let first = brand.id == sim.accounts()[0].brand;
        parts.store.upsert_brand(&brand).await?;
        if first {
            document(parts, &brand.id).await?;
        }
        let token = keyring.seal(&account.access_token, &token_context(&account.id))?;
        let connected = Account {
            id: account.id.clone(),
            brand: account.brand.clone(),
            channel: Channel::Instagram,
            login: match account.login {
                account::Login::Instagram => Login::Instagram,
                account::Login::Facebook => Login::Facebook,
            },
            username: Some(account.username.clone()),
            token_sealed: Some(SealedToken(token)),
            token_expires: None,
            paused_reason: None,
            created: now,
        };
        parts.store.upsert_account(&connected).await?;
    }
    Ok(())
}

/// What the first brand wants, as a brand manager would write it.
const DOCUMENT: &str = include_str!("brand.yaml");

/// Puts the first brand's document in force: the console shows it, and what it says is answered.
async fn document(parts: &Parts, brand: &BrandId) -> anyhow::Result<()> {
    let text = format!("brand: {brand}\n{DOCUMENT}");
    let document = Document::parse(&text).map_err(|error| anyhow::anyhow!("the demo's document: {error}"))?;
    let settings = document.settings();
    let new = NewDocument {
        brand,
        name: document.name.as_deref().unwrap_or_default(),
        time_zone: &document.time_zone,
        text: &text,
        settings: &settings,
        by: "demo",
        note: "to begin with",
        expected: None,
    };
    match parts.store.apply_document(&new, (parts.clock)()).await? {
        DocumentApplied::Applied(_) => Ok(()),
        DocumentApplied::Conflict { .. } => anyhow::bail!("the demo's own document is in the way"),
    }
}

/// Makes somebody who may do everything, and a link by which they sign in once.
pub(super) async fn owner(parts: &Parts, console: Option<SocketAddr>) -> anyhow::Result<Option<String>> {
    const OWNER: &str = "you@demo.example";
    let Some(address) = console else { return Ok(None) };
    let now = (parts.clock)();
    parts.store.put_person(OWNER, "You", now).await?;
    parts.store.grant(OWNER, None, Some(Role::Owner)).await?;
    let token = Token::new().context("the system gives no randomness")?;
    parts.store.put_sign_in_link(&token.hash(), OWNER, now.plus(LINK_MS)).await?;
    Ok(Some(format!("http://{address}/sign-in/link/{}", token.secret())))
}

/// How many interactions there are of which no webhook told: what the collectors brought, and what was typed in the console.
pub(super) async fn collected(parts: &Parts, sim: &Sim) -> anyhow::Result<u64> {
    let mut collected = 0;
    for account in sim.accounts() {
        let until = (parts.clock)().plus(1);
        let told = parts.store.brand(&account.brand).interactions_between(Timestamp::default(), until).await?;
        collected += told
            .iter()
            .filter(|interaction| !matches!(interaction.source, Source::Webhook | Source::Reconcile))
            .count() as u64;
    }
    Ok(collected)
}

/// Whether nothing is on its way: every lane and the outbox are empty, and no intent waits to be judged or sent.
pub(super) async fn is_at_rest(parts: &Parts) -> anyhow::Result<bool> {
    let bus = parts.bus.as_ref().ok_or_else(|| anyhow::anyhow!("the demo has a bus"))?;
    for lane in Lane::ALL {
        if bus.depth(lane).await?.ready > 0 {
            return Ok(false);
        }
    }
    let totals = parts.store.totals().await?;
    let moving = |status: &IntentStatus| match status {
        IntentStatus::Pending | IntentStatus::Sending => true,
        IntentStatus::Sent | IntentStatus::Deferred | IntentStatus::Held | IntentStatus::Dropped => false,
    };
    Ok(totals.outbox == 0 && !totals.all.intents.iter().any(|(status, n)| moving(status) && *n > 0))
}
