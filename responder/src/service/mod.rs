//! The loops around the gate.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `consent_lane` | stops and hand-overs, recorded before anything else |
//! | `intents_lane` | intents from the bus |
//! | `speak` | one intent: judge, reserve, start, call, finish |
//! | `sweep` | intents that are due again, leases that ran out |
//! | `fate` | sends of which it is not known whether they went out |
//! | `turns` | places in which intents are judged, of which no account takes all |
//! | `pace` | room for the next message of an account |
//! | `backlog` | how many interactions wait to be taken in |
//! | `drafting` | answers drafted by a model |
//! | `desks` | each brand's judge of messages |
//! | `moderation` | comments that are hidden, shown again, deleted |
//! | `safety` | plays and accounts that do harm are silenced |

mod backlog;
mod consent_lane;
mod desks;
mod drafting;
mod fate;
mod intents_lane;
mod moderation;
mod pace;
mod safety;
mod speak;
mod sweep;
mod turns;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{Bus, BusError};
use afterglow_domain::{Clock, Decision, Facts, FenceChange, Intent, Timestamp};
use afterglow_meta::graph::GraphClient;
use afterglow_runtime::Keyring;
use afterglow_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::Policy;
use afterglow_drafts::Drafter;
use afterglow_tokens::Tokens;
use backlog::Backlog;
use desks::Desks;
use pace::Pace;
use turns::{Shares, Turns};

/// Messages of an account that may go out at once after a quiet time.
const SEND_BURST: u32 = 10;

/// Transactions of one account that are at the store at once, at most. Meta lets an account say some 80 messages a second, for
/// which these are enough; more only take the database's cores from everybody.
const AT_STORE: usize = 2;
/// When more than this of one account wait for the store, it has one transaction there at a time: still more than 80 a second.
const FLOOD: usize = 8;
/// Connections to the store that no answer takes: a stop does not wait for one.
const FOR_STOPS: usize = 2;

/// What the responder is given.
pub struct ResponderOptions {
    /// Where state lives.
    pub store: Store,
    /// Where intents and stops come from.
    pub bus: Arc<dyn Bus>,
    /// How Meta is spoken to.
    pub graph: GraphClient,
    /// Opens access tokens.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Clock,
    /// Names this process among those that share leases; unlike any other.
    pub holder: String,
    /// What the gate may assume.
    pub policy: Policy,
    /// Intents that are judged or sent at once, ≥ 1.
    pub concurrency: u16,
    /// How often due intents and lost sends are looked for.
    pub sweep_every: Duration,
    /// How long one call to Meta may take at most; leases are made to outlast it.
    pub send_timeout: Duration,
    /// Messages a second from one account.
    pub sends_per_second: u32,
    /// How long a send of unknown fate waits for its echo before the conversation is read.
    pub echo_patience: Duration,
    /// How long its fate is looked for before a person is asked.
    pub fate_patience: Duration,
    /// Asks a model for drafts, if there is one.
    pub drafter: Option<Arc<Drafter>>,
    /// The gate. Anything but [`decide`](crate::decide) is for tests that prove that a wrong one is noticed.
    pub gate: Gate,
    /// How to wait; by the runtime's clock, but in simulations.
    pub sleep: Sleep,
}

/// A gate: the verdict on an intent, given facts, at a moment.
pub type Gate = fn(&Intent, &Facts, Timestamp, &Policy) -> Decision;

/// Waits for a span of time.
pub type Sleep = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Waits by the runtime's clock.
pub fn runtime_sleep() -> Sleep {
    Arc::new(|span| Box::pin(tokio::time::sleep(span)))
}

/// A loop cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// A lane cannot be read.
    #[error("cannot take {lane} from the bus")]
    Consume {
        /// Which lane.
        lane: &'static str,
        /// Why.
        source: BusError,
    },
}

/// The one way out.
pub struct Responder {
    store: Store,
    bus: Arc<dyn Bus>,
    graph: GraphClient,
    tokens: Tokens,
    clock: Clock,
    holder: String,
    policy: Policy,
    pace: Pace,
    backlog: Backlog,
    desks: Desks,
    drafter: Option<Arc<Drafter>>,
    turns: Turns,
    /// Of those that hold a place, who is at the store.
    store_turns: Turns,
    concurrency: u16,
    sweep_every: Duration,
    lease_ms: i64,
    echo_patience: Duration,
    fate_patience: Duration,
    gate: Gate,
    sleep: Sleep,
}

impl Responder {
    /// Puts the parts together; nothing runs yet.
    pub fn new(options: ResponderOptions) -> Self {
        let ResponderOptions { store, bus, graph, keyring, clock, policy, concurrency, .. } = options;
        let concurrency = concurrency.max(1);
        let places = usize::from(concurrency);
        let places_at_store = store.transactions_at_once().saturating_sub(FOR_STOPS);
        let at_store = Shares { places: places_at_store, part: AT_STORE, most: AT_STORE, flood: FLOOD };
        // A send whose lease runs out is taken for lost: the call must have ended long before.
        let lease = options.send_timeout * 2 + Duration::from_secs(5);
        let pace = Pace::new(store.clone(), Arc::clone(&clock), options.sends_per_second, SEND_BURST);
        Self {
            pace,
            backlog: Backlog::default(),
            desks: Desks::default(),
            drafter: options.drafter,
            tokens: Tokens::new(store.clone(), keyring, Arc::clone(&clock)),
            store_turns: Turns::new(at_store),
            store,
            bus,
            graph,
            clock,
            holder: options.holder,
            policy,
            turns: Turns::new(Shares { places, part: places / 4, most: places, flood: usize::MAX }),
            concurrency,
            sweep_every: options.sweep_every,
            lease_ms: i64::try_from(lease.as_millis()).unwrap_or(i64::MAX),
            echo_patience: options.echo_patience,
            fate_patience: options.fate_patience,
            gate: options.gate,
            sleep: options.sleep,
        }
    }

    /// One step of a loop, for simulations: records a stop or a hand-over.
    pub async fn record(self: &Arc<Self>, change: &FenceChange) -> Result<(), StoreError> {
        consent_lane::record(Arc::clone(self), change.clone()).await
    }

    /// One step of a loop, for simulations: judges an intent, and speaks if the gate says so.
    pub async fn speak(&self, intent: &Intent) -> Result<(), StoreError> {
        speak::speak(self, intent, &CancellationToken::new()).await.map(|_| ())
    }

    /// One step of a loop, for simulations: intents that are due again, leases that ran out, sends of unknown fate.
    pub async fn sweep(self: &Arc<Self>) -> Result<(), StoreError> {
        sweep::sweep(self, &CancellationToken::new()).await?;
        fate::settle(self, &CancellationToken::new()).await
    }

    /// One step of a loop, for simulations: what waited too long ends, what does harm is silenced.
    pub async fn look_after(&self) -> Result<(), StoreError> {
        safety::look_after(self).await
    }

    /// Works until `stop`; then finishes what it is saying and returns.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ResponderError> {
        let this = Arc::new(self);
        let stop = stop.child_token();
        // The built-in lists are compiled once in a process, before the first message waits for them.
        let _ = tokio::task::spawn_blocking(desks::warm).await;
        // One that fails takes the others along, each in its own order.
        let guarded = |ended: Result<(), ResponderError>| {
            stop.cancel();
            ended
        };
        let heard = CancellationToken::new();
        let (stops, intents, (), (), (), ()) = tokio::join!(
            async { guarded(consent_lane::run(&this, &heard, &stop).await) },
            async {
                stop.run_until_cancelled(heard.cancelled()).await;
                guarded(intents_lane::run(&this, &stop).await)
            },
            async {
                stop.run_until_cancelled(heard.cancelled()).await;
                sweep::run(&this, &stop).await;
            },
            fate::run(&this, &stop),
            moderation::run(&this, &stop),
            safety::run(&this, &stop),
        );
        stops.and(intents)
    }
}
