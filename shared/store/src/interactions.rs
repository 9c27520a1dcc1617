//! The scorer's one transaction: insert, lock, fold, write, outbox.

use std::collections::{BTreeMap, HashSet};

use afterglow_domain::{BrandId, DerivedId, Exposure, Interaction, Timestamp, ViewerKey};
use uuid::Uuid;

use crate::codec::to_json;
use crate::engine::{Tx, hex_digits, on_tx, storable};
use crate::outbox::{self, OutboxMessage, OutboxRow};
use crate::viewers::{self, ViewerRow};
use crate::{Store, StoreError, amendments, echoes, experiments, feed, fragments};

/// One viewer whose state is to be folded.
#[derive(Debug)]
pub struct ViewerFold<'a> {
    /// Who.
    pub key: ViewerKey,
    /// Whose account.
    pub brand: BrandId,
    /// As last left, locked; `None` for a new viewer.
    pub before: Option<ViewerRow>,
    /// What is new, by time and then by id. Never empty.
    pub new: Vec<&'a Interaction>,
}

/// What a fold is given: only what is new, in an order that does not depend on how it arrived.
#[derive(Debug)]
pub struct FoldInput<'a> {
    /// Viewers with something new, by key.
    pub viewers: Vec<ViewerFold<'a>>,
    /// New interactions without a viewer, by time and then by id.
    pub others: Vec<&'a Interaction>,
}

/// What a fold makes of it.
#[derive(Debug, Default)]
pub struct FoldOutput {
    /// Each viewer that was given, once, in any order.
    pub viewers: Vec<ViewerRow>,
    /// What other rooms are to be told.
    pub outbox: Vec<OutboxMessage>,
    /// Who was taken in by experiments.
    pub exposures: Vec<Exposure>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Interactions that were new.
    pub accepted: u64,
    /// Interactions that were known, or stood twice in the batch.
    pub duplicates: u64,
    /// Messages to publish, leased to the caller.
    pub outbox: Vec<OutboxRow>,
}

/// The counters' names.
pub(crate) const ACCEPTED: &str = "accepted";
pub(crate) const DUPLICATES: &str = "duplicates";
/// Rows per counter.
const SHARDS: u8 = 16;

const INSERT_PG: &str = "INSERT INTO interaction (id, brand, account, viewer, username, channel, source, kind,
        occurred_ms, received_ms, standby, body, raw, mid)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bigint[], $10::bigint[], $11::bool[], $12::text[], $13::text[], $14::text[])
    ON CONFLICT DO NOTHING RETURNING id";

const INSERT_LITE: &str = "INSERT INTO interaction (id, brand, account, viewer, username, channel, source, kind,
        occurred_ms, received_ms, standby, body, raw, mid)
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
    FROM json_each($1) WHERE TRUE
    ON CONFLICT DO NOTHING RETURNING id";

const COUNT: &str = "INSERT INTO counter (name, shard, value) VALUES ($1, $2, $3)
    ON CONFLICT (name, shard) DO UPDATE SET value = counter.value + excluded.value";

impl Store {
    /// Takes a batch in, in one transaction: keeps what is new, locks the viewers concerned in key order, calls `fold`
    /// with them, writes what it returns, settles sends whose echo came, and writes the outbox, leased to the caller for
    /// `lease_ms`. `fold` must be pure: after an error the whole call is to be repeated.
    ///
    /// # Errors
    /// `FoldMismatch` if `fold` does not return each viewer it was given exactly once.
    pub async fn apply_interactions<F>(
        &self,
        batch: &[Interaction],
        now: Timestamp,
        lease_ms: i64,
        fold: F,
    ) -> Result<Applied, StoreError>
    where
        F: for<'a> FnOnce(FoldInput<'a>) -> FoldOutput + Send,
    {
        if batch.is_empty() {
            return Ok(Applied { accepted: 0, duplicates: 0, outbox: Vec::new() });
        }
        let once = in_id_order(batch);
        let mut tx = self.engine.begin().await?;
        let once = self.without_forgotten(&mut tx, once).await?;
        let new = if once.is_empty() { Vec::new() } else { insert(&mut tx, &once).await? };
        let accepted = new.len() as u64;
        let duplicates = (batch.len() as u64).saturating_sub(accepted);
        let mut outbox = Vec::new();
        if !new.is_empty() {
            let input = group(&mut tx, &new, now).await?;
            let given = input.viewers.len();
            let output = fold(input);
            let mut keys: Vec<&ViewerKey> = output.viewers.iter().map(|row| &row.key).collect();
            keys.sort_unstable();
            keys.dedup();
            let returned = if keys.len() == given && output.viewers.len() == given {
                viewers::write(&mut tx, &output.viewers).await?
            } else {
                keys.len() as u64
            };
            if output.viewers.len() != given || returned != given as u64 {
                return Err(StoreError::FoldMismatch { given, returned });
            }
            feed::mark_rows(&mut tx, &output.viewers, now).await?;
            echoes::settle(&mut tx, &new, now).await?;
            amendments::settle(&mut tx, &new, now).await?;
            experiments::take_in(&mut tx, &output.exposures).await?;
            outbox = outbox::insert(&mut tx, output.outbox, now, lease_ms).await?;
        }
        let shard = once.first().map_or(0, |first| first.id.uuid().as_bytes()[15] % SHARDS);
        count(&mut tx, ACCEPTED, shard, accepted).await?;
        count(&mut tx, DUPLICATES, shard, duplicates).await?;
        tx.commit().await?;
        Ok(Applied { accepted, duplicates, outbox })
    }
}

/// Each interaction once, the first of its id, by id: two processes that insert the same ones do so in one order.
fn in_id_order(batch: &[Interaction]) -> Vec<&Interaction> {
    let mut once: Vec<&Interaction> = batch.iter().collect();
    once.sort_by_key(|interaction| interaction.id); // stable: of equals the first comes first
    once.dedup_by_key(|interaction| interaction.id);
    once
}

async fn insert<'a>(tx: &mut Tx, once: &[&'a Interaction]) -> Result<Vec<&'a Interaction>, StoreError> {
    let bodies: Vec<String> =
        once.iter().map(|i| to_json("interaction.body", &i.body)).collect::<Result<_, StoreError>>()?;
    let fragments = fragments::sealed(tx, once).await?;
    let inserted: Vec<Uuid> = match tx {
        Tx::Postgres(tx) => {
            macro_rules! column {
                (|$i:ident| $value:expr) => {
                    once.iter().map(|$i| $value).collect::<Vec<_>>()
                };
            }
            sqlx::query_scalar(INSERT_PG)
                .bind(column!(|i| i.id.uuid()))
                .bind(column!(|i| i.brand.as_str()))
                .bind(column!(|i| i.account.as_str()))
                .bind(column!(|i| i.viewer.as_ref().map(afterglow_domain::ViewerId::as_str)))
                .bind(column!(|i| i.username.as_deref().map(|name| storable(name).into_owned())))
                .bind(column!(|i| i.channel.as_str()))
                .bind(column!(|i| i.source.as_str()))
                .bind(column!(|i| i.kind().as_str()))
                .bind(column!(|i| i.occurred.millis()))
                .bind(column!(|i| i.received.millis()))
                .bind(column!(|i| i.standby))
                .bind(&bodies)
                .bind(&fragments)
                .bind(column!(|i| i.body.mid()))
                .fetch_all(&mut **tx)
                .await?
        }
        Tx::Sqlite(tx) => {
            let rows: Vec<_> = once
                .iter()
                .zip(&bodies)
                .zip(&fragments)
                .map(|((i, body), fragment)| {
                    (
                        hex_digits(&i.id.uuid()),
                        &i.brand,
                        &i.account,
                        &i.viewer,
                        i.username.as_deref().map(storable),
                        i.channel.as_str(),
                        i.source.as_str(),
                        i.kind().as_str(),
                        i.occurred,
                        i.received,
                        i.standby,
                        body,
                        fragment,
                        i.body.mid(),
                    )
                })
                .collect();
            let rows = to_json("interaction rows", &rows)?;
            sqlx::query_scalar(INSERT_LITE).bind(rows).fetch_all(&mut **tx).await?
        }
    };
    let inserted: HashSet<Uuid> = inserted.into_iter().collect();
    let mut new: Vec<&Interaction> = once.iter().copied().filter(|i| inserted.contains(&i.id.uuid())).collect();
    new.sort_by_key(|i| (i.occurred, i.id));
    Ok(new)
}

/// Groups new interactions by viewer and locks the viewers.
async fn group<'a>(tx: &mut Tx, new: &[&'a Interaction], now: Timestamp) -> Result<FoldInput<'a>, StoreError> {
    let mut by_viewer: BTreeMap<ViewerKey, Vec<&'a Interaction>> = BTreeMap::new();
    let mut others = Vec::new();
    for interaction in new {
        match interaction.viewer_key() {
            Some(key) => by_viewer.entry(key).or_default().push(interaction),
            None => others.push(*interaction),
        }
    }
    let keys: Vec<(&ViewerKey, &BrandId)> =
        by_viewer.iter().filter_map(|(key, new)| Some((key, &new.first()?.brand))).collect();
    let locked = viewers::lock(tx, &keys, now).await?;
    let mut viewers = Vec::with_capacity(locked.len());
    for row in locked {
        let key = row.key();
        let Some(new) = by_viewer.remove(&key) else { continue };
        let brand = BrandId::new(row.brand.as_str());
        viewers.push(ViewerFold { key, brand, before: row.decode()?, new });
    }
    Ok(FoldInput { viewers, others })
}

async fn count(tx: &mut Tx, name: &str, shard: u8, by: u64) -> Result<(), StoreError> {
    let Some(by) = i64::try_from(by).ok().filter(|by| *by > 0) else { return Ok(()) };
    on_tx!(tx, |connection| {
        sqlx::query(COUNT).bind(name).bind(i64::from(shard)).bind(by).execute(connection).await?;
    });
    Ok(())
}
