//! What the log is made of, from the store.

use std::collections::BTreeMap;

use afterglow_domain::{Interaction, Timestamp, ViewerKey};
use afterglow_rules::{ConditionError, Rulebook};
use afterglow_store::{BrandStore, StoreError};

use crate::daily_log::{DailyLog, FOLLOWED_MS, Material, daily_log};
use crate::day::{Day, DayError};

/// The log cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// There is no such brand.
    #[error("there is no such brand: see `afterglow brand list`")]
    NoBrand,
    /// The date or the brand's time zone is wrong.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The brand's rules cannot be used: they were applied by a newer program.
    #[error("the brand's rules cannot be used")]
    Rules(#[from] ConditionError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A viewer's state cannot be read.
    #[error("the state of a viewer cannot be read")]
    State(#[from] serde_json::Error),
}

/// The log of one day of one brand (today, without a date), as it stands at `now`.
pub async fn daily_log_of(
    store: &BrandStore<'_>,
    date: Option<&str>,
    now: Timestamp,
) -> Result<DailyLog, CollectError> {
    let brand = store.brand().await?.ok_or(CollectError::NoBrand)?;
    let day = match date {
        Some(date) => Day::new(date, &brand.time_zone)?,
        None => Day::today(now, &brand.time_zone)?,
    };
    let until = day.end.plus(FOLLOWED_MS);
    let interactions = store.interactions_between(day.begin, until).await?;
    let sent = store.sent_between(day.begin, until).await?;
    let mut viewers = BTreeMap::new();
    let keys: std::collections::BTreeSet<ViewerKey> =
        interactions.iter().filter(|i| day.holds(i.occurred)).filter_map(Interaction::viewer_key).collect();
    for key in keys {
        if let Some(detail) = store.viewer(&key, 0).await? {
            viewers.insert(key, (serde_json::from_str(&detail.row.state)?, detail.consent));
        }
    }
    let rulebook = Rulebook::compile(&brand.settings, brand.document_version)?;
    Ok(daily_log(&day, &Material { interactions, sent, viewers }, &rulebook, now))
}
