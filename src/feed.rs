//! `afterglow feed`: what other systems are told, and where.

use std::process::ExitCode;

use afterglow_crm::egress::Request;
use afterglow_crm::feed::secret_context;
use afterglow_crm::webhook::{CONTENT_TYPE, Secrets, SigningSecret, signed_headers};
use afterglow_domain::{BrandId, DAY_MS, DerivedId as _, InteractionId, Timestamp};
use afterglow_runtime::Settings;
use afterglow_store::{FeedEndpoint, FeedEndpointState, SealedSecret, Store};
use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::installation::{clock, egress, keyring, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Endpoints that changes are posted to
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// How far a brand's changes were published to the broker (feed.broker)
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// CRMs whose own records are written
    #[command(subcommand)]
    Crm(crate::feed_crm::Command),
    /// Print the changes that follow a cursor, one CloudEvent a line; the last one's `sequence` is the next cursor
    Changes {
        /// The brand
        #[arg(long)]
        brand: String,
        /// From behind this change
        #[arg(long, default_value_t = 0)]
        cursor: u64,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
    /// List the latest attempts at an endpoint, one JSON object a line
    Attempts {
        #[command(flatten)]
        of: Of,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// List what was given up, one JSON object a line
    DeadLetters {
        #[command(flatten)]
        of: Of,
        /// Have all of it tried again
        #[arg(long)]
        retry: bool,
    },
}

#[derive(clap::Subcommand)]
pub(crate) enum EndpointCommand {
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

#[derive(clap::Subcommand)]
pub(crate) enum BrokerCommand {
    /// Show the last change that the broker confirmed, and how many it has not had
    Status {
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Publish again all that followed a change, as far as it is kept
    Replay {
        /// The brand
        #[arg(long)]
        brand: String,
        /// The change
        #[arg(long)]
        from: u64,
    },
}

/// Which endpoint.
#[derive(clap::Args)]
pub(crate) struct Of {
    /// Its name
    endpoint: String,
    /// The brand
    #[arg(long)]
    brand: String,
}

impl Of {
    fn brand(&self) -> BrandId {
        BrandId::new(self.brand.as_str())
    }

    fn missing(&self) -> String {
        format!("{0} has no endpoint {1}: see `afterglow feed endpoint list --brand {0}`", self.brand, self.endpoint)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Endpoint(command) => endpoint(command, settings, &store).await?,
        Command::Broker(command) => broker(command, &store).await?,
        Command::Crm(command) => crate::feed_crm::run(command, settings, &store).await?,
        Command::Changes { brand, cursor, limit } => {
            let page = store.brand(&BrandId::new(brand.as_str())).changes_after(*cursor, *limit).await?;
            for change in page.changes {
                crate::output::line(change.body)?;
            }
        }
        Command::Attempts { of, limit } => {
            for one in store.brand(&of.brand()).feed_attempts(&of.endpoint, *limit).await? {
                crate::output::line(json!({
                    "change": one.change, "number": one.number, "at": one.at.to_rfc3339(), "took_ms": one.took_ms,
                    "status": one.status, "error": one.error, "answer": one.excerpt, "outcome": one.outcome,
                }))?;
            }
        }
        Command::DeadLetters { of, retry } => {
            let brand = of.brand();
            let scoped = store.brand(&brand);
            if *retry {
                let revived = scoped.revive_feed(&of.endpoint, clock()()).await?;
                crate::output::line(json!({ "tried_again": revived }))?;
            } else {
                for dead in scoped.feed_dead_letters(&of.endpoint, 10_000).await? {
                    crate::output::line(json!({
                        "change": dead.change, "sequence": dead.sequence, "viewer": dead.viewer.to_string(),
                        "reason": dead.reason, "at": dead.at.map(Timestamp::to_rfc3339),
                    }))?;
                }
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn broker(command: &BrokerCommand, store: &Store) -> anyhow::Result<()> {
    match command {
        BrokerCommand::Status { brand } => {
            let place = store.brand(&BrandId::new(brand.as_str())).feed_broker_place().await?;
            let (cursor, head) = place.map_or((0, 0), |place| (place.cursor, place.head));
            crate::output::line(json!({ "cursor": cursor, "head": head, "behind": head.saturating_sub(cursor) }))
        }
        BrokerCommand::Replay { brand, from } => {
            if !store.brand(&BrandId::new(brand.as_str())).replay_feed_broker(*from).await? {
                bail!("{brand} has no change {from}: see `afterglow feed broker status --brand {brand}`");
            }
            Ok(())
        }
    }
}

async fn endpoint(command: &EndpointCommand, settings: &Settings, store: &Store) -> anyhow::Result<()> {
    match command {
        EndpointCommand::Add { of, url, from, per_minute, concurrency } => {
            let parsed: reqwest::Url = url.parse().with_context(|| format!("{url:?} is no address"))?;
            if parsed.scheme() != "https" && !settings.feed.plain_http {
                bail!("{url}: an endpoint is called over https (feed.plain_http allows others)");
            }
            if of.endpoint.is_empty() || of.endpoint.contains('/') {
                bail!("{:?}: a name without a slash", of.endpoint);
            }
            let brand = of.brand();
            let scoped = store.brand(&brand);
            if scoped.brand().await?.is_none() {
                bail!("there is no brand {brand}: see `afterglow brand list`");
            }
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
        EndpointCommand::List { brand } => list(store, &BrandId::new(brand.as_str())).await,
        EndpointCommand::Pause { of } => set(store, of, FeedEndpointState::Paused).await,
        EndpointCommand::Resume { of } => set(store, of, FeedEndpointState::On).await,
        EndpointCommand::Replay { of, from } => {
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
        EndpointCommand::RotateSecret { of } => {
            let secret = SigningSecret::generate().context("the system gives no randomness")?;
            let sealed = seal(settings, &of.brand(), &of.endpoint, &secret)?;
            let until = clock()().plus(DAY_MS);
            if !store.brand(&of.brand()).rotate_feed_secret(&of.endpoint, &sealed, until).await? {
                bail!(of.missing());
            }
            crate::output::line(secret.reveal())
        }
        EndpointCommand::Remove { of } => {
            if !store.brand(&of.brand()).remove_feed_endpoint(&of.endpoint).await? {
                bail!(of.missing());
            }
            Ok(())
        }
        EndpointCommand::Test { of } => test(settings, store, of).await,
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
