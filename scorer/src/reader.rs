//! Reads what viewers wrote: spam and abuse are flagged, and whoever needs a person gets one.
//!
//! It reads behind the scorer's transaction, so that no batch waits for it, and nothing is said meanwhile: the gate itself reads
//! the message that it would answer, and what else its viewer wrote since anybody took or gave back the conversation. Doing it
//! twice does no harm, so what a crash or a flood cut off is read again from the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use afterglow_bus::{Bus, Lane, Message};
use afterglow_domain::{
    Body, Clock, Control, ControlChange, DerivedId, FenceChange, HOUR_MS, Interaction, InteractionId, ModerationAction,
    Source, Timestamp,
};
use afterglow_moderation::{Desk, Disposition, Volume};
use afterglow_rules::Rulebook;
use afterglow_runtime::error_chain;
use afterglow_store::{FlagVerdict, NewFlag, Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::rulebooks::Rulebooks;
use crate::volumes::Volumes;

/// Batches that may wait to be read; more are read again from the log.
const BATCHES: usize = 64;
/// How far back a process reads again when it starts, in ms: what one that died before may have left.
const AGAIN_MS: i64 = HOUR_MS;

/// Where the scorer leaves what it has taken in.
#[derive(Clone)]
pub(crate) struct ToRead {
    batches: mpsc::Sender<Arc<[Interaction]>>,
    /// From when on the log has to be read again; `i64::MAX`: not at all.
    missed_ms: Arc<AtomicI64>,
}

/// Reads.
pub(crate) struct Reader {
    store: Store,
    bus: Arc<dyn Bus>,
    clock: Clock,
    rulebooks: Rulebooks,
    batches: mpsc::Receiver<Arc<[Interaction]>>,
    missed_ms: Arc<AtomicI64>,
    volumes: Volumes,
}

impl ToRead {
    /// Leaves a batch. Never waits: what finds no room is read from the log later.
    pub(crate) fn leave(&self, batch: &Arc<[Interaction]>) {
        if batch.iter().any(is_text) && self.batches.try_send(Arc::clone(batch)).is_err() {
            let first = batch.iter().map(|interaction| interaction.occurred.millis()).min().unwrap_or(i64::MAX);
            self.missed_ms.fetch_min(first, Ordering::Relaxed);
            metrics::counter!("afterglow_reader_behind_total").increment(1);
        }
    }
}

/// What is found in one interaction.
struct Found {
    flag: Option<NewFlag>,
    handover: Option<ControlChange>,
}

impl Reader {
    /// A reader, and where to leave what it is to read.
    pub(crate) fn new(store: Store, bus: Arc<dyn Bus>, clock: Clock, rulebooks: Rulebooks) -> (ToRead, Self) {
        let (sender, batches) = mpsc::channel(BATCHES);
        let missed_ms = Arc::new(AtomicI64::new(i64::MAX));
        let to_read = ToRead { batches: sender, missed_ms: Arc::clone(&missed_ms) };
        (to_read, Self { store, bus, clock, rulebooks, batches, missed_ms, volumes: Volumes::default() })
    }

    /// Reads until nobody leaves anything any more: what was left when we are to stop is read too, for there may be no next process.
    pub(crate) async fn run(mut self, stop: &CancellationToken) {
        // The built-in lists are compiled once in a process, beside what others do meanwhile.
        let default = Rulebook::compile(&afterglow_domain::BrandSettings::default(), 0);
        let _ = tokio::task::spawn_blocking(move || default.ok().and_then(|rulebook| rulebook.desk())).await;
        self.read_again((self.clock)().minus(AGAIN_MS), stop).await;
        while let Some(batch) = self.batches.recv().await {
            self.read(&batch).await;
            let missed = self.missed_ms.swap(i64::MAX, Ordering::Relaxed);
            if missed != i64::MAX {
                self.read_again(Timestamp::from_millis(missed), stop).await;
            }
        }
    }

    /// Reads the log again from `since` on.
    async fn read_again(&mut self, since: Timestamp, stop: &CancellationToken) {
        let brands = match self.store.brands().await {
            Ok(brands) => brands,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "what was written lately cannot be read again");
                return;
            }
        };
        for brand in brands {
            if stop.is_cancelled() {
                return;
            }
            match self.store.brand(&brand.id).interactions_between(since, (self.clock)()).await {
                Ok(log) => self.read(&log).await,
                Err(error) => {
                    tracing::warn!(brand = %brand.id, error = %error_chain(&error), "a log is not read again");
                }
            }
        }
    }

    async fn read(&mut self, batch: &[Interaction]) {
        let now = (self.clock)();
        let (mut flags, mut messages) = (Vec::new(), Vec::new());
        for interaction in batch.iter().filter(|interaction| is_text(interaction)) {
            let rulebook = self.rulebooks.of(&interaction.brand);
            let Some(desk) = rulebook.desk() else { continue };
            tokio::task::yield_now().await; // a message takes some 0.1 ms, and others want to work too
            let volume = self.volume(interaction);
            let found = found(interaction, &rulebook, &desk, volume);
            flags.extend(found.flag);
            if let Some(change) = found.handover {
                messages.extend(message(&change));
            }
        }
        // Errors are told, and what is lost by them is found when the log is read again.
        match self.store.keep_flags(&flags, now).await {
            Ok(new) => metrics::counter!("afterglow_flags_total").increment(new),
            Err(error) => self.missed(batch, &error),
        }
        if !messages.is_empty() {
            metrics::counter!("afterglow_handovers_total").increment(messages.len() as u64);
            if let Err(error) = self.bus.publish(Lane::Consent, messages).await {
                tracing::warn!(error = %error_chain(&error), "hand-overs wait");
                self.again_from(batch);
            }
        }
        self.volumes.let_go(now);
    }

    fn missed(&self, batch: &[Interaction], error: &StoreError) {
        tracing::warn!(error = %error_chain(error), "flags wait");
        self.again_from(batch);
    }

    fn again_from(&self, batch: &[Interaction]) {
        let first = batch.iter().map(|interaction| interaction.occurred.millis()).min().unwrap_or(i64::MAX);
        self.missed_ms.fetch_min(first, Ordering::Relaxed);
    }

    /// How much the viewer wrote lately, this included, as far as this process read it: replicas each see their part.
    fn volume(&mut self, interaction: &Interaction) -> Volume {
        // Whoever says "wow" to three Stories says nothing twice.
        if matches!(interaction.body, Body::StoryReply(_)) {
            return Volume::default();
        }
        let Some(key) = interaction.viewer_key() else { return Volume::default() };
        self.volumes.count(&key, interaction.body.text().unwrap_or_default(), interaction.occurred)
    }
}

/// Whether somebody wrote it to the account, by themself.
fn is_text(interaction: &Interaction) -> bool {
    interaction.body.written().is_some()
        && matches!(interaction.source, Source::Webhook | Source::Reconcile)
        && interaction.viewer.is_some()
}

fn found(interaction: &Interaction, rulebook: &Rulebook, desk: &Desk, volume: Volume) -> Found {
    let text = interaction.body.text().unwrap_or_default();
    let comment = match &interaction.body {
        Body::Comment(comment) | Body::LiveComment(comment) => Some(comment.comment_id.clone()),
        _ => None,
    };
    let rules = &rulebook.moderation;
    let action = if comment.is_some() { rules.comments } else { rules.messages };
    let flag = flag(interaction, comment, action, rules.delete_after_hours, desk, volume);
    let needs = desk.needs_person(text, false);
    let handover = needs.zip(interaction.viewer.clone()).map(|(reason, viewer)| ControlChange {
        brand: interaction.brand.clone(),
        account: interaction.account.clone(),
        viewer,
        control: Control::Person,
        reason: Some(reason),
        cause: interaction.id,
        occurred: interaction.occurred,
        received: interaction.received,
    });
    Found { flag, handover }
}

fn flag(
    interaction: &Interaction,
    comment_id: Option<String>,
    action: ModerationAction,
    delete_after_hours: u32,
    desk: &Desk,
    volume: Volume,
) -> Option<NewFlag> {
    if action == ModerationAction::Off {
        return None;
    }
    let verdict = desk.judge(interaction.body.text()?, volume);
    let grave = match verdict.disposition() {
        Disposition::Pass => return None,
        Disposition::Review => false,
        Disposition::Hide => true,
    };
    let hide = grave && matches!(action, ModerationAction::Hide | ModerationAction::Delete);
    let delete = hide && action == ModerationAction::Delete;
    Some(NewFlag {
        interaction: interaction.id,
        brand: interaction.brand.clone(),
        viewer: interaction.viewer_key()?,
        comment_id,
        verdict: if grave { FlagVerdict::Hide } else { FlagVerdict::Review },
        findings: serde_json::to_string(&verdict.findings).unwrap_or_default(),
        hide,
        delete_at: delete.then(|| interaction.received.plus(i64::from(delete_after_hours) * HOUR_MS)),
    })
}

fn message(change: &ControlChange) -> Option<Message> {
    let id = InteractionId::derive(&["needs_person", &change.cause.to_string()]).to_string();
    let body = serde_json::to_vec(&FenceChange::Control(change.clone()))
        .inspect_err(|error| tracing::error!(%error, "a hand-over cannot be written"))
        .ok()?;
    Some(Message { id, traceparent: None, body: body.into() })
}
