//! The default rules: Hot, Warm, Cool, each with its reason. Pure functions of state and time.

use afterglow_domain::{DAY_MS, Segment, SegmentReason, Timestamp};

use crate::state::ViewerState;

/// How long a viewer who spoke stays Hot.
const HOT_MS: i64 = DAY_MS;
/// How long a repeat view or a profile visit keeps a viewer Warm.
const WARM_MS: i64 = DAY_MS;
/// How long a viewer who spoke stays Warm after having been Hot.
const SPOKE_EARLIER_MS: i64 = 7 * DAY_MS;

/// The segment of a viewer at `now`, and why.
pub fn segment_at(state: &ViewerState, now: Timestamp) -> (Segment, SegmentReason) {
    let within = |at: Option<Timestamp>, span: i64| at.is_some_and(|at| now.since(at) < span);
    if within(state.spoke, HOT_MS) {
        (Segment::Hot, SegmentReason::SpokeRecently)
    } else if within(repeat_view(state), WARM_MS) {
        (Segment::Warm, SegmentReason::TwoViewsIn24h)
    } else if within(state.profile, WARM_MS) {
        (Segment::Warm, SegmentReason::VisitedProfile)
    } else if within(state.spoke, SPOKE_EARLIER_MS) {
        (Segment::Warm, SegmentReason::SpokeEarlier)
    } else {
        (Segment::Cool, SegmentReason::Quiet)
    }
}

/// The latest view that came within 24 hours of another one.
fn repeat_view(state: &ViewerState) -> Option<Timestamp> {
    let newest_first: Vec<Timestamp> = state.views.iter().rev().copied().collect();
    newest_first.windows(2).find(|pair| pair[0].since(pair[1]) <= DAY_MS).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use afterglow_domain::HOUR_MS;
    use afterglow_domain::Segment::{Cool, Hot, Warm};

    use super::*;

    #[test]
    fn the_default_rules() {
        let t = |hours: i64| Timestamp::from_millis(1_700_000_000_000 + hours * HOUR_MS);
        let spoke = |h| ViewerState { spoke: Some(t(h)), ..ViewerState::default() };
        let views = |hs: &[i64]| ViewerState { views: hs.iter().map(|h| t(*h)).collect(), ..ViewerState::default() };
        let profile = |h| ViewerState { profile: Some(t(h)), ..ViewerState::default() };
        for (name, state, now, expected) in [
            ("spoke just now", spoke(0), 0, (Hot, SegmentReason::SpokeRecently)),
            ("a minute before a day is over", spoke(0), 23, (Hot, SegmentReason::SpokeRecently)),
            ("a day later", spoke(0), 24, (Warm, SegmentReason::SpokeEarlier)),
            ("a week later", spoke(0), 7 * 24, (Cool, SegmentReason::Quiet)),
            ("one silent view", views(&[0]), 0, (Cool, SegmentReason::Quiet)),
            ("two views in 24 h", views(&[0, 24]), 24, (Warm, SegmentReason::TwoViewsIn24h)),
            ("two views in 25 h", views(&[0, 25]), 25, (Cool, SegmentReason::Quiet)),
            ("two views, a day later", views(&[0, 24]), 48, (Cool, SegmentReason::Quiet)),
            ("the pair need not be the last", views(&[0, 1, 30]), 24, (Warm, SegmentReason::TwoViewsIn24h)),
            ("profile visit", profile(0), 5, (Warm, SegmentReason::VisitedProfile)),
            ("nothing", ViewerState::default(), 0, (Cool, SegmentReason::Quiet)),
        ] {
            assert_eq!(segment_at(&state, t(now)), expected, "{name}");
        }
    }
}
