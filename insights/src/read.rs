//! Sums and weeks, read from the store.

use std::collections::BTreeMap;

use afterglow_domain::{DAY_MS, Experiment, ExperimentMetric, Timestamp};
use afterglow_store::{Brand, BrandStore, KpiStretch, StoreError};

use crate::funnel::{FunnelGround, StoryFunnel, StoryLabel, funnel};
use crate::kpi::Sums;
use crate::pattern::{Pattern, PatternGround, patterns};
use crate::report::{Week, WeeklyReport, weekly};
use crate::trial::{Trial, trial};

/// The day that is `days` before another, both `YYYY-MM-DD`; `None` if the text is no day.
pub fn days_before(day: &str, days: i64) -> Option<String> {
    let noon: jiff::Timestamp = format!("{day}T12:00:00Z").parse().ok()?;
    Some(Timestamp::from_millis(noon.as_millisecond() - days * DAY_MS).day_in("UTC"))
}

/// The sums of a dimension's items (`all`, `account`, `play`, `snippet`, `operator`) between two days, both included.
pub async fn sums_of(
    store: &BrandStore<'_>,
    dim: &str,
    (since, until): (&str, &str),
) -> Result<BTreeMap<String, Sums>, StoreError> {
    let mut items = BTreeMap::<String, Sums>::new();
    for (item, measure, n) in store.kpi_totals(dim, &stretch(since, until)).await? {
        items.entry(item).or_default().insert(measure, n);
    }
    Ok(items)
}

/// The days from `since` to `until` as whole months and what is left of days.
fn stretch(since: &str, until: &str) -> KpiStretch {
    let none = || ("9".to_owned(), "0".to_owned());
    let days = KpiStretch { months: none(), before: (since.into(), until.into()), after: none() };
    let whole = || {
        // The first month of which the stretch has the first day, and the last of which it has the last.
        let first = if since.ends_with("-01") { since.get(..7)?.to_owned() } else { next_month(since)? };
        let next_day = days_before(until, -1)?;
        let last_end = format!("{}-01", next_day.get(..7)?);
        let last = days_before(&last_end, 1)?.get(..7)?.to_owned();
        (first <= last).then_some(())?;
        let before = (since.to_owned(), days_before(&format!("{first}-01"), 1)?);
        Some(KpiStretch { months: (first, last), before, after: (last_end, until.to_owned()) })
    };
    whole().unwrap_or(days)
}

/// The month after a day's.
fn next_month(day: &str) -> Option<String> {
    let late = format!("{}-28", day.get(..7)?);
    Some(days_before(&late, -4)?.get(..7)?.to_owned())
}

/// Two measures of everything, day by day.
pub async fn days_of(
    store: &BrandStore<'_>,
    measures: [&str; 2],
    (since, until): (&str, &str),
) -> Result<BTreeMap<String, Sums>, StoreError> {
    let mut days = BTreeMap::<String, Sums>::new();
    for (day, measure, n) in store.kpi_daily(measures, since, until).await? {
        *days.entry(day).or_default().entry(measure).or_default() += n;
    }
    Ok(days)
}

/// The report of the week that ends with a day; `None` if the text is no day.
pub async fn week_of(store: &BrandStore<'_>, brand: &Brand, until: &str) -> Result<Option<WeeklyReport>, StoreError> {
    let (Some(since), Some(before), Some(before_that)) =
        (days_before(until, 6), days_before(until, 7), days_before(until, 13))
    else {
        return Ok(None);
    };
    let one = |mut items: BTreeMap<String, Sums>| items.remove("").unwrap_or_default();
    let days = (since.as_str(), until);
    let week = Week {
        all: one(sums_of(store, "all", days).await?),
        before: one(sums_of(store, "all", (&before_that, &before)).await?),
        plays: sums_of(store, "play", days).await?,
        snippets: sums_of(store, "snippet", days).await?,
        operators: sums_of(store, "operator", days).await?,
        experiments: tried_in(store, brand, days).await?,
    };
    Ok(Some(weekly(&brand.name, days, &week, brand.settings.safety.stops_percent)))
}

/// What each of a brand's experiments comes to at `now`, in the order of its document.
pub async fn trials_of(store: &BrandStore<'_>, brand: &Brand, now: Timestamp) -> Result<Vec<Trial>, StoreError> {
    let mut trials = Vec::with_capacity(brand.settings.experiments.len());
    for experiment in &brand.settings.experiments {
        trials.push(trial_of(store, brand, experiment, now).await?);
    }
    Ok(trials)
}

/// From the beginning of one day to the end of another; `None` if a text is no day.
fn span((since, until): (&str, &str), zone: &str) -> Option<(Timestamp, Timestamp)> {
    Some((beginning(since, zone)?, beginning(&days_before(until, -1)?, zone)?))
}

/// Experiments that took viewers in, or counted some, between two days, as they stood at the end of the second.
async fn tried_in(
    store: &BrandStore<'_>,
    brand: &Brand,
    (since, until): (&str, &str),
) -> Result<Vec<Trial>, StoreError> {
    let Some((begin, end)) = span((since, until), &brand.time_zone) else { return Ok(Vec::new()) };
    let mut trials = Vec::new();
    for experiment in &brand.settings.experiments {
        if experiment.starts < end && experiment.ends().plus(experiment.metric.window_ms()) >= begin {
            trials.push(trial_of(store, brand, experiment, end).await?);
        }
    }
    Ok(trials)
}

/// What one of a brand's experiments comes to at `now`; `None` if its document has none of this name.
pub async fn trial_named(
    store: &BrandStore<'_>,
    brand: &Brand,
    name: &str,
    now: Timestamp,
) -> Result<Option<Trial>, StoreError> {
    match brand.settings.experiments.iter().find(|experiment| experiment.name == name) {
        Some(experiment) => trial_of(store, brand, experiment, now).await.map(Some),
        None => Ok(None),
    }
}

async fn trial_of(
    store: &BrandStore<'_>,
    brand: &Brand,
    experiment: &Experiment,
    now: Timestamp,
) -> Result<Trial, StoreError> {
    let absent = match experiment.metric {
        ExperimentMetric::Click if store.links().await?.is_empty() => Some("the brand has no tracked links"),
        ExperimentMetric::Conversion if !sells(store, brand, experiment, now).await? => {
            Some("no shop told of a sale in the four weeks before it, nor since")
        }
        _ => None,
    };
    let mut exposed = store.exposed(&experiment.name).await?;
    exposed.retain(|one| one.at <= now);
    Ok(trial(experiment, &exposed, absent, now))
}

/// Whether sales are told of at all.
async fn sells(
    store: &BrandStore<'_>,
    brand: &Brand,
    experiment: &Experiment,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let day = |at: Timestamp| at.day_in(&brand.time_zone);
    let (since, until) = (day(experiment.starts.minus(28 * DAY_MS)), day(now.max(experiment.starts)));
    let counted = store.kpi_days("all", &since, &until).await?;
    Ok(counted.iter().any(|((_, _, _, measure), _)| measure == "sales" || measure == "sales_without_conversation"))
}

/// Each Story that a brand began between two days of its time zone, both included, with what followed up to `now`; `None` if a text is
/// no day.
pub async fn funnel_of(
    store: &BrandStore<'_>,
    brand: &Brand,
    (since, until): (&str, &str),
    now: Timestamp,
) -> Result<Option<Vec<StoryFunnel>>, StoreError> {
    let zone = brand.time_zone.as_str();
    let Some((from, end)) = span((since, until), zone) else { return Ok(None) };
    // A sale may follow for 30 days.
    let happened = store.interactions_between(from, now.plus(1).min(end.plus(30 * DAY_MS))).await?;
    let links = store.links().await?;
    let links = links.into_iter().filter_map(|link| Some((link.code, link.story_id?))).collect();
    let labels = store.story_labels().await?;
    let labels = labels.into_iter().filter_map(|(story, label)| Some((story, StoryLabel::parse(&label)?))).collect();
    let ground = FunnelGround { happened: &happened, links: &links, labels: &labels, zone, period: (from, end), now };
    Ok(Some(funnel(&ground)))
}

/// What stands out in the 28 days that end with `until` (`YYYY-MM-DD` in the brand's time zone); nothing if the text is no day.
pub async fn patterns_of(
    store: &BrandStore<'_>,
    brand: &Brand,
    until: &str,
    now: Timestamp,
) -> Result<Vec<Pattern>, StoreError> {
    let Some(since) = days_before(until, 27) else { return Ok(Vec::new()) };
    let days = (since.as_str(), until);
    let all = sums_of(store, "all", days).await?.remove("").unwrap_or_default();
    let (snippets, plays) = (sums_of(store, "snippet", days).await?, sums_of(store, "play", days).await?);
    let hours = sums_of(store, "hour", days).await?;
    let stories = funnel_of(store, brand, days, now).await?.unwrap_or_default();
    let ground = PatternGround { all: &all, snippets: &snippets, plays: &plays, hours: &hours, stories: &stories };
    Ok(patterns(&ground))
}

/// When a day begins in a time zone.
fn beginning(day: &str, zone: &str) -> Option<Timestamp> {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let day: jiff::civil::Date = day.parse().ok()?;
    Some(Timestamp::from_millis(day.to_zoned_datetime(zone).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_every_day_once() {
        let told = |since, until| {
            let KpiStretch { months, before, after } = stretch(since, until);
            [before, months, after].map(|(from, to)| if from <= to { format!("{from}..{to}") } else { String::new() })
        };
        for (since, until, expected) in [
            ("2026-01-01", "2026-12-31", ["", "2026-01..2026-12", ""]),
            ("2025-11-26", "2026-11-26", ["2025-11-26..2025-11-30", "2025-12..2026-10", "2026-11-01..2026-11-26"]),
            ("2026-02-01", "2026-02-28", ["", "2026-02..2026-02", ""]),
            ("2026-02-01", "2026-02-27", ["2026-02-01..2026-02-27", "", ""]),
            ("2026-10-30", "2026-11-26", ["2026-10-30..2026-11-26", "", ""]),
            ("2026-01-31", "2026-03-01", ["2026-01-31..2026-01-31", "2026-02..2026-02", "2026-03-01..2026-03-01"]),
            ("2026-11-26", "2026-11-26", ["2026-11-26..2026-11-26", "", ""]),
        ] {
            assert_eq!(told(since, until), expected, "{since} {until}");
        }
    }

    #[test]
    fn days() {
        for (day, days, expected) in [
            ("2026-03-01", 1, Some("2026-02-28")),
            ("2026-01-01", 7, Some("2025-12-25")),
            ("yesterday", 1, None),
            ("2026-02-30", 0, None),
        ] {
            assert_eq!(days_before(day, days).as_deref(), expected, "{day}");
        }
    }
}
