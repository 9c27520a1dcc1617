//! Looks after what goes out by itself: plays and accounts that do harm are silenced, and what waited for a person until nobody
//! may write any longer comes to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{BrandId, HUMAN_AGENT_MS, Harms, PlayId, SafetyRules};
use afterglow_meta::graph::ErrorClass;
use afterglow_meta::graph::errors::lookup;
use afterglow_runtime::error_chain;
use afterglow_store::{Brand, Deed, KillSwitch, RefusedBy, StoreError, Watched};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Responder;
use crate::{Alarm, alarm};

/// How often at least it rests between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// How many times as long as a look took: three days of a thousand brands' sends are not to keep the database busy.
const REST: u32 = 4;
/// One process looks for all of them; in ms, beside its rests.
const LEASE: (&str, i64) = ("safety", 90_000);
/// Held intents that are ended in one go.
const EXPIRED_LIMIT: u32 = 500;
/// Who silenced it, in the audit and on the switch.
pub(super) const BY: &str = "safety";

pub(super) async fn run(responder: &Arc<Responder>, stop: &CancellationToken) {
    let every = EVERY.min(responder.sweep_every * 10);
    let mut rest = every;
    while stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_some() {
        let begun = Instant::now();
        if let Err(error) = leased(responder, rest).await {
            tracing::warn!(error = %error_chain(&error), "the rates of stops and blocks wait to be looked at");
        }
        rest = every.max(begun.elapsed() * REST);
    }
    let _ = responder.store.release_lease(LEASE.0, &responder.holder).await; // else it runs out
}

/// After a rest as long as `rest`, which the next one is likely to resemble.
async fn leased(responder: &Responder, rest: Duration) -> Result<(), StoreError> {
    ages(responder).await?;
    let lease_ms = LEASE.1.saturating_add(i64::try_from(rest.as_millis() * 2).unwrap_or(i64::MAX));
    if responder.store.lease(LEASE.0, &responder.holder, (responder.clock)(), lease_ms).await? {
        look_after(responder).await?;
    }
    Ok(())
}

/// How old the oldest of what waits is; every process tells, so that one that is left alone is enough.
async fn ages(responder: &Responder) -> Result<(), StoreError> {
    let now = (responder.clock)();
    let oldest = responder.store.oldest_waiting().await?;
    #[expect(clippy::cast_precision_loss, reason = "an age in ms is below 2^52")]
    let age = |since: Option<_>| since.map_or(0.0, |since| now.since(since).max(0) as f64 / 1000.0);
    metrics::gauge!("afterglow_intents_overdue_seconds").set(age(oldest.due));
    metrics::gauge!("afterglow_held_oldest_age_seconds").set(age(oldest.held));
    Ok(())
}

pub(super) async fn look_after(responder: &Responder) -> Result<(), StoreError> {
    let now = (responder.clock)();
    let expired = responder.store.expire_held(now.minus(HUMAN_AGENT_MS), EXPIRED_LIMIT, now).await?;
    metrics::counter!("afterglow_held_expired_total").increment(expired);
    if expired > 0 {
        tracing::warn!(expired, "held messages waited until nobody may write to their viewers any longer");
    }
    for brand in responder.store.brands().await? {
        watch(responder, &brand).await?;
    }
    Ok(())
}

async fn watch(responder: &Responder, brand: &Brand) -> Result<(), StoreError> {
    let now = (responder.clock)();
    let scoped = responder.store.brand(&brand.id);
    scoped.count_harms(now, &reached_nobody).await?;
    for (switch, alarm) in alarms(&brand.id, scoped.harms().await?, &brand.settings.safety) {
        let reason = alarm.to_string();
        if !responder.store.set_kill_switch(&switch, BY, &reason, now).await? {
            continue; // it is silent already
        }
        let detail = format!("{} {}: {reason}", switch.scope(), switch.id());
        let deed = Deed { person: BY, brand: Some(&brand.id), action: "kill_switch_on", viewer: None, detail: &detail };
        responder.store.note_deed(&deed, now).await?;
        metrics::counter!("afterglow_safety_pauses_total", "scope" => switch.scope()).increment(1);
        tracing::error!(brand = %brand.id, scope = switch.scope(), id = switch.id(), reason, "silenced: it does harm");
    }
    Ok(())
}

fn reached_nobody(refused: RefusedBy) -> bool {
    let known = refused.code.and_then(|code| lookup(code, refused.subcode));
    known.is_some_and(|entry| matches!(entry.class, ErrorClass::ViewerUnreachable | ErrorClass::OptedOut))
}

/// What is to be silenced. A play and its snippets share the chance of a false alarm that the brand accepts for a play: half is the
/// play's, the rest is divided among its snippets. A snippet cannot be silenced by itself: its play is.
fn alarms(brand: &BrandId, counted: Vec<(Watched, Harms)>, rules: &SafetyRules) -> Vec<(KillSwitch, Alarm)> {
    let mut snippets = BTreeMap::<PlayId, u32>::new();
    for (watched, _) in &counted {
        if let Watched::Snippet(play, _) = watched {
            *snippets.entry(play.clone()).or_default() += 1;
        }
    }
    let silenced = |(watched, harms): (Watched, Harms)| match watched {
        Watched::Account(account) => Some((KillSwitch::Account(account), alarm(&harms, rules, 1.0)?)),
        Watched::Play(play) => {
            let share = if snippets.contains_key(&play) { 0.5 } else { 1.0 };
            Some((KillSwitch::Play(brand.clone(), play), alarm(&harms, rules, share)?))
        }
        Watched::Snippet(play, _) => {
            let share = 0.5 / f64::from(snippets.get(&play).copied().unwrap_or(1).max(1));
            Some((KillSwitch::Play(brand.clone(), play), alarm(&harms, rules, share)?))
        }
    };
    counted.into_iter().filter_map(silenced).collect()
}

#[cfg(test)]
mod tests {
    use afterglow_domain::AccountId;

    use super::*;

    #[test]
    fn what_does_harm_is_silenced() {
        let brand = BrandId::new("lumen");
        let play = |name: &str| PlayId::new(name);
        let harms = |sends, stops| Harms { sends, stops, ..Harms::default() };
        let counted = vec![
            (Watched::Account(AccountId::new("1784")), harms(2_000, 45)),
            (Watched::Play(play("welcome")), harms(1_000, 40)),
            (Watched::Snippet(play("welcome"), "warm".into()), harms(900, 3)),
            (Watched::Snippet(play("welcome"), "pushy".into()), harms(100, 37)),
            (Watched::Play(play("thanks")), harms(1_000, 5)),
        ];
        let silenced = alarms(&brand, counted, &SafetyRules::default());
        let named: Vec<_> = silenced.iter().map(|(switch, alarm)| (switch.scope(), switch.id(), alarm.seen)).collect();
        assert_eq!(named, [("play", "lumen/welcome".to_owned(), 40), ("play", "lumen/welcome".to_owned(), 37)]);
    }

    #[test]
    fn a_refusal_is_told_from_another() {
        let refused = |code, subcode| reached_nobody(RefusedBy { code: Some(code), subcode });
        assert!(refused(551, None) && refused(10, Some(1_893_015)) && refused(100, Some(2_534_014)));
        assert!(!refused(100, None) && !refused(368, None) && !refused(10, Some(2_534_022)) && !refused(4_711, None));
    }
}
