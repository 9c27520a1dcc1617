//! The ground on which histories are played: a store, and two replicas over it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterglow_domain::{BrandSettings, Channel, Clock, Login, Segment, Timestamp};
use afterglow_meta::graph::{GraphClient, GraphHosts};
use afterglow_responder::{Policy, Responder, ResponderOptions};
use afterglow_runtime::{Keyring, http_client};
use afterglow_sim::account::{Account, Layout, accounts};
use afterglow_sim::world::{Rules, World};
use afterglow_store::{Brand, FoldInput, FoldOutput, SealedToken, Store, StoreOptions, ViewerRow};
use afterglow_tokens::token_context;

use crate::meta::{Stage, Wire};
use crate::mutation::{Mutation, gate};

pub(crate) const START: i64 = 1_790_000_000_000;

/// A store with two replicas over it, on which one history after another is played.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Arc<Responder>>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) now: Arc<AtomicI64>,
    /// By how much time goes on each time it is asked for, in ms: everything takes as long.
    pub(crate) late: Arc<AtomicI64>,
    pub(crate) account: Account,
    pub(crate) mutation: Option<Mutation>,
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
        let late = Arc::new(AtomicI64::new(0));
        let step = Arc::clone(&late);
        let clock: Clock =
            Arc::new(move || Timestamp::from_millis(time.fetch_add(step.load(Ordering::Relaxed), Ordering::Relaxed)));
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
        Self { store, replicas, wire, now, late, account, mutation, folder }
    }

    /// Has Meta play along, without faults.
    pub(crate) fn play(&self) {
        let mut stage = Stage::new(World::new(vec![self.account.clone()], Rules::default()), 1);
        stage.fault_every = 1_000_000;
        *self.wire.stage.lock().unwrap() = Some(stage);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }
}

/// As much of the scorer as the gate needs: when the viewer was last in contact.
pub(crate) fn fold(input: FoldInput<'_>) -> FoldOutput {
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
