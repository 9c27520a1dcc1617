//! What a document must fulfil beyond its form: every fault that could be seen is said when it is applied, not when a viewer
//! waits.

mod crm;
mod experiments;
mod people;
mod plays;
mod snippets;

use std::collections::BTreeSet;

use afterglow_domain::Scoring;
use serde_saphyr::Spanned;

use crate::condition::Condition;
use crate::document::{Document, Problem};
use crate::places::{Ground, coordinates};
use crate::vocabulary::Scope;

struct Findings<'a> {
    ground: &'a Ground<'a>,
    found: Vec<Problem>,
}

impl Findings<'_> {
    /// Something wrong within a text of the document.
    fn add_within(&mut self, place: Option<&Spanned<String>>, line: u32, column: u32, message: String) {
        let (line, column) = self.ground.within(place, line, column);
        self.found.push(Problem { line, column, message });
    }

    fn add<T>(&mut self, place: Option<&Spanned<T>>, message: impl Into<String>) {
        let (line, column) = coordinates(place);
        self.found.push(Problem { line, column, message: message.into() });
    }

    fn condition(&mut self, place: Option<&Spanned<String>>, text: &str, scope: Scope, whose: &str) {
        if let Err(error) = Condition::compile(text, scope) {
            self.add_within(place, error.line, error.column, format!("{whose}: {}", error.message));
        }
    }

    fn number(&mut self, place: Option<&Spanned<f64>>, value: f64, (least, most): (f64, f64), what: &str) {
        // Written so that NaN, which is neither less nor more, is found too.
        if !(value >= least && value <= most) {
            self.add(place, format!("{what} is {value}: expected a number from {least} to {most}"));
        }
    }
}

/// What is allowed, and perhaps not meant, in the order of the text.
pub(crate) fn warnings(document: &Document, ground: &Ground<'_>) -> Vec<Problem> {
    let mut findings = Findings { ground, found: Vec::new() };
    plays::warn(document, &mut findings);
    experiments::warn(document, &mut findings);
    snippets::warn(document, &mut findings);
    let mut found = findings.found;
    found.sort();
    found
}

/// All that is wrong, in the order of the text.
pub(crate) fn problems(document: &Document, ground: &Ground<'_>) -> Vec<Problem> {
    let mut findings = Findings { ground, found: Vec::new() };
    head(document, &mut findings);
    scoring(&document.scoring, &mut findings);
    segments(document, &mut findings);
    tags(document, &mut findings);
    plays::check(document, &mut findings);
    experiments::check(document, &mut findings);
    snippets::check(document, &mut findings);
    people::check(document, &mut findings);
    limits(document, &mut findings);
    crm::check(document, &mut findings);
    let mut found = findings.found;
    found.sort();
    found
}

fn is_slug(text: &str, extra: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(good)
}

fn head(document: &Document, findings: &mut Findings<'_>) {
    let places = &findings.ground.places;
    if !is_slug(&document.brand, "-") {
        let message = format!("brand {:?}: expected lower-case letters, digits and -, at most 64", document.brand);
        findings.add(places.brand.as_ref(), message);
    }
    if jiff::tz::TimeZone::get(&document.time_zone).is_err() {
        let message = format!("{:?} is no time zone: expected a name such as Europe/Amsterdam", document.time_zone);
        findings.add(places.time_zone.as_ref(), message);
    }
    let sla = document.sla;
    if sla.hot_minutes == 0 || sla.warm_hours == 0 || sla.cool_hours == 0 {
        findings.add::<String>(None, "sla: nobody can answer in no time: at least 1 each");
    }
}

fn scoring(scoring: &Scoring, findings: &mut Findings<'_>) {
    const HOURS: (f64, f64) = (0.1, 8760.0);
    let places = &findings.ground.places.scoring;
    findings.number(places.half_life_hours.as_ref(), scoring.half_life_hours, HOURS, "half_life_hours");
    for (kind, signal) in &scoring.signals {
        let name = kind.as_str();
        let place = places.signals.get(name);
        let points = place.and_then(|place| place.points.as_ref());
        if let Some(value) = signal.points {
            findings.number(points, value, (0.0, 1000.0), &format!("points of {name}"));
        }
        if let Some(value) = signal.half_life_hours {
            let place = place.and_then(|place| place.half_life_hours.as_ref());
            findings.number(place, value, HOURS, &format!("half_life_hours of {name}"));
        }
        if Scoring::default().milli(*kind) == 0 {
            findings.add(points, format!("{name} says nothing of a viewer's interest, so it cannot have points"));
        }
    }
}

fn segments(document: &Document, findings: &mut Findings<'_>) {
    for (name, rule) in [("hot", &document.segments.hot), ("warm", &document.segments.warm)] {
        let place = findings.ground.places.segments.get(name);
        let (when, hold) = place.map_or((None, None), |place| (place.when.as_ref(), place.hold_hours.as_ref()));
        findings.condition(when, &rule.when, Scope::Segment, name);
        findings.number(hold, rule.hold_hours, (0.0, 720.0), &format!("hold_hours of {name}"));
    }
}

fn tags(document: &Document, findings: &mut Findings<'_>) {
    let mut names = BTreeSet::new();
    for (n, tag) in document.tags.iter().enumerate() {
        let place = findings.ground.places.tags.get(n);
        let (name, when) = place.map_or((None, None), |place| (place.name.as_ref(), place.when.as_ref()));
        if tag.name.trim().is_empty() || tag.name.chars().count() > 40 {
            findings.add(name, "a tag's name has 1 to 40 characters");
        }
        if !names.insert(&tag.name) {
            findings.add(name, format!("there are two tags called {:?}", tag.name));
        }
        findings.condition(when, &tag.when, Scope::Tag, &format!("tag {:?}", tag.name));
    }
}

fn limits(document: &Document, findings: &mut Findings<'_>) {
    let places = &findings.ground.places;
    let days = document.limits.ad_window_days;
    if !(1..=7).contains(&days) {
        let place = places.limits.ad_window_days.as_ref();
        findings.add(place, format!("ad_window_days is {days}: expected 1 to 7, for Meta grants no more"));
    }
    let safety = document.safety;
    for (name, value, bounds) in [
        ("stops_percent", safety.stops_percent, (0.01, 50.0)),
        ("blocks_percent", safety.blocks_percent, (0.01, 50.0)),
        ("failures_percent", safety.failures_percent, (0.01, 50.0)),
        ("false_alarm_percent", safety.false_alarm_percent, (0.001, 20.0)),
    ] {
        let place = findings.ground.places.safety.get(name);
        findings.number(place, value, bounds, &format!("safety.{name}"));
    }
}
