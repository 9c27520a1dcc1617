//! `afterglow feed endpoint`: where changes are posted to.

use afterglow_crm::egress::Request;
use afterglow_crm::feed::secret_context;
use afterglow_crm::webhook::{CONTENT_TYPE, Secrets, SigningSecret, signed_headers};
use afterglow_domain::{BrandId, DAY_MS, DerivedId as _, InteractionId};
use afterglow_runtime::Settings;
use afterglow_store::{FeedEndpoint, FeedEndpointState, SealedSecret, Store};
use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::Of;
use crate::brand::known;
use crate::installation::{clock, egress, keyring};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an endpoint, and print its signing secret: it is shown this once
    Add {
        #[command(flatten)]
        of: Of,
        /// Where to, over https
        #[arg(long)]
        url: String,
        /// From behind this change; without, from now on
        #[arg(long)]
        from: Option<u64>,
        /// Calls in a minute, in the long run
        #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=600_000))]
        per_minute: u32,
        /// Calls under way at once
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
        concurrency: u32,
    },
    /// List a brand's endpoints, one JSON object a line, without what signs
    List {
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Give it nothing for now; what changes meanwhile waits
    Pause {
        #[command(flatten)]
        of: Of,
    },
    /// Give it again what waits; also after it answered 410
    Resume {
        #[command(flatten)]
        of: Of,
    },
    /// Give it again all that followed a change, as far as it is kept
    Replay {
        #[command(flatten)]
        of: Of,
        /// The change
        #[arg(long)]
        from: u64,
    },
    /// Make a new secret, and print it; both sign for a day
    RotateSecret {
        #[command(flatten)]
        of: Of,
    },
    /// Remove it, with all that waits for it
    Remove {
        #[command(flatten)]
        of: Of,
    },
    /// Post a signed test event to it now, and show what came back
    Test {
        #[command(flatten)]
        of: Of,
    },
}

pub(super) async fn run(command: &Command, settings: &Settings, store: &Store) -> anyhow::Result<()> {
    match command {
        Command::Add { of, url, from, per_minute, concurrency } => {
            let parsed: reqwest::Url = url.parse().with_context(|| format!("{url:?} is no address"))?;
            if parsed.scheme() != "https" && !settings.feed.plain_http {
                bail!("{url}: an endpoint is called over https (feed.plain_http allows others)");
            }
            if of.endpoint.is_empty() || of.endpoint.contains('/') {
                bail!("{:?}: a name without a slash", of.endpoint);
            }
            let brand = of.brand();
            let scoped = store.brand(&brand);
            known(store, &of.brand).await?;
            let secret = SigningSecret::generate().context("the system gives no randomness")?;
            let cursor = match from {
                Some(from) => *from,
                None => scoped.feed_tail().await?.head,
            };
            let made = FeedEndpoint {
                secret: seal(settings, &brand, &of.endpoint, &secret)?,
                brand: brand.clone(),
                id: of.endpoint.clone(),
                url: url.clone(),
                former: None,
                per_minute: *per_minute,
                burst: (*per_minute / 60).max(1),
                concurrency: *concurrency,
                state: FeedEndpointState::On,
                cursor,
                created: clock()(),
            };
            if !scoped.add_feed_endpoint(&made).await? {
                bail!("{brand} has an endpoint {} already", of.endpoint);
            }
            crate::output::line(secret.reveal())
        }
        Command::List { brand } => list(store, &BrandId::new(brand.as_str())).await,
        Command::Pause { of } => set(store, of, FeedEndpointState::Paused).await,
        Command::Resume { of } => set(store, of, FeedEndpointState::On).await,
        Command::Replay { of, from } => {
            let tail = store.brand(&of.brand()).feed_tail().await?;
            if *from < tail.floor {
                bail!(
                    "changes up to {} are no longer kept (feed.keep_days): read `/v1/brands/{}/viewers` in full, then replay \
                     from there",
                    tail.floor,
                    of.brand
                );
            }
            if !store.brand(&of.brand()).replay_feed_endpoint(&of.endpoint, *from).await? {
                bail!(of.missing());
            }
            Ok(())
        }
        Command::RotateSecret { of } => {
            let secret = SigningSecret::generate().context("the system gives no randomness")?;
            let sealed = seal(settings, &of.brand(), &of.endpoint, &secret)?;
            let until = clock()().plus(DAY_MS);
            if !store.brand(&of.brand()).rotate_feed_secret(&of.endpoint, &sealed, until).await? {
                bail!(of.missing());
            }
            crate::output::line(secret.reveal())
        }
        Command::Remove { of } => {
            if !store.brand(&of.brand()).remove_feed_endpoint(&of.endpoint).await? {
                bail!(of.missing());
            }
            Ok(())
        }
        Command::Test { of } => test(settings, store, of).await,
    }
}

fn seal(settings: &Settings, brand: &BrandId, endpoint: &str, secret: &SigningSecret) -> anyhow::Result<SealedSecret> {
    let plain = SecretString::from(secret.reveal());
    Ok(SealedSecret(keyring(settings)?.seal(&plain, &secret_context(brand, endpoint))?))
}

async fn list(store: &Store, brand: &BrandId) -> anyhow::Result<()> {
    let scoped = store.brand(brand);
    let head = scoped.feed_tail().await?.head;
    for one in scoped.feed_endpoints().await? {
        let (waiting, dead) = scoped.feed_waiting(&one.id).await?;
        crate::output::line(json!({
            "endpoint": one.id, "url": one.url, "state": one.state, "given": one.cursor, "behind": head.saturating_sub(one.cursor),
            "waiting": waiting, "dead": dead, "per_minute": one.per_minute, "concurrency": one.concurrency,
            "created": one.created.to_rfc3339(),
        }))?;
    }
    Ok(())
}

async fn set(store: &Store, of: &Of, state: FeedEndpointState) -> anyhow::Result<()> {
    if !store.brand(&of.brand()).set_feed_endpoint(&of.endpoint, state).await? {
        bail!(of.missing());
    }
    Ok(())
}

/// Posts a test event, signed as deliveries are.
async fn test(settings: &Settings, store: &Store, of: &Of) -> anyhow::Result<()> {
    let brand = of.brand();
    let endpoints = store.brand(&brand).feed_endpoints().await?;
    let Some(found) = endpoints.into_iter().find(|one| one.id == of.endpoint) else { bail!(of.missing()) };
    let plain = keyring(settings)?.open(&found.secret.0, &secret_context(&brand, &found.id))?;
    let secrets = Secrets::new(SigningSecret::parse(plain.expose_secret())?);
    let now = clock()();
    let id = InteractionId::derive(&["feed-test", &now.millis().to_string()]).uuid().to_string();
    let body = json!({
        "specversion": "1.0", "id": id, "source": format!("/brands/{brand}"), "type": "app.afterglow.test",
        "time": now.to_rfc3339(), "datacontenttype": "application/json", "brand": brand, "data": null,
    });
    let mut headers = signed_headers(&secrets, &id, now, body.to_string().as_bytes())?;
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    let request =
        Request { method: http::Method::POST, url: found.url.parse()?, headers, body: body.to_string().into() };
    match egress(&settings.feed)?.send(request).await {
        Ok(reply) => {
            let text = String::from_utf8_lossy(&reply.body);
            let answer: String = text.chars().take(300).collect();
            crate::output::line(json!({ "status": reply.status, "answer": answer }))?;
            if (200..300).contains(&reply.status) { Ok(()) } else { bail!("{} did not take it", found.url) }
        }
        Err(error) => bail!("{}: {}", found.url, afterglow_runtime::error_chain(&error)),
    }
}
