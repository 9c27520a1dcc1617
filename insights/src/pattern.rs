//! What stands out in a brand's figures, and could be worth an experiment. Pure.
//!
//! A pattern is a share that is away from the brand's own beyond chance: its interval (Wilson 1927, at 99 %, for several are looked at at
//! once) does not hold the brand's. It says where to look, not why: what is found this way is a hypothesis.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::experiment::real;
use crate::funnel::{StoryFigure, StoryFunnel};
use crate::kpi::Sums;

/// Fewer messages, questions or views than this make no pattern.
const ENOUGH: i64 = 30;
/// The normal quantile of 99 %, two-sided.
const Z: f64 = 2.575_829;

/// Something that stands out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// The same pattern found again has the same key.
    pub key: String,
    /// What could be believed because of it.
    pub text: String,
    /// The figures, with what they are shares of.
    pub evidence: String,
}

/// What patterns are looked for in: the sums of a period.
#[derive(Debug, Clone, Copy)]
pub struct PatternGround<'a> {
    /// Of everything.
    pub all: &'a Sums,
    /// By snippet.
    pub snippets: &'a BTreeMap<String, Sums>,
    /// By play.
    pub plays: &'a BTreeMap<String, Sums>,
    /// By hour of the day in which the question came, `00` to `23`.
    pub hours: &'a BTreeMap<String, Sums>,
    /// The period's Stories.
    pub stories: &'a [StoryFunnel],
}

/// What stands out, the snippets first.
pub fn patterns(ground: &PatternGround<'_>) -> Vec<Pattern> {
    let unread = apart(ground.snippets, ground.all, ("replied", "sent"), Part::is_below);
    let unread = unread.map(|(name, part, all)| Pattern {
        key: format!("replies:{name}"),
        text: format!("Other words than snippet {name:?} would be answered more often."),
        evidence: format!("{part} of its messages were replied to; of all, {all}"),
    });
    let unwelcome = apart(ground.plays, ground.all, ("stops", "sent"), Part::is_above);
    let unwelcome = unwelcome.map(|(name, part, all)| Pattern {
        key: format!("stops:{name}"),
        text: format!("Play {name:?} is unwelcome: saying nothing would cost less than it brings."),
        evidence: format!("after {part} of its messages their reader said stop; after all, {all}"),
    });
    let slow = apart(ground.hours, ground.all, ("prompt", "questions"), Part::is_below);
    let slow = slow.map(|(hour, part, all)| Pattern {
        key: format!("slow:{hour}"),
        text: format!(
            "Who asks between {hour}:00 and {hour}:59 waits too long: more people, or a play, would help then."
        ),
        evidence: format!("{part} of the questions of this hour were answered within 20 minutes; of all, {all}"),
    });
    unread.chain(unwelcome).chain(slow).chain(exits(ground.stories)).collect()
}

/// The items whose share is beyond that of all by more than chance, with both shares.
fn apart<'a>(
    items: &'a BTreeMap<String, Sums>,
    all: &Sums,
    (of, among): (&'static str, &'static str),
    is_apart: fn(Part, Part) -> bool,
) -> impl Iterator<Item = (&'a String, Part, Part)> + use<'a> {
    let all = Part::of(all, of, among);
    let parts = items.iter().map(move |(name, sums)| (name, Part::of(sums, of, among)));
    parts.filter(move |(_, part)| is_apart(*part, all)).map(move |(name, part)| (name, part, all))
}

/// Frames at which more leave than at others.
fn exits(stories: &[StoryFunnel]) -> Vec<Pattern> {
    let mut frames = BTreeMap::<u32, Part>::new();
    let mut all = Part::default();
    for story in stories {
        let StoryFigure::Share { of, among, .. } = story.exits else { continue };
        for part in [frames.entry(story.frame).or_default(), &mut all] {
            part.of += of;
            part.among += among;
        }
    }
    let above = frames.into_iter().filter(|(_, part)| part.is_above(all));
    above
        .map(|(frame, part)| Pattern {
            key: format!("exits:{frame}"),
            text: format!("Frame {frame} of a day's Stories loses viewers: another frame there, or a shorter series, would keep them."),
            evidence: format!("{part} of its views ended in an exit; of all frames, {all}"),
        })
        .collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    of: i64,
    among: i64,
}

impl Part {
    fn of(sums: &Sums, of: &str, among: &str) -> Self {
        let count = |measure: &str| sums.get(measure).copied().unwrap_or(0).max(0);
        Self { of: count(of).min(count(among)), among: count(among) }
    }

    fn share(self) -> f64 {
        if self.among == 0 { 0.0 } else { real(self.of.unsigned_abs()) / real(self.among.unsigned_abs()) }
    }

    /// Wilson's interval.
    fn bounds(self) -> (f64, f64) {
        let (n, p) = (real(self.among.unsigned_abs()), self.share());
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        (middle - half, middle + half)
    }

    fn is_below(self, all: Self) -> bool {
        self.among >= ENOUGH && self.bounds().1 < all.share()
    }

    fn is_above(self, all: Self) -> bool {
        self.among >= ENOUGH && self.bounds().0 > all.share()
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} % ({} of {})", self.share() * 100.0, self.of, self.among)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(of: &[(&str, i64)]) -> Sums {
        of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    fn by(items: &[(&str, Sums)]) -> BTreeMap<String, Sums> {
        items.iter().map(|(name, sums)| ((*name).to_owned(), sums.clone())).collect()
    }

    #[test]
    fn what_stands_out_is_told_with_its_denominators() {
        let all = sums(&[("sent", 1_000), ("replied", 300), ("stops", 10), ("questions", 800), ("prompt", 600)]);
        let snippets = by(&[
            ("poor", sums(&[("sent", 200), ("replied", 30)])),
            ("few", sums(&[("sent", 20)])),
            ("usual", sums(&[("sent", 200), ("replied", 55)])),
        ]);
        let plays =
            by(&[("pushy", sums(&[("sent", 100), ("stops", 9)])), ("calm", sums(&[("sent", 100), ("stops", 1)]))]);
        let hours = by(&[
            ("03", sums(&[("questions", 60), ("prompt", 12)])),
            ("14", sums(&[("questions", 60), ("prompt", 44)])),
        ]);
        let found =
            patterns(&PatternGround { all: &all, snippets: &snippets, plays: &plays, hours: &hours, stories: &[] });
        let keys: Vec<&str> = found.iter().map(|pattern| pattern.key.as_str()).collect();
        assert_eq!(keys, ["replies:poor", "stops:pushy", "slow:03"]);
        assert!(found[0].evidence.starts_with("15.0 % (30 of 200)"), "{}", found[0].evidence);
        assert!(found[0].evidence.ends_with("of all, 30.0 % (300 of 1000)"), "{}", found[0].evidence);
    }

    #[test]
    fn nothing_counted_is_no_pattern() {
        let (none, nothing) = (Sums::new(), BTreeMap::new());
        let ground = PatternGround { all: &none, snippets: &nothing, plays: &nothing, hours: &nothing, stories: &[] };
        assert!(patterns(&ground).is_empty());
    }
}
