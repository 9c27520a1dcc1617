//! One connection's page: asks, reads, settles.

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{CrmConnection, Timestamp, ViewerKey};
use afterglow_runtime::error_chain;
use afterglow_store::{BrandStore, CrmRefusal, CrmSettlement, CrmState, Store, StoreError};

use super::crms::Crm;
use super::told::{Told, told};
use crate::egress::EgressClient;
use crate::upsert::{Batch, BatchOutcome, ItemOutcome, Mapping, Pace, Value, Written};
use crate::viewer_record::ViewerRecord;

/// Changes of one page.
const PAGE: u32 = 500;
/// How long a CRM is left alone that could not be reached, or did not say for how long, in ms.
const ILL_MS: i64 = 30_000;

/// Writes to one connection.
pub(super) struct Writer<'a> {
    pub(super) store: BrandStore<'a>,
    pub(super) connection: &'a CrmConnection,
    pub(super) crm: Crm,
    pub(super) mapping: Mapping,
    pub(super) client: &'a EgressClient,
    pub(super) lease: Lease<'a>,
    pub(super) now: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

/// One process writes to a connection at a time: a slower one would put older words over newer ones.
pub(super) struct Lease<'a> {
    pub(super) store: &'a Store,
    pub(super) name: String,
    pub(super) holder: &'a str,
    pub(super) ms: i64,
}

impl Lease<'_> {
    /// Takes or keeps it; `false` if another process has it.
    pub(super) async fn hold(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.store.lease(&self.name, self.holder, now, self.ms).await
    }
}

/// What is to be written of one viewer.
struct Wanted {
    told: Told,
    fields: BTreeMap<String, Value>,
    written: Written,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more.
    More,
    /// Everything is written, or waits.
    Enough,
}

/// Why a page is left before its end.
enum Left {
    /// Later.
    Until(Timestamp),
    /// When a person has done something.
    Paused(String),
}

impl Writer<'_> {
    /// Writes the page that follows the cursor.
    pub(super) async fn page(&self, state: &CrmState) -> Result<Next, StoreError> {
        let page = self.store.changes_after(state.cursor, PAGE).await?;
        let Some(last) = page.changes.last().map(|change| change.sequence) else { return Ok(Next::Enough) };
        let mut wanted = self.wanted(told(&page.changes)).await?;
        let mut left = None;
        let records: Vec<ViewerRecord> = wanted.values().map(|wanted| wanted.told.record.clone()).collect();
        // Halves of what was refused as a whole go before the rest.
        let mut waiting = vec![records];
        'asking: while let Some(records) = waiting.pop() {
            let batches = match self.crm.requests(&records) {
                Ok(batches) => batches,
                Err(error) => {
                    left = Some(Left::Paused(error));
                    break;
                }
            };
            for batch in batches {
                if !self.lease.hold((self.now)()).await? {
                    return Ok(Next::Enough); // this page is another process's now
                }
                match self.ask(&batch, &mut wanted).await? {
                    Asked::Settled => {}
                    Asked::Halve => waiting.extend(halves(&records, &batch)),
                    Asked::Leave(why) => {
                        left = Some(why);
                        break 'asking;
                    }
                }
            }
        }
        let mut settlement = CrmSettlement { token: state.token.clone(), ..CrmSettlement::default() };
        match left {
            // Whatever a reply did not speak of is asked for again.
            None if wanted.is_empty() => settlement.cursor = Some(last),
            None => settlement.not_before = Some((self.now)().plus(ILL_MS)),
            Some(Left::Until(at)) => {
                settlement.not_before = Some(at);
                if wanted.is_empty() {
                    settlement.cursor = Some(last);
                }
            }
            Some(Left::Paused(why)) => {
                tracing::error!(connection = self.connection.name, why, "a CRM is written to no more");
                settlement.paused = Some(why);
            }
        }
        let next =
            if settlement.cursor.is_some() && settlement.not_before.is_none() { Next::More } else { Next::Enough };
        self.store.settle_crm(&self.connection.name, &settlement).await?;
        Ok(next)
    }

    /// Those of whom something is to be written, by external id.
    async fn wanted(&self, told: Vec<Told>) -> Result<BTreeMap<String, Wanted>, StoreError> {
        let keys: Vec<ViewerKey> = told.iter().map(|told| told.record.key()).collect();
        let written: HashMap<ViewerKey, String> = self.store.crm_written(&self.connection.name, &keys).await?;
        let mut wanted = BTreeMap::new();
        for (told, key) in told.into_iter().zip(keys) {
            let before = written.get(&key);
            if told.forgotten && before.is_none() {
                continue;
            }
            // A note that cannot be read is as good as none: everything is written again.
            let written: Written = before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let fields = self.mapping.fields(&told.record);
            if told.forgotten || !written.changed(&fields).is_empty() {
                wanted.insert(told.record.external_id(), Wanted { told, fields, written });
            } else {
                count("unchanged", 1);
            }
        }
        Ok(wanted)
    }

    /// Sends one batch and notes what became of it; what is settled is wanted no more.
    async fn ask(&self, batch: &Batch, wanted: &mut BTreeMap<String, Wanted>) -> Result<Asked, StoreError> {
        let reply = match self.client.send(batch.request.clone()).await {
            Ok(reply) => reply,
            Err(error) => {
                let (name, class) = (&self.connection.name, error.class());
                tracing::warn!(connection = name, class, error = %error_chain(&error), "a CRM cannot be reached");
                return Ok(Asked::Leave(Left::Until((self.now)().plus(ILL_MS))));
            }
        };
        let now = (self.now)();
        let pace = self.crm.pace(&reply, now);
        let mut settlement = CrmSettlement::default();
        let outcome = self.crm.read(batch, &reply);
        let asked = match outcome {
            BatchOutcome::Items(items) => {
                for (id, item) in batch.ids.iter().zip(items) {
                    Self::settle(id, item, now, wanted, &mut settlement);
                }
                match pace {
                    Pace::Go => Asked::Settled,
                    Pace::NotBefore(at) => Asked::Leave(Left::Until(at)),
                }
            }
            BatchOutcome::Halve => Asked::Halve,
            BatchOutcome::Later => Asked::Leave(Left::Until(match pace {
                Pace::Go => now.plus(ILL_MS),
                Pace::NotBefore(at) => at,
            })),
            BatchOutcome::Unauthorised { message } => {
                Asked::Leave(Left::Paused(format!("its access token is not good enough: {message}")))
            }
            BatchOutcome::Mapping { message } => Asked::Leave(Left::Paused(format!("its mapping is wrong: {message}"))),
        };
        if settlement != CrmSettlement::default() {
            self.store.settle_crm(&self.connection.name, &settlement).await?;
        }
        Ok(asked)
    }

    fn settle(
        id: &str,
        item: ItemOutcome,
        now: Timestamp,
        wanted: &mut BTreeMap<String, Wanted>,
        settlement: &mut CrmSettlement,
    ) {
        let outcome = match &item {
            ItemOutcome::Retry => return,
            ItemOutcome::Created => "created",
            ItemOutcome::Updated => "updated",
            ItemOutcome::Refused { .. } => "refused",
        };
        let Some(Wanted { told, fields, mut written }) = wanted.remove(id) else { return };
        count(outcome, 1);
        let viewer = told.record.key();
        match item {
            ItemOutcome::Refused { code, message } => {
                settlement.refused.push(CrmRefusal { viewer, code, message, at: now });
            }
            _ if told.forgotten => settlement.forgotten.push(viewer),
            _ => {
                written.note(&fields);
                // Were it not to serialise, the record would be written once more.
                settlement.written.push((viewer, serde_json::to_string(&written).unwrap_or_default()));
            }
        }
    }
}

fn count(outcome: &'static str, records: u64) {
    metrics::counter!("afterglow_crm_records_total", "outcome" => outcome).increment(records);
}

/// What came of a batch.
enum Asked {
    Settled,
    Halve,
    Leave(Left),
}

/// The records of a batch, in two halves.
fn halves(records: &[ViewerRecord], batch: &Batch) -> Vec<Vec<ViewerRecord>> {
    let of_batch: Vec<ViewerRecord> =
        records.iter().filter(|record| batch.ids.contains(&record.external_id())).cloned().collect();
    let half = of_batch.len().div_ceil(2).max(1);
    of_batch.chunks(half).map(<[_]>::to_vec).collect()
}
