//! The scorer's state of each viewer. The store keeps it, locks it and orders by it, and does not read it.

use afterglow_domain::{AccountId, BrandId, Segment, Timestamp, ViewerId, ViewerKey};

use crate::StoreError;
use crate::codec::{from_json, moment, segment_from_number, segment_to_number, to_json};
use crate::engine::{Tx, row, storable};

/// One viewer as the scorer last left them.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewerRow {
    /// Who, as which account sees them.
    pub key: ViewerKey,
    /// Whose account.
    pub brand: BrandId,
    /// The last name known.
    pub username: Option<String>,
    /// The scorer's JSON, byte for byte as it gave it.
    pub state: String,
    /// Hot, Warm or Cool when last folded.
    pub segment: Segment,
    /// log2 of the forward-decayed score; finite, and comparable whenever it was written. It orders the triage and is
    /// nothing more: SQLite may round its last digit.
    pub score_rank: f64,
    /// When the viewer last acted towards the account themself.
    pub last_contact: Option<Timestamp>,
    /// Their first interaction, by its own time.
    pub first_seen: Timestamp,
    /// Their latest interaction, by its own time.
    pub last_seen: Timestamp,
    /// Since when a person's question waits for an answer.
    pub needs_reply_since: Option<Timestamp>,
    /// The rules that made the state.
    pub rules_version: String,
    /// The tags they carry.
    pub tags: Vec<String>,
    /// Until when an answer is due, if one is.
    pub due: Option<Timestamp>,
    /// By which those who wait are put in line, the first first; `None` for those who do not wait.
    pub triage: Option<Timestamp>,
    /// When time alone may change where they stand.
    pub review: Option<Timestamp>,
}

row! {
    struct ViewerColumns {
        account: String,
        viewer: String,
        brand: String,
        username: Option<String>,
        state: Option<String>,
        segment: i64,
        score_rank: f64,
        last_contact_ms: Option<i64>,
        first_seen_ms: i64,
        last_seen_ms: i64,
        needs_reply_since_ms: Option<i64>,
        rules_version: String,
        tags: String,
        due_ms: Option<i64>,
        triage_ms: Option<i64>,
        review_ms: Option<i64>,
    }
}

impl ViewerColumns {
    pub(crate) fn key(&self) -> ViewerKey {
        ViewerKey { account: AccountId::new(self.account.as_str()), viewer: ViewerId::new(self.viewer.as_str()) }
    }

    /// `None` for a row that was made to be locked and not folded yet.
    pub(crate) fn decode(self) -> Result<Option<ViewerRow>, StoreError> {
        let key = self.key();
        let Some(state) = self.state else { return Ok(None) };
        Ok(Some(ViewerRow {
            key,
            brand: BrandId::new(self.brand),
            username: self.username,
            state,
            segment: segment_from_number(self.segment)?,
            score_rank: self.score_rank,
            last_contact: moment(self.last_contact_ms),
            first_seen: Timestamp::from_millis(self.first_seen_ms),
            last_seen: Timestamp::from_millis(self.last_seen_ms),
            needs_reply_since: moment(self.needs_reply_since_ms),
            rules_version: self.rules_version,
            tags: from_json("viewer.tags", &self.tags)?,
            due: moment(self.due_ms),
            triage: moment(self.triage_ms),
            review: moment(self.review_ms),
        }))
    }
}

const MAKE_PG: &str = "INSERT INTO viewer
        (account, viewer, brand, segment, score_rank, first_seen_ms, last_seen_ms, rules_version)
    SELECT account, viewer, brand, 2, 0, $4, $4, ''
    FROM UNNEST($1::text[], $2::text[], $3::text[]) AS k (account, viewer, brand)
    ORDER BY account COLLATE \"C\", viewer COLLATE \"C\"
    ON CONFLICT DO NOTHING";

const MAKE_LITE: &str = "INSERT INTO viewer
        (account, viewer, brand, segment, score_rank, first_seen_ms, last_seen_ms, rules_version)
    SELECT value ->> 0, value ->> 1, value ->> 2, 2, 0, $2, $2, '' FROM json_each($1) WHERE TRUE
    ON CONFLICT DO NOTHING";

const LOCK_PG: &str = "SELECT v.account, v.viewer, v.brand, v.username, v.state, v.segment, v.score_rank,
        v.last_contact_ms, v.first_seen_ms, v.last_seen_ms, v.needs_reply_since_ms, v.rules_version, v.tags, v.due_ms, v.triage_ms,
        v.review_ms
    FROM viewer v
    JOIN UNNEST($1::text[], $2::text[]) AS k (account, viewer) ON v.account = k.account AND v.viewer = k.viewer
    ORDER BY v.account, v.viewer
    FOR UPDATE OF v";

const LOCK_LITE: &str = "SELECT v.account, v.viewer, v.brand, v.username, v.state, v.segment, v.score_rank,
        v.last_contact_ms, v.first_seen_ms, v.last_seen_ms, v.needs_reply_since_ms, v.rules_version, v.tags, v.due_ms, v.triage_ms,
        v.review_ms
    FROM json_each($1) AS k CROSS JOIN viewer v ON v.account = k.value ->> 0 AND v.viewer = k.value ->> 1
    ORDER BY v.account, v.viewer";

const WRITE_PG: &str = "UPDATE viewer SET username = n.username, state = n.state, segment = n.segment,
        score_rank = n.score_rank, last_contact_ms = n.last_contact_ms, first_seen_ms = n.first_seen_ms,
        last_seen_ms = n.last_seen_ms, needs_reply_since_ms = n.needs_reply_since_ms,
        rules_version = n.rules_version, tags = n.tags, due_ms = n.due_ms, triage_ms = n.triage_ms,
        review_ms = n.review_ms
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::float8[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[])
        AS n (account, viewer, username, state, segment, score_rank, last_contact_ms, first_seen_ms, last_seen_ms,
            needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms)
    WHERE viewer.account = n.account AND viewer.viewer = n.viewer";

const WRITE_LITE: &str = "UPDATE viewer SET username = value ->> 2, state = value ->> 3, segment = value ->> 4,
        score_rank = value ->> 5, last_contact_ms = value ->> 6, first_seen_ms = value ->> 7,
        last_seen_ms = value ->> 8, needs_reply_since_ms = value ->> 9, rules_version = value ->> 10,
        tags = value ->> 11, due_ms = value ->> 12, triage_ms = value ->> 13, review_ms = value ->> 14
    FROM json_each($1) AS n
    WHERE viewer.account = n.value ->> 0 AND viewer.viewer = n.value ->> 1";

/// Locks the viewers named by `keys` (sorted, without repeats) in that order, making rows for those that are new: a row
/// that is not there cannot be locked. Returned in the same order.
pub(crate) async fn lock(
    tx: &mut Tx,
    keys: &[(&ViewerKey, &BrandId)],
    now: Timestamp,
) -> Result<Vec<ViewerColumns>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match tx {
        Tx::Postgres(tx) => {
            let accounts: Vec<&str> = keys.iter().map(|(key, _)| key.account.as_str()).collect();
            let viewers: Vec<&str> = keys.iter().map(|(key, _)| key.viewer.as_str()).collect();
            let brands: Vec<&str> = keys.iter().map(|(_, brand)| brand.as_str()).collect();
            sqlx::query(MAKE_PG)
                .bind(&accounts)
                .bind(&viewers)
                .bind(brands)
                .bind(now.millis())
                .execute(&mut **tx)
                .await?;
            sqlx::query_as(LOCK_PG).bind(&accounts).bind(&viewers).fetch_all(&mut **tx).await?
        }
        Tx::Sqlite(tx) => {
            let keys: Vec<_> = keys.iter().map(|(key, brand)| (&key.account, &key.viewer, brand)).collect();
            let keys = to_json("viewer keys", &keys)?;
            sqlx::query(MAKE_LITE).bind(&keys).bind(now.millis()).execute(&mut **tx).await?;
            sqlx::query_as(LOCK_LITE).bind(&keys).fetch_all(&mut **tx).await?
        }
    })
}

/// Writes locked viewers and says how many rows it met.
pub(crate) async fn write(tx: &mut Tx, rows: &[ViewerRow]) -> Result<u64, StoreError> {
    let tags: Vec<String> =
        rows.iter().map(|row| to_json("viewer.tags", &row.tags)).collect::<Result<_, StoreError>>()?;
    if let Some(row) = rows.iter().find(|row| !row.score_rank.is_finite()) {
        return Err(StoreError::codec("viewer.score_rank", format!("{} of {}", row.score_rank, row.key)));
    }
    Ok(match tx {
        Tx::Postgres(tx) => {
            macro_rules! column {
                (|$row:ident| $value:expr) => {
                    rows.iter().map(|$row| $value).collect::<Vec<_>>()
                };
            }
            sqlx::query(WRITE_PG)
                .bind(column!(|row| row.key.account.as_str()))
                .bind(column!(|row| row.key.viewer.as_str()))
                .bind(column!(|row| row.username.as_deref().map(|name| storable(name).into_owned())))
                .bind(column!(|row| row.state.as_str()))
                .bind(column!(|row| segment_to_number(row.segment)))
                .bind(column!(|row| row.score_rank))
                .bind(column!(|row| row.last_contact.map(Timestamp::millis)))
                .bind(column!(|row| row.first_seen.millis()))
                .bind(column!(|row| row.last_seen.millis()))
                .bind(column!(|row| row.needs_reply_since.map(Timestamp::millis)))
                .bind(column!(|row| row.rules_version.as_str()))
                .bind(&tags)
                .bind(column!(|row| row.due.map(Timestamp::millis)))
                .bind(column!(|row| row.triage.map(Timestamp::millis)))
                .bind(column!(|row| row.review.map(Timestamp::millis)))
                .execute(&mut **tx)
                .await?
                .rows_affected()
        }
        Tx::Sqlite(tx) => {
            let rows: Vec<_> = rows
                .iter()
                .zip(&tags)
                .map(|(row, tags)| {
                    (
                        &row.key.account,
                        &row.key.viewer,
                        row.username.as_deref().map(storable),
                        &row.state,
                        segment_to_number(row.segment),
                        row.score_rank,
                        row.last_contact,
                        row.first_seen,
                        row.last_seen,
                        row.needs_reply_since,
                        &row.rules_version,
                        tags,
                        row.due,
                        row.triage,
                        row.review,
                    )
                })
                .collect();
            let rows = to_json("viewer rows", &rows)?;
            sqlx::query(WRITE_LITE).bind(rows).execute(&mut **tx).await?.rows_affected()
        }
    })
}
