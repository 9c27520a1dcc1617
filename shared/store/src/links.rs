//! Tracked links.

use afterglow_domain::{AccountId, BrandId, Timestamp, ViewerId};

use crate::engine::{on_read, on_tx, row, storable};
use crate::wall::on_brand;
use crate::{BrandStore, Store, StoreError};

/// A link whose opening is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The last part of its address.
    pub code: String,
    /// Whose it is.
    pub brand: BrandId,
    /// Which account shares it.
    pub account: AccountId,
    /// Where it leads: http or https, fixed for good.
    pub target: String,
    /// The Story that it stands in.
    pub story_id: Option<String>,
    /// The play that sends it.
    pub play: Option<String>,
    /// The variant of it.
    pub variant: Option<String>,
    /// The one person it was sent to, if it was made for one.
    pub viewer: Option<ViewerId>,
    /// When it was made.
    pub created: Timestamp,
}

row! {
    struct LinkColumns {
        code: String,
        brand: String,
        account: String,
        target: String,
        story_id: Option<String>,
        play: Option<String>,
        variant: Option<String>,
        viewer: Option<String>,
        created_ms: i64,
    }
}

impl From<LinkColumns> for Link {
    fn from(row: LinkColumns) -> Self {
        Self {
            code: row.code,
            brand: BrandId::new(row.brand),
            account: AccountId::new(row.account),
            target: row.target,
            story_id: row.story_id,
            play: row.play,
            variant: row.variant,
            viewer: row.viewer.map(ViewerId::new),
            created: Timestamp::from_millis(row.created_ms),
        }
    }
}

const INSERT: &str = "INSERT INTO link (code, brand, account, target, story_id, play, variant, viewer, created_ms)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE EXISTS (SELECT 1 FROM account WHERE id = $3 AND brand = $2)";
const ALL: &str = "SELECT code, brand, account, target, story_id, play, variant, viewer, created_ms FROM link";
const OF_BRAND: &str = "SELECT code, brand, account, target, story_id, play, variant, viewer, created_ms
    FROM link WHERE brand = $1 ORDER BY created_ms, code";

impl Store {
    /// Keeps a new link.
    ///
    /// # Errors
    /// `OtherBrand` if the account is not the brand's; `Constraint` if the code is taken.
    pub async fn insert_link(&self, link: &Link) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        let made = on_tx!(&mut tx, |connection| {
            sqlx::query(INSERT)
                .bind(&link.code)
                .bind(link.brand.as_str())
                .bind(link.account.as_str())
                .bind(storable(&link.target))
                .bind(link.story_id.as_deref().map(storable))
                .bind(link.play.as_deref().map(storable))
                .bind(link.variant.as_deref().map(storable))
                .bind(link.viewer.as_ref().map(ViewerId::as_str))
                .bind(link.created.millis())
                .execute(connection)
                .await?
                .rows_affected()
        });
        if made == 0 {
            return Err(StoreError::OtherBrand { account: link.account.to_string() });
        }
        tx.commit().await
    }

    /// Every link; for the service that redirects.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let rows: Vec<LinkColumns> = on_read!(&self.engine, |pool| sqlx::query_as(ALL).fetch_all(pool).await?);
        Ok(rows.into_iter().map(Link::from).collect())
    }
}

impl BrandStore<'_> {
    /// The brand's links, the oldest first.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let rows: Vec<LinkColumns> =
            on_brand!(self, |pool| { sqlx::query_as(OF_BRAND).bind(self.brand.as_str()).fetch_all(pool).await? });
        Ok(rows.into_iter().map(Link::from).collect())
    }
}
