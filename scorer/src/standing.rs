//! Where a viewer stands at a moment: segment, tags, what to do and until when. Pure functions of state, rules and time.

use afterglow_domain::{HOUR_MS, Segment, Timestamp};
use afterglow_rules::{EvaluationError, Rulebook, Variables, Watch};
use serde::Serialize;

use crate::state::ViewerState;

/// How often a condition is looked at whose next change cannot be foreseen, in ms.
const REGULARLY_MS: i64 = HOUR_MS;
/// How much of the time for an answer a high score can take away at most: one half. So that nobody waits for ever, whatever
/// others score.
const BOOST_SHARE: f64 = 0.5;
/// The score that takes it all away.
const BOOST_FULL: f64 = 100.0;

/// What a person should do about a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// They asked something.
    ReplyNow,
    /// They look again and again.
    Monitor,
    /// They looked once, in silence.
    Nurture,
}

impl Action {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::ReplyNow => "reply now",
            Action::Monitor => "monitor",
            Action::Nurture => "nurture",
        }
    }
}

/// Where a viewer stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Hot, Warm or Cool.
    pub segment: Segment,
    /// The condition that says so.
    pub because: String,
    /// The tags they carry.
    pub tags: Vec<String>,
    /// What to do.
    pub action: Action,
    /// Until when an answer is due, if one is.
    pub due: Option<Timestamp>,
    /// By which they are put in line, if they wait: the time that is left, shortened by up to a half for a high score.
    pub triage: Option<Timestamp>,
}

/// What conditions are told of a viewer at a moment.
pub(crate) fn variables<'a>(state: &'a ViewerState, rulebook: &Rulebook, now: Timestamp) -> Variables<'a> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a few years")]
    let hours = |at: Option<Timestamp>| at.map_or(f64::INFINITY, |at| now.since(at).max(0) as f64 / 3_600_000.0);
    let waiting = state.needs_reply_since();
    Variables {
        score: state.score_at(now, &rulebook.scoring),
        needs_reply: waiting.is_some(),
        hours_waiting: waiting.map_or(0.0, |since| hours(Some(since))),
        hours_overdue: 0.0,
        hours_since_spoke: hours(state.spoke),
        hours_since_contact: hours(state.contact),
        hours_since_profile_visit: hours(state.profile),
        hours_since_repeat_view: hours(state.repeat_view()),
        hours_since_view: hours(state.views.last().copied()),
        hours_since_first_seen: hours(state.seen.map(|(first, _)| first)),
        hours_since_last_seen: hours(state.seen.map(|(_, last)| last)),
        counts: &state.counts,
        segment: None,
        happening: None,
    }
}

/// The segment at a moment, and the condition that says so.
pub fn segment_at<'r>(
    state: &ViewerState,
    rulebook: &'r Rulebook,
    now: Timestamp,
) -> Result<(Segment, &'r str), EvaluationError> {
    rulebook.segment(|ago_ms| variables(state, rulebook, now.minus(ago_ms)))
}

/// What conditions of tags and plays are told: the segment, and whether an answer is overdue.
pub(crate) fn in_segment<'a>(
    state: &'a ViewerState,
    rulebook: &Rulebook,
    segment: Segment,
    now: Timestamp,
) -> Variables<'a> {
    let due = state.needs_reply_since().map(|since| since.plus(rulebook.sla.target_ms(segment)));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a few years")]
    let hours_overdue = due.map_or(0.0, |due| now.since(due).max(0) as f64 / 3_600_000.0);
    Variables { segment: Some(segment), hours_overdue, ..variables(state, rulebook, now) }
}

/// Where a viewer stands at a moment.
pub fn standing(state: &ViewerState, rulebook: &Rulebook, now: Timestamp) -> Result<Standing, EvaluationError> {
    let (segment, because) = segment_at(state, rulebook, now)?;
    let told = in_segment(state, rulebook, segment, now);
    let tags = rulebook.tags(&told)?.into_iter().map(ToOwned::to_owned).collect();
    let action = match state.needs_reply_since() {
        Some(_) => Action::ReplyNow,
        None if state.repeat_view().is_some() => Action::Monitor,
        None => Action::Nurture,
    };
    let target = rulebook.sla.target_ms(segment);
    let due = state.needs_reply_since().map(|since| since.plus(target));
    // As of the last interaction: it must not creep while nothing happens.
    let score = state.score_at(state.as_of(), &rulebook.scoring);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "hours in milliseconds")]
    let boost = (target as f64 * BOOST_SHARE * (score / BOOST_FULL).clamp(0.0, 1.0)) as i64;
    Ok(Standing { segment, because: because.to_owned(), tags, action, due, triage: due.map(|due| due.minus(boost)) })
}

/// When the standing may change by time alone, after `now`; `None` if only something that happens can change it.
pub fn next_change(state: &ViewerState, rulebook: &Rulebook, now: Timestamp) -> Option<Timestamp> {
    let (watches, holds) = rulebook.watches();
    let mut shifts: Vec<i64> = holds.collect();
    shifts.push(0);
    let mut next: Option<Timestamp> = None;
    let mut consider = |at: Timestamp| {
        for shift in &shifts {
            // One later: `<` changes at the moment itself, `<=` after it.
            for at in [at.plus(*shift), at.plus(shift + 1)] {
                if at > now && next.is_none_or(|next| at < next) {
                    next = Some(at);
                }
            }
        }
    };
    for watch in watches {
        match watch {
            Watch::Regularly => consider(now.plus(REGULARLY_MS)),
            Watch::Crossing { name, at } if name == "score" => {
                if let Some(at) = score_falls_to(state, rulebook, *at, now) {
                    consider(at);
                }
            }
            Watch::Crossing { name, at } if name == "hours_overdue" => {
                // The segment, and with it the time for an answer, may change before: each one's end is looked at.
                if let Some(since) = state.needs_reply_since() {
                    let span = hours_in_ms(*at);
                    for segment in Segment::ALL {
                        consider(since.plus(rulebook.sla.target_ms(segment)).plus(span));
                    }
                }
            }
            Watch::Crossing { name, at } => {
                let since = match name.as_str() {
                    "hours_waiting" => state.needs_reply_since(),
                    "hours_since_spoke" => state.spoke,
                    "hours_since_contact" => state.contact,
                    "hours_since_profile_visit" => state.profile,
                    "hours_since_repeat_view" => state.repeat_view(),
                    "hours_since_view" => state.views.last().copied(),
                    "hours_since_first_seen" => state.seen.map(|(first, _)| first),
                    _ => state.seen.map(|(_, last)| last),
                };
                let span = hours_in_ms(*at);
                if let Some(since) = since.filter(|_| span < i64::MAX / 4) {
                    consider(since.plus(span));
                }
            }
        }
    }
    next
}

#[expect(clippy::cast_possible_truncation, reason = "a span of hours; what is absurd saturates")]
fn hours_in_ms(hours: f64) -> i64 {
    (hours * 3_600_000.0).ceil() as i64
}

/// When a score, if nothing happens, has fallen to `level`. It only falls, so halving the span finds the moment.
fn score_falls_to(state: &ViewerState, rulebook: &Rulebook, level: f64, now: Timestamp) -> Option<Timestamp> {
    let above = |at: Timestamp| state.score_at(at, &rulebook.scoring) > level;
    let from = now.max(state.as_of());
    if level <= 0.0 || !above(from) {
        return None;
    }
    let mut step = HOUR_MS;
    while above(from.plus(step)) {
        step = step.checked_mul(2).filter(|step| *step < i64::MAX / 8)?;
    }
    let (mut low, mut high) = (from, from.plus(step));
    while high.since(low) > 1 {
        let middle = low.plus(high.since(low) / 2);
        if above(middle) { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use afterglow_domain::Segment::{Cool, Hot, Warm};
    use afterglow_domain::{BrandSettings, Kind};

    use super::*;
    use crate::state::Fading;

    fn t(hours: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + hours * HOUR_MS)
    }

    fn default_rules() -> Rulebook {
        Rulebook::compile(&BrandSettings::default(), 0).unwrap()
    }

    fn spoke(hours: i64) -> ViewerState {
        ViewerState { spoke: Some(t(hours)), ..ViewerState::default() }
    }

    #[test]
    fn the_default_rules() {
        let views = |hs: &[i64]| ViewerState { views: hs.iter().map(|h| t(*h)).collect(), ..ViewerState::default() };
        let profile = |h| ViewerState { profile: Some(t(h)), ..ViewerState::default() };
        for (name, state, now, expected) in [
            ("spoke just now", spoke(0), 0, Hot),
            ("an hour before a day is over", spoke(0), 23, Hot),
            ("a day later", spoke(0), 24, Warm),
            ("a week later", spoke(0), 7 * 24, Cool),
            ("one silent view", views(&[0]), 0, Cool),
            ("two views in 24 h", views(&[0, 24]), 24, Warm),
            ("two views in 25 h", views(&[0, 25]), 25, Cool),
            ("two views, a day later", views(&[0, 24]), 48, Cool),
            ("the pair need not be the last", views(&[0, 1, 30]), 24, Warm),
            ("profile visit", profile(0), 5, Warm),
            ("nothing", ViewerState::default(), 0, Cool),
        ] {
            assert_eq!(segment_at(&state, &default_rules(), t(now)).unwrap().0, expected, "{name}");
        }
    }

    #[test]
    fn time_alone_changes_a_segment_at_the_foreseen_moment() {
        let (rules, state) = (default_rules(), spoke(0));
        let mut now = t(0);
        let mut seen = vec![segment_at(&state, &rules, now).unwrap().0];
        while let Some(next) = next_change(&state, &rules, now) {
            assert!(next > now);
            // Nothing changes in between.
            let before = segment_at(&state, &rules, next.minus(1)).unwrap().0;
            assert_eq!(Some(&before), seen.last(), "at {now}, before {next}");
            now = next;
            let after = segment_at(&state, &rules, now).unwrap().0;
            if Some(&after) != seen.last() {
                seen.push(after);
            }
        }
        assert_eq!(seen, [Hot, Warm, Cool]);
    }

    fn scored(points: u32, hold_hours: f64) -> (ViewerState, Rulebook) {
        let mut settings = BrandSettings::default();
        settings.segments.hot.when = "score >= 10.0".into();
        settings.segments.hot.hold_hours = hold_hours;
        settings.segments.warm.when = "false".into();
        settings.tags.clear();
        let mut state = ViewerState::default();
        let mut fading = Fading { half_life_ms: settings.scoring.half_life_ms(Kind::Message), ..Fading::default() };
        fading.sum.add(points * 100, t(0), fading.half_life_ms); // a message has 10 points
        state.signals.insert(Kind::Message, fading);
        state.seen = Some((t(0), t(0)));
        (state, Rulebook::compile(&settings, 1).unwrap())
    }

    #[test]
    fn a_score_falls_below_its_threshold_at_the_foreseen_moment() {
        let (state, rules) = scored(20, 0.0);
        let next = next_change(&state, &rules, t(0)).unwrap();
        assert!((next.since(t(48))).abs() <= 2, "20 points are 10 after one half-life: {next}");
        assert_eq!(segment_at(&state, &rules, next.minus(2)).unwrap().0, Hot);
        assert_eq!(segment_at(&state, &rules, next.plus(1)).unwrap().0, Cool);
    }

    #[test]
    fn who_hovers_at_a_threshold_does_not_flap() {
        let (state, rules) = scored(20, 6.0);
        assert_eq!(segment_at(&state, &rules, t(53)).unwrap().0, Hot, "kept for six hours");
        assert_eq!(segment_at(&state, &rules, t(55)).unwrap().0, Cool);
        // A new word within the hold: Hot all along.
        let mut again = state.clone();
        let signal = again.signals.get_mut(&Kind::Message).unwrap();
        signal.sum.add(1_000, t(52), signal.half_life_ms);
        again.seen = Some((t(0), t(52)));
        for hour in 40..60 {
            assert_eq!(segment_at(&again, &rules, t(hour)).unwrap().0, Hot, "hour {hour}");
        }
    }

    #[test]
    fn an_answer_is_overdue_at_the_foreseen_moment() {
        let rules = default_rules();
        let state =
            ViewerState { asks: [t(0)].into(), spoke: Some(t(0)), seen: Some((t(0), t(0))), ..ViewerState::default() };
        let (mut now, mut overdue) = (t(0), None);
        while let Some(next) = next_change(&state, &rules, now) {
            now = next;
            let late = standing(&state, &rules, now).unwrap().tags.contains(&"overdue".to_owned());
            if late && overdue.is_none() {
                overdue = Some(now);
            }
        }
        assert_eq!(overdue, Some(t(0).plus(20 * 60_000 + 1)));
    }

    #[test]
    fn nobody_waits_for_ever_and_a_high_score_helps() {
        let rules = default_rules();
        let asks = |score: u32, since: i64| {
            let (mut state, _) = scored(score, 0.0);
            state.asks.insert(t(since));
            state.spoke = Some(t(since));
            standing(&state, &rules, t(since)).unwrap()
        };
        let (high, low) = (asks(100, 0), asks(1, 0));
        assert_eq!((low.action, low.tags.contains(&"needs reply".to_owned())), (Action::ReplyNow, true));
        assert_eq!(low.due, Some(t(0).plus(20 * 60_000)));
        assert!(!low.tags.contains(&"overdue".to_owned()));
        assert!(high.triage < low.triage && high.due == low.due);
        // Whoever asked half the target later comes behind, whatever their score.
        let late = asks(1000, 1);
        assert!(late.triage > low.triage);
    }
}
