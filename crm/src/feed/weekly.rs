//! A brand's week as a change of its feed: told once, when the week is over.

use afterglow_domain::{BrandId, DerivedId as _, HOUR_MS, Timestamp};
use afterglow_insights::{WeeklyReport, days_before, week_of};
use afterglow_store::{Brand, Store, StoreError};
use uuid::Uuid;

use crate::webhook::{ChangeId, Envelope};

/// The `CloudEvent`'s type.
const WEEK_REPORTED: &str = "app.afterglow.week.reported";
/// How long after the week's end it is told, in ms: what came late is counted by then.
const SETTLE_MS: i64 = 6 * HOUR_MS;

/// The last day (a Sunday) of the latest week that can be told of at `now`, in a brand's time zone.
fn told_until(now: Timestamp, zone: &str) -> Option<String> {
    let settled = now.minus(SETTLE_MS);
    let (weekday, _) = settled.weekday_and_hour_in(zone);
    days_before(&settled.day_in(zone), i64::try_from(weekday).ok()? + 1)
}

/// The id and the `CloudEvent` of a week, with this number in the brand's feed.
fn render(brand: &BrandId, sequence: u64, report: &WeeklyReport, now: Timestamp) -> Result<(Uuid, String), StoreError> {
    let id = ChangeId::derive(&["week", brand.as_str(), &report.until]);
    let envelope = Envelope {
        id,
        source: format!("/brands/{brand}"),
        kind: WEEK_REPORTED,
        subject: &report.until,
        at: now,
        brand,
        account: None,
        sequence,
    };
    let unwritable = |source: serde_json::Error| StoreError::Codec { what: "week", source: source.into() };
    Ok((id.uuid(), envelope.around(report).map_err(unwritable)?))
}

/// Tells the feed of a brand's latest whole week, unless it was told already; whether it was told now. A week before the brand was
/// there is not told.
pub async fn tell_week(store: &Store, brand: &Brand, now: Timestamp) -> Result<bool, StoreError> {
    let scoped = store.brand(&brand.id);
    let Some(until) = told_until(now, &brand.time_zone) else { return Ok(false) };
    if brand.created.day_in(&brand.time_zone) > until || scoped.week_is_told(&until).await? {
        return Ok(false);
    }
    let Some(report) = week_of(&scoped, brand, &until).await? else { return Ok(false) };
    scoped.tell_week(&until, now, &|sequence| render(&brand.id, sequence, &report, now)).await
}

/// Tells every brand's. Returns how many were told.
pub(super) async fn tell_weeks(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut told = 0;
    for brand in store.brands().await? {
        told += u64::from(tell_week(store, &brand, now).await?);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use afterglow_domain::{BrandSettings, DAY_MS};
    use afterglow_store::StoreOptions;

    use super::*;

    /// Monday, 2 November 2026, 00:00 UTC.
    const MONDAY: Timestamp = Timestamp::from_millis(1_793_577_600_000);

    #[test]
    fn a_week_is_told_from_monday_morning_on() {
        for (hours, zone, until) in [
            (5, "UTC", "2026-10-25"),
            (6, "UTC", "2026-11-01"),
            (5, "Europe/Amsterdam", "2026-11-01"),
            (4, "Europe/Amsterdam", "2026-10-25"),
            (6 * 24 + 23, "UTC", "2026-11-01"),
            (7 * 24 + 6, "UTC", "2026-11-08"),
        ] {
            assert_eq!(told_until(MONDAY.plus(hours * HOUR_MS), zone).as_deref(), Some(until), "{hours} {zone}");
        }
    }

    #[tokio::test]
    async fn each_week_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let brand = Brand {
            id: BrandId::new("lumen"),
            name: "Lumen".into(),
            time_zone: "UTC".into(),
            settings: BrandSettings::default(),
            document_version: 0,
            created: MONDAY.minus(3 * DAY_MS),
        };
        store.upsert_brand(&brand).await.unwrap();
        let morning = MONDAY.plus(7 * HOUR_MS);
        assert!(!tell_week(&store, &brand, MONDAY).await.unwrap(), "it was not there in that week");
        assert!(tell_week(&store, &brand, morning).await.unwrap());
        assert!(!tell_week(&store, &brand, morning.plus(HOUR_MS)).await.unwrap(), "told once");
        assert!(tell_week(&store, &brand, morning.plus(7 * DAY_MS)).await.unwrap(), "and the next one");
        let page = store.brand(&brand.id).changes_after(0, 10).await.unwrap();
        let told: Vec<serde_json::Value> =
            page.changes.iter().map(|change| serde_json::from_str(&change.body).unwrap()).collect();
        assert_eq!(told.len(), 2);
        assert_eq!((told[0]["type"].as_str(), told[0]["subject"].as_str()), (Some(WEEK_REPORTED), Some("2026-11-01")));
        assert_eq!(told[0]["data"]["since"], "2026-10-26");
        assert_eq!(told[0]["data"]["all"]["reply_rate"]["is"], "unknown", "nothing was counted: not 0");
        assert_eq!(told[1]["sequence"], format!("{:020}", page.changes[1].sequence));
        assert_ne!(told[0]["id"], told[1]["id"]);
    }
}
