//! Sequences over two weeks of virtual time: the real scorer's wishes, gate, fence, pace and sender, and viewers who answer, buy,
//! say stop, begin again or are taken over by a person.
//!
//! `AFTERGLOW_SIM_VIEWERS=100000 cargo test --release -p afterglow-responder --test simulation sequences -- --nocapture` plays it in
//! full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Instant;

use afterglow_domain::{
    Body, Channel, Conversion, DAY_MS, DerivedId as _, FenceChange, HOUR_MS, Intent, Interaction, InteractionId,
    MINUTE_MS, Message, Referral, Source, Timestamp, ViewerId, opt_out,
};
use afterglow_rules::Document;
use afterglow_scorer::{Rulebooks, take_in};
use afterglow_sim::world::{Answer, Causes, Fact, LedgerEntry, Outcome, Rules, What, Word, World};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::Connection as _;

use crate::ground::{Ground, START};
use crate::happened::{FOR_A_PERSON, echo_of, story_reply};
use crate::history::patiently;
use crate::meta::Stage;
use crate::setting;

/// Viewers of the short run.
const SHORT: u64 = 250;
/// Viewers begin within so many days, and the sequences run for two weeks.
const BEGIN_DAYS: i64 = 7;
/// An intent that is due waits no longer than this; beyond it the alert `AnswersOverdue` fires.
const OVERDUE_MS: i64 = 10 * MINUTE_MS;
/// A person works through what is held this often; `HeldTooLong` fires at 12 hours.
const REVIEW_MS: i64 = 6 * HOUR_MS;

/// What each step says, and how long after its beginning.
const STEPS: [(&str, i64); 6] = [
    ("Story, at once", 0),
    ("Story, two hours later", 2 * HOUR_MS),
    ("Story, two days later", 2 * DAY_MS),
    ("Ad, at once", 0),
    ("Ad, two days later", 2 * DAY_MS),
    ("Ad, six days later", 6 * DAY_MS),
];

const DOCUMENT: &str = "
brand: brand-1
time_zone: Europe/Amsterdam
limits: { human_agent: true, ad_window_days: 7, per_viewer_day: 3, quiet_hours: { from: '22:00', to: '08:00' } }
plays:
  - name: story
    on: { kinds: [story_reply] }
    rollout: on
    steps: [{ say: s0 }, { after: 2h, say: s1 }, { after: 2d, say: s2, closed: person }]
  - name: ad
    on: { keywords: [lamp] }
    rollout: on
    steps: [{ say: a0 }, { after: 2d, say: a1 }, { after: 6d, say: a2 }]
snippets:
  s0: { text: 'Story, at once' }
  s1: { text: 'Story, two hours later' }
  s2: { text: 'Story, two days later' }
  a0: { text: 'Ad, at once' }
  a1: { text: 'Ad, two days later' }
  a2: { text: 'Ad, six days later' }
";

/// Something that happens to one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Begins,
    Answers,
    Buys,
    SaysStop,
    IsWrittenTo,
    AsksForAPerson,
}

struct Event {
    viewer: u64,
    n: u32,
    occurred: i64,
    deed: Deed,
    ad: bool,
}

/// What happened to each viewer: when it had arrived, what, and when it had happened.
type Truth = HashMap<u64, Vec<(i64, Deed, i64)>>;

struct Run<'a> {
    ground: &'a Ground,
    rulebooks: Rulebooks,
    events: Vec<Event>,
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    echoes: BinaryHeap<Reverse<(i64, usize)>>,
    echoed: Vec<Interaction>,
    truth: Truth,
    held: u64,
}

#[tokio::test]
async fn sequences_of_two_weeks_end_for_a_reason() {
    let viewers = setting("AFTERGLOW_SIM_VIEWERS").unwrap_or(SHORT);
    let begun = Instant::now();
    let settings = Document::parse(DOCUMENT).unwrap().settings();
    let ground = Ground::with(settings, 1, None).await;
    let rules = Rules { causes: Causes::JudgedElsewhere, ..Rules::default() };
    let mut stage = Stage::new(World::new(vec![ground.account.clone()], rules), 14);
    stage.fault_every = 40;
    *ground.wire.stage.lock().unwrap() = Some(stage);
    let mut run = Run::new(&ground, viewers).await;
    run.play().await;
    run.judge(viewers, begun).await;
}

impl<'a> Run<'a> {
    async fn new(ground: &'a Ground, viewers: u64) -> Self {
        let rulebooks = Rulebooks::load(&ground.store).await.unwrap();
        let mut run = Self {
            ground,
            rulebooks,
            events: Vec::new(),
            queue: BinaryHeap::new(),
            echoes: BinaryHeap::new(),
            echoed: Vec::new(),
            truth: Truth::new(),
            held: 0,
        };
        for viewer in 0..viewers {
            run.life_of(viewer);
        }
        run
    }

    /// What one viewer does in two weeks.
    fn life_of(&mut self, viewer: u64) {
        let mut dice = StdRng::seed_from_u64(viewer);
        let begins = START + dice.random_range(0..BEGIN_DAYS * DAY_MS);
        let ad = viewer % 2 == 1;
        let mut deeds = vec![(begins, Deed::Begins)];
        for (percent, deed) in [
            (35, Deed::Answers),
            (8, Deed::Buys),
            (8, Deed::SaysStop),
            (5, Deed::IsWrittenTo),
            (4, Deed::AsksForAPerson),
            (8, Deed::Begins),
        ] {
            if dice.random_range(0..100) < percent {
                // Mostly soon, now and then days later.
                let within = [10 * MINUTE_MS, 3 * HOUR_MS, 2 * DAY_MS, 6 * DAY_MS][dice.random_range(0..4)];
                deeds.push((begins + dice.random_range(1..within), deed));
            }
        }
        for (n, (occurred, deed)) in (0..).zip(deeds) {
            let late = [300, 2_000, 60_000][dice.random_range(0..3)];
            let arrives = occurred + dice.random_range(100..late + 200);
            self.queue.push(Reverse((arrives, self.events.len())));
            self.events.push(Event { viewer, n, occurred, deed, ad });
        }
    }

    async fn play(&mut self) {
        let end = START + 30 * DAY_MS;
        let (mut reviewed, mut day) = (START, 0);
        loop {
            let now = self.ground.now().millis();
            let due = self.ground.store.oldest_waiting().await.unwrap().due.map(Timestamp::millis);
            let event = self.queue.peek().map(|Reverse((at, _))| *at);
            let echo = self.echoes.peek().map(|Reverse((at, _))| *at);
            let Some(next) = [due, event, echo].into_iter().flatten().min() else { break };
            assert!(next < end, "something waits for longer than any sequence lasts");
            self.ground.now.fetch_max(next.max(now + MINUTE_MS), Ordering::Relaxed);
            self.arrive().await;
            let replica = usize::from(now % 2 == 0);
            patiently(|| self.ground.replicas[replica].sweep()).await;
            self.collect_echoes();
            let now = self.ground.now();
            if let Some(due) = self.ground.store.oldest_waiting().await.unwrap().due {
                assert!(now.since(due) < OVERDUE_MS, "an intent is overdue by {} ms", now.since(due));
            }
            if now.millis() - START > (day + 1) * DAY_MS {
                day = (now.millis() - START) / DAY_MS;
                eprintln!("day {day}: {} deeds to come", self.queue.len());
            }
            if now.millis() - reviewed > REVIEW_MS {
                reviewed = now.millis();
                self.review().await;
            }
        }
        self.review().await;
    }

    /// Everything that has arrived by now: first what may forbid a send, then the interactions, then the wishes.
    async fn arrive(&mut self) {
        let now = self.ground.now();
        let mut batch = Vec::new();
        while let Some(n) = arrived(&mut self.queue, now.millis()) {
            let (interaction, fence, facts) = self.tell(n);
            let Event { viewer, deed, occurred, .. } = self.events[n];
            self.truth.entry(viewer).or_default().push((now.millis(), deed, occurred));
            self.ground.wire.on_stage(|stage| {
                stage.world.tell(&facts, now);
                stage.world.acknowledge(&facts, now);
            });
            if let Some(fence) = fence {
                patiently(|| self.ground.replicas[0].record(&fence)).await;
            }
            batch.push(interaction);
        }
        while let Some(n) = arrived(&mut self.echoes, now.millis()) {
            batch.push(self.echoed[n].clone());
        }
        for batch in batch.chunks(500) {
            let applied = take_in(&self.ground.store, &self.rulebooks, batch, now).await.unwrap();
            let seqs: Vec<i64> = applied.outbox.iter().map(|row| row.seq).collect();
            for row in &applied.outbox {
                let intent: Intent = serde_json::from_slice(&row.message.body).unwrap();
                patiently(|| self.ground.replicas[usize::from(row.seq % 2 == 0)].speak(&intent)).await;
            }
            self.ground.store.outbox_done(&seqs).await.unwrap();
        }
        self.collect_echoes();
    }

    fn collect_echoes(&mut self) {
        for message in self.ground.wire.on_stage(|stage| std::mem::take(&mut stage.delivered)) {
            let at = message.at.plus(2_000);
            self.echoes.push(Reverse((at.millis(), self.echoed.len())));
            self.echoed.push(echo_of(&message, &self.ground.account, at));
        }
    }

    /// A person says no to everything that waits for one.
    async fn review(&mut self) {
        let scope = self.ground.store.brand(&self.ground.account.brand);
        loop {
            let held = scope.held(200).await.unwrap();
            if held.is_empty() {
                return;
            }
            for held in held {
                let refused = scope.refuse_held(&held.intent, "maya", self.ground.now()).await.unwrap();
                self.held += u64::from(refused);
            }
        }
    }

    /// An event as Meta knows it, and as it arrives.
    fn tell(&self, n: usize) -> (Interaction, Option<FenceChange>, Vec<Fact>) {
        let event = &self.events[n];
        let account = &self.ground.account;
        let (key, person) = (format!("m{}-{}", event.viewer, event.n), ViewerId::new(person(event.viewer)));
        let (occurred, received) = (Timestamp::from_millis(event.occurred), self.ground.now());
        let fact =
            |what| Fact { account: account.id.clone(), person: person.clone(), key: key.clone(), at: occurred, what };
        let said = |text: &str| Message { mid: key.clone(), text: Some(text.into()), ..Message::default() };
        let contact = |text: &str| fact(What::Contact { text: Some(text.into()) });
        let mut source = Source::Webhook;
        let (facts, body) = match event.deed {
            Deed::Begins if event.ad => {
                let text = "How much is the lamp?";
                let referral = Referral { source: Some("ADS".into()), ..Referral::default() };
                let message = Message { referral: Some(referral), ..said(text) };
                (vec![contact(text), fact(What::CameThroughAd)], Body::Message(message))
            }
            Deed::Begins => {
                let text = "Lovely!";
                (vec![fact(What::StoryReply { text: text.into(), answer: Answer::Allowed })], story_reply(&key, text))
            }
            Deed::Answers => (vec![contact("Nice, thank you")], Body::Message(said("Nice, thank you"))),
            Deed::SaysStop => (vec![contact("stop"), fact(What::Said(Word::Stop))], Body::Message(said("stop"))),
            Deed::AsksForAPerson => {
                (vec![contact(FOR_A_PERSON), fact(What::AskedForPerson)], Body::Message(said(FOR_A_PERSON)))
            }
            Deed::IsWrittenTo => {
                let text = "Hello, this is Maya";
                (vec![fact(What::HumanWrote { text: text.into() })], Body::MessageSent(said(text)))
            }
            Deed::Buys => {
                source = Source::Partner;
                let sold = Conversion { external_id: key.clone(), goal: "purchase".into(), ..Conversion::default() };
                (Vec::new(), Body::Conversion(sold))
            }
        };
        let interaction = Interaction {
            id: InteractionId::derive(&["sequence", &key]),
            brand: account.brand.clone(),
            account: account.id.clone(),
            viewer: Some(person),
            username: None,
            channel: Channel::Instagram,
            source,
            occurred,
            received,
            standby: false,
            body,
            raw: None,
        };
        let fence = fence_of(&interaction);
        (interaction, fence, facts)
    }

    async fn judge(self, viewers: u64, begun: Instant) {
        let ledger = self.ground.wire.on_stage(|stage| stage.world.ledger(usize::MAX));
        assert!(ledger.violations.is_empty(), "{:#?}", &ledger.violations[..ledger.violations.len().min(5)]);
        let delivered: Vec<&LedgerEntry> =
            ledger.messages.iter().filter(|entry| matches!(entry.outcome, Outcome::Accepted { .. })).collect();
        let mut said: HashMap<(u64, usize), u64> = HashMap::new();
        let mut first_said: HashMap<u64, i64> = HashMap::new();
        for entry in &delivered {
            let (Some(person), Some(text)) = (&entry.person, &entry.text) else { continue };
            let viewer: u64 = person.as_str().parse().unwrap();
            let Some(step) = STEPS.iter().position(|(words, _)| words == text) else { continue }; // a stop's confirmation
            *said.entry((viewer - 1, step)).or_default() += 1;
            let started = entry.started.millis();
            if STEPS[step].1 == 0 {
                first_said.insert(viewer - 1, started);
            } else {
                self.judge_step(viewer - 1, step, started, first_said[&(viewer - 1)]);
            }
        }
        for ((viewer, step), times) in &said {
            let begins = self.truth[viewer].iter().filter(|(_, deed, _)| *deed == Deed::Begins).count() as u64;
            assert!(*times <= begins, "viewer {viewer}: step {step} was said {times} times");
        }
        let ends = self.ends().await;
        let lines = ends.iter().map(|((step, status, reason), n)| format!("  step {step}: {status:9} {reason:18} {n}"));
        eprintln!(
            "{viewers} viewers, {} deeds, {} requests to Meta, {} delivered, {} held and seen by a person, in {:.1?}; 0 violations, 0 \
             overdue\n{}",
            self.events.len(),
            ledger.messages.len(),
            delivered.len(),
            self.held,
            begun.elapsed(),
            lines.collect::<Vec<_>>().join("\n")
        );
        for (step, status, reason) in ends.keys() {
            let stated = match status.as_str() {
                "sent" => true,
                "dropped" => reason != "no_contact" && reason != "none_given",
                _ => false,
            };
            assert!(stated, "step {step} ended {status} for {reason}");
        }
        let sent: u64 = ends.iter().filter(|((_, status, _), _)| status == "sent").map(|(_, n)| n).sum();
        assert!(sent * 10 > viewers * 11 && sent < viewers * 4, "later steps are sent, and not all of them: {sent}");
    }

    /// A later step goes to nobody who did something since that ends the sequence.
    fn judge_step(&self, viewer: u64, step: usize, started: i64, first_said: i64) {
        let (words, after) = STEPS[step];
        let deeds = &self.truth[&viewer];
        let begin =
            deeds.iter().filter(|(at, deed, _)| *deed == Deed::Begins && *at <= started).map(|(at, _, _)| *at).max();
        let begin = begin.unwrap_or_else(|| panic!("viewer {viewer}: {words:?} before anything happened"));
        // The wish counts from the interaction's own time, which is at most two minutes before it is seen to have arrived.
        assert!(
            started >= begin + after - 3 * MINUTE_MS,
            "viewer {viewer}: {words:?} too early: {started}, of {deeds:?}"
        );
        let ended = deeds.iter().filter(|(at, _, _)| *at < started).find(|(at, deed, occurred)| match deed {
            Deed::Begins => false,
            // What happened before the sequence's first message was no answer to it, whenever it was told.
            Deed::Answers | Deed::AsksForAPerson => *occurred > first_said,
            Deed::Buys | Deed::SaysStop => *at > begin,
            // A person who is silent for a day has given the conversation back.
            Deed::IsWrittenTo => *at > begin && *at > started - DAY_MS,
        });
        assert!(ended.is_none(), "viewer {viewer}: {words:?} at {started}, after {ended:?}, of {deeds:?}");
    }

    /// How every wish ended: step, status, and the last reason.
    async fn ends(&self) -> BTreeMap<(String, String, String), u64> {
        let file = self.ground.folder.path().join("afterglow.db");
        let mut connection = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
        let sql = "SELECT play || ' ' || step, status,
                (SELECT reason FROM decision d WHERE d.intent = intent.id ORDER BY seq DESC LIMIT 1), COUNT(*)
            FROM intent GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        rows.into_iter().map(|(step, status, reason, n)| ((step, status, reason), n.unsigned_abs())).collect()
    }
}

/// The next of a queue, if its time has come.
fn arrived(queue: &mut BinaryHeap<Reverse<(i64, usize)>>, now: i64) -> Option<usize> {
    queue.peek().filter(|Reverse((at, _))| *at <= now)?;
    queue.pop().map(|Reverse((_, n))| n)
}

/// Ids of people are numbers.
fn person(viewer: u64) -> String {
    format!("{}", viewer + 1)
}

/// What the lane of stops brings before the interaction.
fn fence_of(interaction: &Interaction) -> Option<FenceChange> {
    use afterglow_domain::{ConsentChange, Control, ControlChange};
    let viewer = interaction.viewer.clone()?;
    let (brand, account) = (interaction.brand.clone(), interaction.account.clone());
    let (cause, occurred, received) = (interaction.id, interaction.occurred, interaction.received);
    if let Body::MessageSent(_) = &interaction.body {
        let control = Control::Person;
        let reason = None;
        let change = ControlChange { brand, account, viewer, control, reason, cause, occurred, received };
        return Some(FenceChange::Control(change));
    }
    let text = interaction.body.text()?;
    if text.contains("human") {
        let (control, reason) = (Control::Person, Some("asks for a person".into()));
        let change = ControlChange { brand, account, viewer, control, reason, cause, occurred, received };
        return Some(FenceChange::Control(change));
    }
    let state = opt_out::classify(text)?;
    Some(FenceChange::Consent(ConsentChange { brand, account, viewer, state, cause, occurred, received }))
}
