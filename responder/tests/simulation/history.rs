//! One history: what people do, what arrives when, who crashes; and what is left of it in the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use afterglow_domain::{
    Body, BrandSettings, CONFIRMATION, Channel, Clock, ConsentChange, ConsentState, Control, ControlChange,
    DerivedId as _, FenceChange, HOUR_MS, Intent, IntentId, IntentStatus, Interaction, InteractionId, Kind, Login,
    Message, PlayId, Reason, ReplyTo, Segment, Source, Timestamp, Verdict as Judged, ViewerId, ViewerKey, opt_out,
};
use afterglow_meta::graph::{GraphClient, GraphHosts};
use afterglow_responder::{Policy, Responder, ResponderOptions};
use afterglow_runtime::{Keyring, http_client};
use afterglow_sim::account::{Account, Layout, accounts};
use afterglow_sim::world::{Answer, Delivered, Fact, Rules, Unanswered, ViolationRecord, What, Word, World};
use afterglow_store::{Brand, FoldInput, FoldOutput, SealedToken, Store, StoreError, StoreOptions, ViewerRow};
use afterglow_tokens::token_context;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::meta::{Stage, Wire};
use crate::mutation::{Mutation, gate};

pub(crate) const START: i64 = 1_790_000_000_000;
/// Within this, people do things.
const SPAN_MS: i64 = 36 * HOUR_MS;
const LEASE_MS: i64 = 10_000;

/// Who got no answer, and what was decided about it.
type Lost = (Vec<Unanswered>, Vec<(Judged, Vec<Reason>)>);

/// What is left of a history.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) happened: u64,
    pub(crate) crashes: u64,
    pub(crate) requests: u64,
    pub(crate) answers: u64,
    violations: Vec<ViolationRecord>,
    lost: Vec<Lost>,
    stuck: Vec<Intent>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.violations.is_empty() && self.lost.is_empty() && self.stuck.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.happened += other.happened;
        self.crashes += other.crashes;
        self.requests += other.requests;
        self.answers += other.answers;
    }
}

/// What is to be done at a moment.
#[derive(Debug, Clone)]
enum Step {
    /// It happens: Meta knows.
    Happens(Vec<Fact>),
    /// Its webhook is answered 200.
    Acknowledged(Vec<Fact>),
    /// The lane of stops brings it.
    Fence(FenceChange),
    /// The scorer takes it in; an intent follows if it is a wish.
    Folded(Box<Interaction>, Option<i64>),
    /// The lane of intents brings it to a replica.
    Wished(Intent, usize),
    /// A replica looks for what is due.
    Sweep(usize),
}

/// A store with two replicas over it, on which one history after another is played.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Arc<Responder>>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) account: Account,
    mutation: Option<Mutation>,
    pub(crate) folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) async fn new(mutation: Option<Mutation>) -> Self {
        Self::with(BrandSettings::answering_story_replies("Thank you!"), 0, mutation).await
    }

    /// For a brand with these settings, from a document of this version.
    pub(crate) async fn with(settings: BrandSettings, document_version: i64, mutation: Option<Mutation>) -> Self {
        // In memory where there is such a place: what is tried here is not the disk.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let account = accounts(Layout { brands: 1, ..Layout::default() }, 1).remove(0);
        let keyring = Arc::new(Keyring::new([&Keyring::generate("sim").unwrap()]).unwrap());
        let now = Arc::new(AtomicI64::new(START));
        let brand = Brand {
            id: account.brand.clone(),
            name: "sim".into(),
            time_zone: "UTC".into(),
            settings,
            document_version,
            created: Timestamp::from_millis(START),
        };
        store.upsert_brand(&brand).await.unwrap();
        let sealed = keyring.seal(&account.access_token, &token_context(&account.id)).unwrap();
        let stored = afterglow_store::Account {
            id: account.id.clone(),
            brand: account.brand.clone(),
            channel: Channel::Instagram,
            login: Login::Instagram,
            username: None,
            token_sealed: Some(SealedToken(sealed)),
            token_expires: None,
            paused_reason: None,
            created: Timestamp::from_millis(START),
        };
        store.upsert_account(&stored).await.unwrap();
        let wire = Arc::new(Wire { stage: Mutex::new(None), now: Arc::clone(&now), mutation });
        let time = Arc::clone(&now);
        let clock: Clock = Arc::new(move || Timestamp::from_millis(time.load(Ordering::Relaxed)));
        let mut replicas = Vec::new();
        for n in 0..2 {
            let bus = {
                let bus = folder.path().join(format!("bus{n}"));
                std::fs::create_dir_all(&bus).unwrap();
                afterglow_bus::open(None, &bus, "sim", "sim", 0).await.unwrap()
            };
            let graph = GraphClient::new(http_client(Duration::from_secs(1)).unwrap(), GraphHosts::default());
            let time = Arc::clone(&now);
            replicas.push(Arc::new(Responder::new(ResponderOptions {
                store: store.clone(),
                bus,
                graph: graph.answered_by(Arc::clone(&wire) as _),
                keyring: Arc::clone(&keyring),
                clock: Arc::clone(&clock),
                holder: format!("replica-{n}"),
                policy: Policy::default(),
                concurrency: 4,
                sweep_every: Duration::from_secs(1),
                send_timeout: Duration::from_secs(10),
                sends_per_second: 50,
                echo_patience: Duration::from_secs(5),
                fate_patience: Duration::from_mins(2),
                drafter: None,
                gate: gate(mutation),
                sleep: Arc::new(move |span| {
                    let ms = i64::try_from(span.as_millis()).unwrap_or(0);
                    time.fetch_add(ms, Ordering::Relaxed);
                    Box::pin(std::future::ready(()))
                }),
            })));
        }
        Self { store, replicas, wire, now, account, mutation, folder }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    /// Plays the history of a seed.
    pub(crate) async fn run(&self, seed: u64) -> Verdict {
        let mut history = History::new(self, seed);
        history.write();
        Box::pin(history.play()).await;
        history.judge().await
    }
}

struct History<'a> {
    ground: &'a Ground,
    seed: u64,
    dice: StdRng,
    begin: i64,
    steps: BinaryHeap<Reverse<(i64, u64)>>,
    what: BTreeMap<u64, Step>,
    verdict: Verdict,
    /// Wishes that may not have come to their end.
    open: Vec<IntentId>,
}

impl<'a> History<'a> {
    fn new(ground: &'a Ground, seed: u64) -> Self {
        // One history after another, in time as well: the pace of the account goes on.
        let begin = ground.now().millis() + HOUR_MS;
        let world = World::new(vec![ground.account.clone()], Rules::default());
        *ground.wire.stage.lock().unwrap() = Some(Stage::new(world, seed));
        let dice = StdRng::seed_from_u64(seed ^ 0x5eed);
        let (steps, what, open) = (BinaryHeap::new(), BTreeMap::new(), Vec::new());
        Self { ground, seed, dice, begin, steps, what, verdict: Verdict::default(), open }
    }

    fn at(&mut self, ms: i64, step: Step) {
        let n = self.what.len() as u64;
        self.steps.push(Reverse((ms, n)));
        self.what.insert(n, step);
    }

    /// A delay: mostly short, now and then hours.
    fn delay(&mut self, short_ms: i64) -> i64 {
        match self.dice.random_range(0..20) {
            0 | 1 => self.dice.random_range(0..SPAN_MS),
            2 | 3 => self.dice.random_range(0..20 * short_ms),
            _ => self.dice.random_range(0..short_ms),
        }
    }

    /// Writes down what people do, and when it arrives.
    fn write(&mut self) {
        let people = self.dice.random_range(1..=4);
        for n in 0..self.dice.random_range(8..=24) {
            let person = ViewerId::new(format!("{}{}", 9_000_000 + self.seed, self.dice.random_range(0..people)));
            let ms = self.begin + self.dice.random_range(0..SPAN_MS);
            self.happening(n, &person, ms);
        }
        for n in 0..(SPAN_MS / (20 * 60_000)) {
            let replica = self.dice.random_range(0..2);
            self.at(self.begin + n * 20 * 60_000, Step::Sweep(replica));
        }
    }

    fn happening(&mut self, n: usize, person: &ViewerId, ms: i64) {
        let key = format!("m{}-{n}", self.seed);
        let (account, occurred) = (self.ground.account.id.clone(), Timestamp::from_millis(ms));
        let fact = |what: What| Fact {
            account: account.clone(),
            person: person.clone(),
            key: key.clone(),
            at: occurred,
            what,
        };
        let reply = |text: &str, answer| vec![fact(What::StoryReply { text: text.into(), answer })];
        let (facts, body, fence, wish) = match self.dice.random_range(0..20) {
            0..=9 => (reply("Lovely!", Answer::Due), story_reply(&key, "Lovely!"), None, true),
            10 | 11 => {
                let mut facts = reply("stop", Answer::Never);
                facts.push(fact(What::Said(Word::Stop)));
                (facts, story_reply(&key, "stop"), Some(Ok(ConsentState::OptedOut)), true)
            }
            12 => {
                let mut facts = vec![fact(What::Contact { text: Some("start".into()) })];
                facts.push(fact(What::Said(Word::Start)));
                (facts, plain(&key), Some(Ok(ConsentState::OptedIn)), false)
            }
            13 | 14 => {
                let facts = vec![fact(What::HumanWrote { text: "Hello, this is Maya".into() })];
                let message =
                    Message { mid: key.clone(), text: Some("Hello, this is Maya".into()), ..Message::default() };
                (facts, Body::MessageSent(message), Some(Err(Control::Person)), false)
            }
            15 => (vec![fact(What::Taken)], plain(&key), Some(Err(Control::App)), false),
            16 => (vec![fact(What::Returned)], plain(&key), Some(Err(Control::Automation)), false),
            // Said to another app: kept, never answered; the wish is what a wrong scorer would make of it.
            17 => (vec![fact(What::Standby)], story_reply(&key, "Lovely!"), Some(Err(Control::App)), true),
            _ => (vec![fact(What::Contact { text: Some("Hi".into()) })], plain(&key), None, false),
        };
        let standby = facts.iter().any(|fact| fact.what == What::Standby);
        let silent = matches!(fence, Some(Err(Control::App | Control::Automation))) && matches!(body, Body::Message(_));
        self.verdict.happened += 1;
        let told = ms + self.dice.random_range(0..1_000);
        // Meta tries again for 36 hours.
        let acknowledged = told + self.delay(2_000);
        self.at(told, Step::Happens(facts.clone()));
        self.at(acknowledged, Step::Acknowledged(facts));
        let received = Timestamp::from_millis(acknowledged);
        if let Some(fence) = fence {
            let cause = InteractionId::derive(&["sim", &key]);
            let (brand, viewer) = (self.ground.account.brand.clone(), person.clone());
            let change = match fence {
                Ok(state) => {
                    FenceChange::Consent(ConsentChange { brand, account, viewer, state, cause, occurred, received })
                }
                Err(control) => FenceChange::Control(ControlChange {
                    brand,
                    account,
                    viewer,
                    control,
                    reason: None,
                    cause,
                    occurred,
                    received,
                }),
            };
            let late = match self.ground.mutation {
                Some(Mutation::RecordsStopsLate) => 20 * 60_000,
                _ => self.dice.random_range(0..500),
            };
            if self.ground.mutation != Some(Mutation::LosesStops) {
                self.at(acknowledged + late, Step::Fence(change));
            }
        }
        if silent {
            return;
        }
        let interaction = Interaction {
            id: InteractionId::derive(&["sim", &key]),
            brand: self.ground.account.brand.clone(),
            account: self.ground.account.id.clone(),
            viewer: Some(person.clone()),
            username: None,
            channel: Channel::Instagram,
            source: Source::Webhook,
            occurred,
            received,
            standby,
            body,
            raw: None,
        };
        let folded = acknowledged + self.delay(3_000);
        for again in 0..=i64::from(self.dice.random_range(0..5) == 0) {
            let wish_after = wish.then(|| self.delay(2_000));
            self.at(folded + again * 7_000, Step::Folded(Box::new(interaction.clone()), wish_after));
        }
    }

    async fn play(&mut self) {
        while let Some(Reverse((ms, n))) = self.steps.pop() {
            self.ground.now.fetch_max(ms, Ordering::Relaxed);
            let Some(step) = self.what.get(&n).cloned() else { continue };
            Box::pin(self.step(step)).await;
            self.echoes();
        }
        // Everything has happened: what is open is settled, or it never will be.
        for hour in 0..60 {
            self.ground.now.fetch_add(HOUR_MS, Ordering::Relaxed);
            Box::pin(self.step(Step::Sweep(hour % 2))).await;
            self.echoes();
            while let Some(Reverse((ms, n))) = self.steps.pop() {
                self.ground.now.fetch_max(ms, Ordering::Relaxed);
                let Some(step) = self.what.get(&n).cloned() else { continue };
                Box::pin(self.step(step)).await;
            }
        }
    }

    async fn step(&mut self, step: Step) {
        let ground = self.ground;
        let now = ground.now();
        match step {
            Step::Happens(facts) => ground.wire.on_stage(|stage| stage.world.tell(&facts, now)),
            Step::Acknowledged(facts) => ground.wire.on_stage(|stage| stage.world.acknowledge(&facts, now)),
            Step::Fence(change) => patiently(|| ground.replicas[0].record(&change)).await,
            Step::Folded(interaction, wish_after) => {
                let batch = [*interaction];
                patiently(|| ground.store.apply_interactions(&batch, now, LEASE_MS, fold)).await;
                if let Some(after) = wish_after {
                    // The outbox gives each wish at least once, to whichever replica takes it.
                    let intent = intent_for(&batch[0], now);
                    self.open.push(intent.id);
                    let first = self.dice.random_range(0..2);
                    self.at(now.millis() + after, Step::Wished(intent.clone(), first));
                    if self.dice.random_range(0..4) == 0 {
                        let again = now.millis() + after + self.dice.random_range(0..60_000);
                        self.at(again, Step::Wished(intent, 1 - first));
                    }
                }
            }
            Step::Wished(intent, replica) => {
                // A crash anywhere: the lane brings the intent again, to whoever lives.
                if self.crashes() {
                    let polls = self.dice.random_range(0..14);
                    cut(ground.replicas[replica].speak(&intent), polls).await;
                    self.at(ground.now().millis() + 5_000, Step::Wished(intent, 1 - replica));
                } else {
                    patiently(|| ground.replicas[replica].speak(&intent)).await;
                }
            }
            Step::Sweep(_) if ground.mutation == Some(Mutation::NeverSweeps) => {}
            Step::Sweep(_) if !self.is_anything_open().await => {}
            Step::Sweep(replica) => {
                if self.crashes() {
                    let polls = self.dice.random_range(0..30);
                    cut(ground.replicas[replica].sweep(), polls).await;
                } else {
                    patiently(|| ground.replicas[replica].sweep()).await;
                }
            }
        }
    }

    /// Whether an intent has not come to its end: else there is nothing that a sweep could find.
    async fn is_anything_open(&mut self) -> bool {
        let scope = self.ground.store.brand(&self.ground.account.brand);
        let mut open = std::mem::take(&mut self.open);
        let ended = |status| matches!(status, Some(IntentStatus::Sent | IntentStatus::Held | IntentStatus::Dropped));
        while let Some(id) = open.last() {
            if !ended(scope.intent_status(*id).await.unwrap()) {
                break;
            }
            open.pop();
        }
        self.open = open;
        !self.open.is_empty()
    }

    fn crashes(&mut self) -> bool {
        let crashes = self.dice.random_range(0..8) == 0;
        self.verdict.crashes += u64::from(crashes);
        crashes
    }

    /// What went out comes back as an echo, mostly.
    fn echoes(&mut self) {
        let delivered = self.ground.wire.on_stage(|stage| std::mem::take(&mut stage.delivered));
        for message in delivered {
            if self.dice.random_range(0..4) == 0 {
                continue; // lost on its way
            }
            let after = self.delay(4_000);
            let echo = echo_of(&message, &self.ground.account, message.at.plus(after));
            self.at(message.at.millis() + after, Step::Folded(Box::new(echo), None));
        }
    }

    async fn judge(mut self) -> Verdict {
        let ground = self.ground;
        let now = ground.now();
        let (violations, unanswered, requests, answers) = ground.wire.on_stage(|stage| {
            let lost = stage.world.unanswered(now, HOUR_MS);
            (stage.world.violations().to_vec(), lost, stage.requests, stage.world.answer_latencies_ms().len() as u64)
        });
        (self.verdict.requests, self.verdict.answers, self.verdict.violations) = (requests, answers, violations);
        // Meta does not know which of a person's replies a message answers: they are counted by person.
        let mut by_person: BTreeMap<ViewerId, Vec<Unanswered>> = BTreeMap::new();
        for lost in unanswered {
            by_person.entry(lost.person.clone()).or_default().push(lost);
        }
        for (person, lost) in by_person {
            let key = ViewerKey { account: ground.account.id.clone(), viewer: person };
            let scope = ground.store.brand(&ground.account.brand);
            // The latest first: of each reply the last word counts.
            let mut last: BTreeMap<InteractionId, (Judged, Vec<Reason>)> = BTreeMap::new();
            for record in scope.decisions_of(&key, 10_000).await.unwrap() {
                last.entry(record.cause).or_insert((record.decision.verdict, record.decision.reasons));
            }
            // A person is asked, or there is nothing left to be said: nobody is forgotten in silence.
            let kept = last.values().filter(|(verdict, reasons)| match verdict {
                Judged::Hold => true,
                Judged::Drop => reasons.iter().any(|reason| matches!(reason, Reason::WindowClosed | Reason::OptedOut)),
                Judged::Send | Judged::Defer => false,
            });
            if kept.count() < lost.len() {
                self.verdict.lost.push((lost, last.into_values().collect()));
            }
        }
        // Whatever is due some time is due within ten years.
        let far = now.plus(10 * 365 * 24 * HOUR_MS);
        let mine = format!("{}", 9_000_000 + self.seed);
        let waiting = ground.store.due_intents(far, 1_000, 1).await.unwrap();
        self.verdict.stuck = waiting.into_iter().filter(|intent| intent.viewer.as_str().starts_with(&mine)).collect();
        self.verdict
    }
}

/// Tries until the store takes it: a crash may have left a transaction to be rolled back.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(mut attempt: impl FnMut() -> F) {
    for _ in 0..100 {
        match attempt().await {
            Ok(_) => return,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store takes nothing");
}

/// Runs a future for some polls, and then no more: the process is gone.
async fn cut<T>(future: impl Future<Output = T>, polls: u32) {
    struct Cut<F> {
        future: F,
        polls: u32,
    }
    impl<T, F: Future<Output = T> + Unpin> Future for Cut<F> {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if self.polls == 0 {
                return Poll::Ready(());
            }
            self.polls -= 1;
            Pin::new(&mut self.future).poll(context).map(|_| ())
        }
    }
    Cut { future: Box::pin(future), polls }.await;
}

pub(crate) fn story_reply(mid: &str, text: &str) -> Body {
    let reply_to = Some(ReplyTo::Story { id: "17900000000000001".into(), url: None });
    Body::StoryReply(Message { mid: mid.into(), text: Some(text.into()), reply_to, ..Message::default() })
}

fn plain(mid: &str) -> Body {
    Body::Message(Message { mid: mid.into(), text: Some("Hi".into()), ..Message::default() })
}

fn intent_for(cause: &Interaction, now: Timestamp) -> Intent {
    // What the scorer wishes: a stop is confirmed, everything else answered.
    let stop = cause.body.text().and_then(opt_out::classify) == Some(ConsentState::OptedOut);
    let play = PlayId::new(if stop { CONFIRMATION } else { "story-reply" });
    Intent {
        id: Intent::derive_id(&play, cause.id, 0),
        brand: cause.brand.clone(),
        account: cause.account.clone(),
        viewer: cause.viewer.clone().unwrap(),
        play,
        cause: cause.id,
        cause_kind: Kind::StoryReply,
        cause_occurred: cause.occurred,
        comment_id: None,
        step: 0,
        say: None,
        due: None,
        language: None,
        person: None,
        created: now,
    }
}

pub(crate) fn echo_of(message: &Delivered, account: &Account, received: Timestamp) -> Interaction {
    Interaction {
        id: InteractionId::derive(&["sim", &message.mid]),
        brand: account.brand.clone(),
        account: message.account.clone(),
        viewer: Some(message.person.clone()),
        username: None,
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: message.at,
        received,
        standby: false,
        body: Body::MessageSent(Message {
            mid: message.mid.clone(),
            text: message.text.clone(),
            metadata: message.metadata.clone(),
            ..Message::default()
        }),
        raw: None,
    }
}

/// As much of the scorer as the gate needs: when the viewer was last in contact.
fn fold(input: FoldInput<'_>) -> FoldOutput {
    let row = |viewer: afterglow_store::ViewerFold<'_>| {
        let contact = viewer.new.iter().filter(|new| new.is_contact()).map(|new| new.occurred).max();
        let before = viewer.before.as_ref();
        let last = viewer.new.iter().map(|new| new.occurred).max().unwrap_or_default();
        ViewerRow {
            username: None,
            state: "{}".into(),
            segment: Segment::Hot,
            score_rank: 0.0,
            last_contact: contact.max(before.and_then(|row| row.last_contact)),
            first_seen: before.map_or(last, |row| row.first_seen),
            last_seen: last,
            needs_reply_since: None,
            rules_version: "sim".into(),
            tags: Vec::new(),
            due: None,
            triage: None,
            review: None,
            key: viewer.key,
            brand: viewer.brand,
        }
    };
    FoldOutput { viewers: input.viewers.into_iter().map(row).collect(), outbox: Vec::new(), exposures: Vec::new() }
}
