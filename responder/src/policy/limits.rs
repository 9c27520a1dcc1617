//! How much is said, and when not.

use afterglow_domain::{DAY_MS, Decision, HOUR_MS, Reason, Timestamp, Verdict};

use super::{Hearing, play};

/// Whether it has to wait: for the brand's morning, for room towards the viewer, for room of the account. What would have to
/// wait until its window is closed is not said at all.
pub(super) fn later(hearing: &Hearing<'_>) -> Option<Decision> {
    let Hearing { facts, now, .. } = *hearing;
    let limits = &facts.limits.limits;
    let mut waits: Vec<(Timestamp, Reason)> = Vec::new();
    if let Some(until) = limits.quiet_hours.and_then(|quiet| quiet.until(now, &facts.limits.time_zone)) {
        waits.push((until, Reason::QuietHours));
    }
    for (cap, span_ms) in [(limits.per_viewer_day, DAY_MS), (limits.per_viewer_week, 7 * DAY_MS)] {
        let within: Vec<Timestamp> =
            facts.written.iter().map(|written| written.at).filter(|at| now.since(*at) < span_ms).collect();
        // The latest come first: room is there when the one that fills the last place has left the span.
        let filling = usize::try_from(cap).ok().filter(|cap| *cap > 0).and_then(|cap| within.get(cap - 1));
        if let Some(filling) = filling {
            waits.push((filling.plus(span_ms), Reason::ViewerCap));
        }
    }
    let same_ms = i64::from(limits.same_text_hours) * HOUR_MS;
    // Two who judge at once: one's "written" may lie a few milliseconds in the other's future.
    if same_ms > 0 && facts.written.iter().any(|written| written.same_text && now.since(written.at) < same_ms) {
        return Some(Decision::drop(vec![Reason::SameText]));
    }
    if let Some(room) = facts.room_at.filter(|room| *room > now) {
        waits.push((room, Reason::RateLimited));
    }
    let until = waits.iter().map(|(until, _)| *until).max()?;
    let mut reasons: Vec<Reason> = waits.into_iter().map(|(_, reason)| reason).collect();
    reasons.dedup();
    if play::is_open(hearing, until) {
        return Some(Decision { verdict: Verdict::Defer, until: Some(until), reasons });
    }
    reasons.push(Reason::WindowClosed);
    Some(Decision::drop(reasons))
}
