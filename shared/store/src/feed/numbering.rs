//! Marks become changes, numbered without a gap; and a week is told once.

use std::collections::{BTreeMap, HashMap};

use afterglow_domain::{AccountId, Consent, Timestamp, ViewerId, ViewerKey};
use uuid::Uuid;

use crate::codec::consent;
use crate::engine::{Numbers, Sql, Texts, Tx, on_tx, row};
use crate::viewers::ViewerRow;
use crate::wall::on_brand;
use crate::{BrandStore, StoreError};

/// What is known of a viewer at the moment at which a change is numbered.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedSubject {
    /// Who.
    pub viewer: ViewerKey,
    /// When the latest of what changed did.
    pub at: Timestamp,
    /// As the scorer left them; `None` for a person who asked to be forgotten.
    pub row: Option<ViewerRow>,
    /// What they said about being written to.
    pub consent: Consent,
    /// Labels that people gave them.
    pub labels: Vec<String>,
}

/// Makes a change's id and body of its number and of what is known.
pub type RenderChange<'a> = dyn Fn(u64, &FeedSubject) -> Result<(Uuid, String), StoreError> + Sync + 'a;

/// Makes the id and body of a week's report of its number.
pub type RenderWeek<'a> = dyn Fn(u64) -> Result<(Uuid, String), StoreError> + Sync + 'a;

const HEAD: Sql = Sql {
    postgres: "SELECT sequence FROM feed_head WHERE brand = $1 FOR UPDATE",
    sqlite: "SELECT sequence FROM feed_head WHERE brand = $1",
};
const MARKS: &str = "SELECT id, account, viewer, forgotten, at_ms FROM feed_mark WHERE brand = $1 ORDER BY id LIMIT $2";
const UNMARK: Sql = Sql {
    postgres: "DELETE FROM feed_mark WHERE id = ANY($1)",
    sqlite: "DELETE FROM feed_mark WHERE id IN (SELECT value FROM json_each($1))",
};
const CHANGE: &str = "INSERT INTO feed_change (brand, sequence, change, account, viewer, at_ms, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const CHANGES: &str = "INSERT INTO feed_change (brand, sequence, change, account, viewer, at_ms, body)
    SELECT $1, c.sequence, c.change, c.account, c.viewer, c.at_ms, c.body
    FROM UNNEST($2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[])
        AS c (sequence, change, account, viewer, at_ms, body)";
const CONSENTS: Sql = Sql {
    postgres: "SELECT account, viewer, clear_state, clear_ms, ambiguous_ms FROM consent
        WHERE brand = $1 AND account = ANY($2) AND viewer = ANY($3)",
    sqlite: "SELECT account, viewer, clear_state, clear_ms, ambiguous_ms FROM consent
        WHERE brand = $1 AND account IN (SELECT value FROM json_each($2)) AND viewer IN (SELECT value FROM json_each($3))",
};

row! {
    struct MarkColumns { id: i64, account: String, viewer: String, forgotten: bool, at_ms: i64 }
}

row! {
    struct ConsentColumns {
        account: String,
        viewer: String,
        clear_state: Option<String>,
        clear_ms: Option<i64>,
        ambiguous_ms: Option<i64>,
    }
}

/// What happened to one viewer, of all their marks.
#[derive(Default)]
struct Marked {
    at: i64,
    forgotten: bool,
    /// Something came after they were forgotten.
    again: bool,
}

/// A change that has its number, about to be written down.
struct Numbered {
    sequence: i64,
    change: Uuid,
    viewer: ViewerKey,
    at_ms: i64,
    body: String,
}

/// Keeps everybody else from numbering a brand's changes until the transaction ends. Returns the latest number.
async fn lock_head(tx: &mut Tx, brand: &str) -> Result<i64, StoreError> {
    let make = "INSERT INTO feed_head (brand, sequence) VALUES ($1, 0) ON CONFLICT (brand) DO NOTHING";
    let head = tx.sql(&HEAD);
    Ok(on_tx!(tx, |connection| {
        sqlx::query(make).bind(brand).execute(&mut *connection).await?;
        sqlx::query_scalar(head).bind(brand).fetch_one(connection).await?
    }))
}

/// Writes down changes that follow the head, and moves it to the last of them: one statement for all where each costs a round trip.
async fn append(tx: &mut Tx, brand: &str, changes: Vec<Numbered>) -> Result<(), StoreError> {
    let Some(last) = changes.last().map(|one| one.sequence) else { return Ok(()) };
    on_tx!(&mut *tx, |connection| {
        let query = sqlx::query("UPDATE feed_head SET sequence = $2 WHERE brand = $1").bind(brand).bind(last);
        query.execute(connection).await?;
    });
    match tx {
        Tx::Postgres(tx) => {
            let query = sqlx::query(CHANGES)
                .bind(brand)
                .bind(changes.iter().map(|one| one.sequence).collect::<Vec<_>>())
                .bind(changes.iter().map(|one| one.change).collect::<Vec<_>>())
                .bind(changes.iter().map(|one| one.viewer.account.as_str()).collect::<Vec<_>>())
                .bind(changes.iter().map(|one| one.viewer.viewer.as_str()).collect::<Vec<_>>())
                .bind(changes.iter().map(|one| one.at_ms).collect::<Vec<_>>())
                .bind(changes.iter().map(|one| one.body.as_str()).collect::<Vec<_>>());
            query.execute(&mut **tx).await?;
        }
        Tx::Sqlite(tx) => {
            for one in changes {
                let query = sqlx::query(CHANGE).bind(brand).bind(one.sequence).bind(one.change);
                let query = query.bind(one.viewer.account.as_str()).bind(one.viewer.viewer.as_str());
                query.bind(one.at_ms).bind(&one.body).execute(&mut **tx).await?;
            }
        }
    }
    Ok(())
}

impl BrandStore<'_> {
    /// Numbers what was marked, at most `limit` marks: several of one viewer are one change. `render` makes the change's id and body
    /// of its number and of what is known. Any number of processes may call it; one at a time numbers a brand's. Returns how
    /// many marks were taken.
    ///
    /// # Errors
    /// Those of `render`; then nothing is numbered.
    pub async fn number_changes(&self, limit: u32, render: &RenderChange<'_>) -> Result<u64, StoreError> {
        let brand = self.brand.as_str();
        let mut tx = self.begin().await?;
        let mut sequence = lock_head(&mut tx, brand).await?;
        let marks: Vec<MarkColumns> = on_tx!(&mut tx, |connection| {
            sqlx::query_as(MARKS).bind(brand).bind(i64::from(limit)).fetch_all(connection).await?
        });
        if marks.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = marks.iter().map(|mark| mark.id).collect();
        let mut numbered = Vec::new();
        for subject in self.subjects(&mut tx, marks).await? {
            sequence += 1;
            let (change, body) = render(sequence.unsigned_abs(), &subject)?;
            numbered.push(Numbered { sequence, change, viewer: subject.viewer, at_ms: subject.at.millis(), body });
        }
        append(&mut tx, brand, numbered).await?;
        let (taken, unmark) = (ids.len() as u64, tx.sql(&UNMARK));
        on_tx!(&mut tx, |connection| {
            sqlx::query(unmark).bind(Numbers(ids)).execute(connection).await?;
        });
        tx.commit().await?;
        Ok(taken)
    }

    /// Whether the feed has told of the week that ends with `until` (`YYYY-MM-DD`).
    pub async fn week_is_told(&self, until: &str) -> Result<bool, StoreError> {
        let sql = "SELECT sequence FROM weekly_report WHERE brand = $1 AND until = $2";
        let told: Option<i64> = on_brand!(self, |pool| {
            sqlx::query_scalar(sql).bind(self.brand.as_str()).bind(until).fetch_optional(pool).await?
        });
        Ok(told.is_some())
    }

    /// Tells the feed of a week, once: `render` makes the change's id and body of its number. `false` if it was told already. It is
    /// about no viewer: account and viewer are empty.
    ///
    /// # Errors
    /// Those of `render`; then nothing is told.
    pub async fn tell_week(&self, until: &str, now: Timestamp, render: &RenderWeek<'_>) -> Result<bool, StoreError> {
        let brand = self.brand.as_str();
        let once = "INSERT INTO weekly_report (brand, until, sequence, at_ms) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING";
        let mut tx = self.begin().await?;
        // The head's lock: whoever numbers changes waits, and of two who tell the same week one comes too late.
        let sequence = lock_head(&mut tx, brand).await? + 1;
        let noted = on_tx!(&mut tx, |connection| {
            let query = sqlx::query(once).bind(brand).bind(until).bind(sequence).bind(now.millis());
            query.execute(connection).await?.rows_affected()
        });
        if noted == 0 {
            return Ok(false);
        }
        let (change, body) = render(sequence.unsigned_abs())?;
        let nobody = ViewerKey { account: AccountId::new(""), viewer: ViewerId::new("") };
        append(&mut tx, brand, vec![Numbered { sequence, change, viewer: nobody, at_ms: now.millis(), body }]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What is known of those who were marked: first that they are forgotten, then what came after.
    async fn subjects(&self, tx: &mut Tx, marks: Vec<MarkColumns>) -> Result<Vec<FeedSubject>, StoreError> {
        let mut by_viewer = BTreeMap::<ViewerKey, Marked>::new();
        for mark in marks {
            let key = ViewerKey { account: AccountId::new(mark.account), viewer: ViewerId::new(mark.viewer) };
            let marked = by_viewer.entry(key).or_default();
            marked.at = marked.at.max(mark.at_ms);
            marked.again = !mark.forgotten;
            marked.forgotten |= mark.forgotten;
        }
        let keys: Vec<ViewerKey> = by_viewer.keys().cloned().collect();
        let rows: HashMap<ViewerKey, ViewerRow> =
            self.viewers_of(&keys).await?.into_iter().map(|row| (row.key.clone(), row)).collect();
        let (consents, mut labels) = (self.consents_of(tx, &keys).await?, self.labels_of(&keys).await?);
        let mut subjects = Vec::with_capacity(keys.len());
        for (viewer, marked) in by_viewer {
            let at = Timestamp::from_millis(marked.at);
            let nothing = |viewer: &ViewerKey| FeedSubject {
                viewer: viewer.clone(),
                at,
                row: None,
                consent: Consent::default(),
                labels: Vec::new(),
            };
            if marked.forgotten {
                subjects.push(nothing(&viewer));
            }
            if marked.again
                && let Some(row) = rows.get(&viewer)
            {
                let (consent, labels) = (consents.get(&viewer).copied().unwrap_or_default(), labels.remove(&viewer));
                let (row, labels) = (Some(row.clone()), labels.unwrap_or_default());
                subjects.push(FeedSubject { row, consent, labels, ..nothing(&viewer) });
            }
        }
        Ok(subjects)
    }

    async fn consents_of(&self, tx: &mut Tx, keys: &[ViewerKey]) -> Result<HashMap<ViewerKey, Consent>, StoreError> {
        let sql = tx.sql(&CONSENTS);
        let (accounts, viewers) = texts(keys);
        let rows: Vec<ConsentColumns> = on_tx!(tx, |connection| {
            sqlx::query_as(sql).bind(self.brand.as_str()).bind(accounts).bind(viewers).fetch_all(connection).await?
        });
        let decode = |row: ConsentColumns| {
            let said = consent(row.clear_state.as_deref(), row.clear_ms, row.ambiguous_ms)?;
            Ok((ViewerKey { account: AccountId::new(row.account), viewer: ViewerId::new(row.viewer) }, said))
        };
        rows.into_iter().map(decode).collect()
    }
}

fn texts(keys: &[ViewerKey]) -> (Texts, Texts) {
    let mut accounts: Vec<String> = keys.iter().map(|key| key.account.to_string()).collect();
    accounts.dedup();
    (Texts(accounts), Texts(keys.iter().map(|key| key.viewer.to_string()).collect()))
}
