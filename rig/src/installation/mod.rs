//! Several members of each service, beside a simulated Meta.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `layout` | what it is made of, and what its processes are told |
//! | `members` | the processes: started, ended, killed |

mod layout;
mod members;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afterglow_domain::Timestamp;
use afterglow_sim::account;
use afterglow_sim::traffic::{Extent, PlannedWebhook, TrafficOptions};
use afterglow_sim::webhooks::{PosterOptions, RetrySchedule};
use afterglow_sim::world::Unanswered;
use afterglow_sim::{Sim, SimOptions};
use afterglow_store::{Store, StoreOptions, Totals};
use anyhow::ensure;
use tokio::time::Instant;

pub use self::layout::{Layout, Service};
use self::layout::{connect_accounts, environment};
use self::members::{Member, tail};
use crate::Balancer;
use crate::http::get;
use crate::process::run;
use crate::reckoning::is_settled;

/// How long anything may take. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long all may take to come to rest: the confirmation of a stop waits five minutes for another app that leads the conversation
/// (`responder/src/policy/confirmation.rs`).
const REST: Duration = Duration::from_mins(7);
/// Webhooks that the simulated Meta has under way at once.
const POSTS: usize = 64;

/// A running installation. Its processes end when it is dropped.
#[derive(Debug)]
pub struct Installation {
    /// The simulated Meta.
    pub sim: Arc<Sim>,
    /// A view of the store.
    pub store: Store,
    /// What its processes are told.
    pub environment: Vec<(String, String)>,
    balancer: Balancer,
    members: Vec<Member>,
    started: HashMap<Service, u32>,
    binary: PathBuf,
    folder: tempfile::TempDir,
}

/// Real time: the processes live in it.
#[expect(clippy::disallowed_methods, reason = "the processes live in real time")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

/// Makes traffic of accounts.
#[derive(Debug, Clone)]
pub struct TrafficSource {
    accounts: Vec<account::Account>,
    lasting: Duration,
}

/// Events of an account whose people are as the traffic has them.
const EVENTS_OF_A_CROWD: f64 = 150.0;
/// What somebody wrote longer ago is no longer taken for a part of a frenzy, and people need memory: as many as an hour has.
const LONGEST: Duration = Duration::from_hours(1);
/// Several short pieces are told of the same people.
const SHORTEST: Duration = Duration::from_secs(30);

impl TrafficSource {
    /// For how long in all traffic like this goes on: the same people write then, so there are as many more of them.
    #[must_use]
    pub fn lasting(mut self, lasting: Duration) -> Self {
        self.lasting = lasting;
        self
    }

    /// Lifelike traffic, `rate` events a second for a time, beginning now.
    pub fn traffic(&self, seed: u64, rate: f64, span: Duration) -> Vec<PlannedWebhook> {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let mut options = TrafficOptions::new(self.accounts.clone(), seed, now(), rate, Extent::Millis(millis));
        (options.story_every_ms, options.late) = (30_000, 0);
        // Where more happens, there are more people, and not the same ones in a frenzy: that would be taken for spam, as it should be.
        let accounts = f64::from(u32::try_from(self.accounts.len()).unwrap_or(u32::MAX));
        let events = rate / accounts * self.lasting.max(span).clamp(SHORTEST, LONGEST).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
        let crowd = (events / EVENTS_OF_A_CROWD).clamp(1.0, 100.0) as u32;
        (options.crowd, options.people_per_account) = (crowd, options.people_per_account * crowd);
        options.plan().take_while(|webhook| webhook.at_ms <= millis).collect()
    }
}

impl Installation {
    /// Migrates, connects the accounts by the commands that an operator has; no service runs yet. The database must be empty.
    pub async fn prepare(layout: Layout) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let shape = account::Layout {
            brands: layout.brands,
            accounts_per_brand: 1,
            apps: 1,
            silent_every: layout.silent_every,
        };
        let mut options = SimOptions::new(account::accounts(shape, 1), Arc::new(now));
        // Meta's own pauses are minutes; a process that was killed is back in a second.
        let retry = RetrySchedule { pauses: vec![Duration::from_millis(200); 3_000], factor: 1.0 };
        options.poster = PosterOptions { concurrency: POSTS, timeout: Duration::from_secs(5), retry };
        let sim = Sim::start(options).await?;
        let environment = environment(&layout, &sim, folder.path())?;
        let migrated = run(&layout.binary, &["migrate"], &environment, "")?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        connect_accounts(&layout.binary, &sim, &environment).await?;
        let database = layout.servers.as_ref().map(|(database, _)| database.as_str());
        let store = Store::open(database, &folder.path().join("data"), StoreOptions { max_connections: 3 }).await?;
        let balancer = Balancer::start().await?;
        let (members, started) = (Vec::new(), HashMap::new());
        let sim = Arc::new(sim);
        sim.set_webhook_url(&format!("http://{}/webhooks/meta", balancer.address()));
        Ok(Self { sim, store, environment, balancer, members, started, binary: layout.binary, folder })
    }

    /// Where webhooks are posted: to any ready member.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/meta", self.balancer.address())
    }

    /// Where its processes keep their files.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The port of one member that takes webhooks, past the balancer.
    pub fn webhook_port(&self) -> Option<u16> {
        self.members.iter().find(|member| member.service.takes_webhooks()).map(|member| member.webhooks)
    }

    /// Runs a command of the binary on this installation.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
        run(&self.binary, arguments, &self.environment, "")
    }

    /// Lifelike traffic of all accounts, `rate` events a second for a time, beginning now.
    pub fn traffic(&self, seed: u64, rate: f64, span: Duration) -> Vec<PlannedWebhook> {
        self.source().traffic(seed, rate, span)
    }

    /// What makes traffic of all accounts, to be used beside the installation.
    pub fn source(&self) -> TrafficSource {
        self.source_of(self.sim.accounts().to_vec())
    }

    /// The same, of some accounts.
    pub fn source_of(&self, accounts: Vec<account::Account>) -> TrafficSource {
        TrafficSource { accounts, lasting: Duration::ZERO }
    }

    /// Replies to which an answer was due and none came. Excused is who said stop, or was taken over, at any later time.
    pub fn unanswered(&self) -> Vec<Unanswered> {
        const LATER: i64 = 3_600_000;
        self.sim.with_world(|world| world.unanswered(now().plus(LATER), LATER))
    }

    /// Waits until nothing is on its way: every webhook and echo was taken, lanes and outbox are empty, and no intent is
    /// pending, under way or deferred.
    pub async fn at_rest(&self) -> anyhow::Result<Totals> {
        let begun = Instant::now();
        let (mut calm, mut last) = (0, String::new());
        // A message may be between two places at the moment of one look; not at several.
        while calm < 3 {
            ensure!(begun.elapsed() < REST, "still on its way: {last}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let idle = tokio::time::timeout(Duration::from_secs(5), self.sim.wait_idle()).await.is_ok();
            let Ok(totals) = self.store.totals().await else { continue };
            let open: u64 = totals.all.intents.iter().filter(|(status, _)| !is_settled(*status)).map(|(_, n)| n).sum();
            let waiting = self.waiting().await;
            calm = if idle && totals.outbox == 0 && open == 0 && waiting == Some(0) { calm + 1 } else { 0 };
            last = format!("idle {idle}, {open} intents, {} in the outbox, waiting {waiting:?}", totals.outbox);
        }
        Ok(self.store.totals().await?)
    }

    /// Messages ready on all lanes, as a member tells.
    pub async fn waiting(&self) -> Option<u64> {
        self.depth("ready").await
    }

    /// Dead letters on all lanes, likewise.
    pub async fn dead_letters(&self) -> Option<u64> {
        self.depth("dead").await
    }

    async fn depth(&self, state: &str) -> Option<u64> {
        let (status, text) = get(self.members.first()?.ops, "/metrics").await?;
        let state = format!("state=\"{state}\"");
        let of_lane = |line: &&str| line.starts_with("afterglow_bus_messages{") && line.contains(&state);
        let depths = text.lines().filter(of_lane).filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        let depths: Vec<u64> = depths.collect();
        (status == 200 && !depths.is_empty()).then(|| depths.iter().sum())
    }

    /// The end of each member's log.
    pub fn logs(&self) -> String {
        let logs = self.members.iter().map(|m| format!("--- {}\n{}", m.service.name(), tail(&m.process)));
        logs.collect::<Vec<_>>().join("\n")
    }
}
