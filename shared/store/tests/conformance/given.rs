//! What the cases are given: an engine, and things to put into it.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};

use afterglow_domain::{
    AccountId, Body, BrandId, BrandSettings, Channel, ConsentChange, ConsentState, Control, ControlChange, Decision,
    DerivedId, Intent, Interaction, InteractionId, Kind, Message, OutboundMessage, PlayId, Segment, Source, Timestamp,
    ViewerId, ViewerKey,
};
use afterglow_store::{
    Account, Brand, Case, FoldInput, FoldOutput, JudgeTerms, Judged, OutboxMessage, Reservation, SealedToken,
    SendStatus, Store, StoreOptions, ViewerRow,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::plans;

pub(crate) const LEASE_MS: i64 = 10_000;
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// Databases made so far, to name the next one.
static DATABASES: AtomicU32 = AtomicU32::new(0);

pub(crate) const ACCOUNT: &str = "17841400000000001";

pub(crate) struct Given {
    pub(crate) store: Store,
    pub(crate) url: String,
}

impl Given {
    /// Another process's view of the same database.
    pub(crate) async fn reopen(&self) -> Store {
        open(&self.url).await
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn raw(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    }
}

pub(crate) async fn open(url: &str) -> Store {
    let nowhere = std::path::Path::new("/nonexistent");
    Store::open(Some(url), nowhere, StoreOptions { max_connections: 9 }).await.unwrap()
}

/// Declares each case once for each engine.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                $crate::given::on_sqlite(super::$case).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                $crate::given::on_postgres(super::$case).await;
            })+
        }
    };
}
pub(crate) use on_both;

pub(crate) async fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Given) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("store.db").display());
    plans::note();
    case(Given { store: open(&url).await, url: url.clone() }).await;
    plans::check(&url).await;
}

pub(crate) async fn on_postgres<F>(case: impl FnOnce(Given) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(server) = std::env::var("AFTERGLOW_TEST_DATABASE_URL") else {
        let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
        let required = set("CI", "true") || set("AFTERGLOW_TEST_REQUIRE_SERVERS", "1");
        assert!(!required, "AFTERGLOW_TEST_DATABASE_URL is not set, and this run requires the servers");
        eprintln!("skipped: AFTERGLOW_TEST_DATABASE_URL is not set");
        return;
    };
    let name = format!("afterglow_store_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    let mut admin = PgConnection::connect(&server).await.unwrap();
    sqlx::query(create).execute(&mut admin).await.unwrap();

    let url = with_database(&server, &name);
    let store = open(&url).await;
    let result = tokio::spawn(case(Given { store: store.clone(), url })).await;
    store.close().await;
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    let role = AssertSqlSafe(format!("DROP ROLE IF EXISTS {name}_brand"));
    sqlx::query(role).execute(&mut admin).await.unwrap();
    if let Err(error) = result {
        resume_unwind(error.into_panic());
    }
}

fn with_database(server: &str, name: &str) -> String {
    let (address, query) = server.split_once('?').map_or((server, ""), |(address, query)| (address, query));
    let (scheme, rest) = address.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{authority}/{name}{query}")
}

pub(crate) fn at(ms: i64) -> Timestamp {
    NOW.plus(ms)
}

pub(crate) fn lumen() -> BrandId {
    BrandId::new("lumen")
}

pub(crate) fn key(viewer: &str) -> ViewerKey {
    ViewerKey { account: AccountId::new(ACCOUNT), viewer: ViewerId::new(viewer) }
}

pub(crate) fn brand(id: &str) -> Brand {
    Brand {
        id: BrandId::new(id),
        name: format!("{id} & Co"),
        time_zone: "Europe/Amsterdam".into(),
        settings: BrandSettings::default(),
        document_version: 0,
        created: NOW,
    }
}

pub(crate) fn account(id: &str, brand: &str) -> Account {
    Account {
        id: AccountId::new(id),
        brand: BrandId::new(brand),
        channel: Channel::Instagram,
        login: afterglow_domain::Login::Instagram,
        username: Some(format!("{brand}.official")),
        token_sealed: Some(SealedToken(vec![1, 2, 3])),
        token_expires: None,
        paused_reason: None,
        created: NOW,
    }
}

/// A store with the brand `lumen` and its account.
pub(crate) async fn ready(given: &Given) {
    given.store.migrate().await.unwrap();
    given.store.upsert_brand(&brand("lumen")).await.unwrap();
    given.store.upsert_account(&account(ACCOUNT, "lumen")).await.unwrap();
}

/// The `n`th message of a viewer to `lumen`.
pub(crate) fn message(viewer: &str, n: i64) -> Interaction {
    let mid = format!("mid.{viewer}.{n}");
    Interaction {
        id: InteractionId::derive(&["message", ACCOUNT, &mid]),
        brand: lumen(),
        account: AccountId::new(ACCOUNT),
        viewer: Some(ViewerId::new(viewer)),
        username: Some(format!("name of {viewer}")),
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: at(-60_000 + n),
        received: at(-59_000 + n),
        standby: false,
        body: Body::StoryReply(Message { mid, text: Some(format!("hello {n}")), ..Message::default() }),
        raw: None,
    }
}

/// A fold that counts: a viewer's state is how many interactions it has seen, and each is told to the outbox.
pub(crate) fn counting(input: FoldInput<'_>) -> FoldOutput {
    let mut output = FoldOutput::default();
    for viewer in input.viewers {
        let before = viewer.before.as_ref().map_or(0, |row| row.state.parse::<usize>().unwrap());
        let latest = viewer.new.last().unwrap();
        let last_seen = viewer.before.as_ref().map_or(latest.occurred, |row| row.last_seen.max(latest.occurred));
        for interaction in &viewer.new {
            output.outbox.push(OutboxMessage {
                lane: "changes".into(),
                message_id: interaction.id.to_string(),
                key: viewer.key.to_string(),
                traceparent: None,
                body: vec![0, 1, 255],
            });
        }
        let count = before + viewer.new.len();
        output.viewers.push(ViewerRow {
            key: viewer.key,
            brand: viewer.brand,
            username: latest.username.clone(),
            state: count.to_string(),
            segment: Segment::Hot,
            score_rank: f64::from(u32::try_from(count).unwrap()),
            last_contact: Some(last_seen),
            first_seen: viewer.before.map_or(viewer.new[0].occurred, |row| row.first_seen),
            last_seen,
            needs_reply_since: None,
            rules_version: "test-1".into(),
            tags: vec!["tag".into()],
            due: Some(last_seen.plus(1)),
            triage: None,
            review: Some(last_seen.plus(2)),
        });
    }
    output
}

pub(crate) async fn apply(store: &Store, batch: &[Interaction]) -> afterglow_store::Applied {
    store.apply_interactions(batch, NOW, LEASE_MS, counting).await.unwrap()
}

pub(crate) fn intent_for(cause: &Interaction) -> Intent {
    let play = PlayId::new("story-reply");
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
        created: NOW,
    }
}

pub(crate) fn terms(now: Timestamp) -> JudgeTerms<'static> {
    JudgeTerms { policy_version: "policy-7", now, lease_ms: LEASE_MS, start: false }
}

/// A policy that only minds what the viewer said.
pub(crate) fn unless_told_to_stop(case: &mut Case) -> (Decision, Option<OutboundMessage>) {
    match case.facts.consent {
        Some(ConsentState::OptedOut) => (Decision::drop(vec![afterglow_domain::Reason::OptedOut]), None),
        Some(ConsentState::Ambiguous) => (Decision::hold(vec![afterglow_domain::Reason::PerhapsOptedOut]), None),
        Some(ConsentState::OptedIn) | None => (Decision::send(), Some(OutboundMessage::plain("Thank you!"))),
    }
}

/// Judges; if so wanted, the send is started with the verdict.
pub(crate) async fn judge_as(store: &Store, intent: &Intent, now: Timestamp, start: bool) -> Judged {
    store.judge(intent, JudgeTerms { start, ..terms(now) }, unless_told_to_stop).await.unwrap()
}

pub(crate) async fn judge(store: &Store, intent: &Intent, now: Timestamp) -> Judged {
    judge_as(store, intent, now, false).await
}

pub(crate) async fn judge_and_start(store: &Store, intent: &Intent, now: Timestamp) -> Judged {
    judge_as(store, intent, now, true).await
}

pub(crate) async fn reserve(store: &Store, intent: &Intent, now: Timestamp) -> Reservation {
    match judge(store, intent, now).await {
        Judged::Reserved(reservation) => reservation,
        other => panic!("expected a reservation, got {other:?}"),
    }
}

/// Where the intent's send stands; `None` if none was ever reserved.
pub(crate) async fn send_status(store: &Store, intent: &Intent) -> Option<SendStatus> {
    let decisions = store.brand(&intent.brand).decisions_of(&intent.viewer_key(), 1_000).await.unwrap();
    let decision = decisions.into_iter().find(|decision| decision.intent == intent.id)?;
    decision.send.map(|(_, status, _)| status)
}

pub(crate) fn change(viewer: &str, state: ConsentState, n: i64) -> ConsentChange {
    ConsentChange {
        brand: lumen(),
        account: AccountId::new(ACCOUNT),
        viewer: ViewerId::new(viewer),
        state,
        cause: InteractionId::derive(&["consent", viewer, &n.to_string()]),
        occurred: at(n),
        received: at(n),
    }
}

pub(crate) fn control(viewer: &str, control: Control, n: i64) -> ControlChange {
    ControlChange {
        brand: lumen(),
        account: AccountId::new(ACCOUNT),
        viewer: ViewerId::new(viewer),
        control,
        reason: None,
        cause: InteractionId::derive(&["control", viewer, &n.to_string()]),
        occurred: at(n),
        received: at(n),
    }
}
