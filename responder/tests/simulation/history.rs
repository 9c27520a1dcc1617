//! One history: what people do, what arrives when, who crashes; and what is left of it in the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use afterglow_domain::{
    Body, Channel, ConsentChange, ConsentState, Control, ControlChange, DerivedId as _, FenceChange, HOUR_MS, Intent,
    IntentId, IntentStatus, Interaction, InteractionId, Message, Reason, Source, Timestamp, Verdict as Judged,
    ViewerId, ViewerKey,
};
use afterglow_sim::world::{Answer, Fact, Rules, Unanswered, ViolationRecord, What, Word, World};
use afterglow_store::StoreError;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::ground::{Ground, fold};
use crate::happened::{echo_of, intent_for, plain, story_reply};
use crate::meta::Stage;
use crate::mutation::Mutation;

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

impl Ground {
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
