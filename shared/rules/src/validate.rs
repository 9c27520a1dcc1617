//! What a document must fulfil beyond its form: every fault that could be seen is said when it is applied, not when a viewer
//! waits.

use std::collections::BTreeSet;

use afterglow_domain::{Kind, Scoring, WindowRule};
use serde_saphyr::Spanned;

use crate::condition::Condition;
use crate::document::{Document, Ground, Problem, coordinates};
use crate::vocabulary::Scope;

/// UTF-8 bytes that an Instagram message may have (Meta, "Send messages", as read in 2026).
const MESSAGE_MAX_BYTES: usize = 1000;

struct Findings<'a> {
    ground: &'a Ground<'a>,
    found: Vec<Problem>,
}

impl Findings<'_> {
    fn add<T>(&mut self, place: Option<&Spanned<T>>, message: impl Into<String>) {
        let (line, column) = coordinates(place);
        self.found.push(Problem { line, column, message: message.into() });
    }

    fn condition(&mut self, place: Option<&Spanned<String>>, text: &str, scope: Scope, whose: &str) {
        if let Err(error) = Condition::compile(text, scope) {
            let (line, column) = self.ground.within(place, error.line, error.column);
            self.found.push(Problem { line, column, message: format!("{whose}: {}", error.message) });
        }
    }

    fn number(&mut self, place: Option<&Spanned<f64>>, value: f64, (least, most): (f64, f64), what: &str) {
        // Written so that NaN, which is neither less nor more, is found too.
        if !(value >= least && value <= most) {
            self.add(place, format!("{what} is {value}: expected a number from {least} to {most}"));
        }
    }
}

/// All that is wrong, in the order of the text.
pub(crate) fn problems(document: &Document, ground: &Ground<'_>) -> Vec<Problem> {
    let mut findings = Findings { ground, found: Vec::new() };
    head(document, &mut findings);
    scoring(&document.scoring, &mut findings);
    segments(document, &mut findings);
    tags(document, &mut findings);
    plays(document, &mut findings);
    snippets(document, &mut findings);
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

fn plays(document: &Document, findings: &mut Findings<'_>) {
    let mut names = BTreeSet::new();
    for (n, play) in document.plays.iter().enumerate() {
        let place = findings.ground.places.plays.get(n);
        let name = place.and_then(|place| place.name.as_ref());
        let title = play.name.as_str();
        if !is_slug(title, "-_") {
            findings.add(name, format!("play {title:?}: a name has lower-case letters, digits, - and _, at most 64"));
        }
        if !names.insert(title) {
            findings.add(name, format!("there are two plays called {title:?}"));
        }
        if let Some(when) = &play.when {
            let place = place.and_then(|place| place.when.as_ref());
            findings.condition(place, when, Scope::Play, &format!("play {title:?}"));
        }
        if !document.snippets.contains_key(&play.say) {
            let place = place.and_then(|place| place.say.as_ref());
            findings.add(place, format!("play {title:?} says {:?}, and there is no such snippet", play.say));
        }
        let silent: Vec<&str> =
            play.on.kinds.iter().filter(|kind| !is_answerable(**kind)).map(|k| k.as_str()).collect();
        if !silent.is_empty() {
            findings.add(name, format!("play {title:?}: nothing may be said because of {}", silent.join(", ")));
        }
        if play.on.keywords.iter().any(|keyword| keyword.trim().is_empty()) {
            findings.add(name, format!("play {title:?}: an empty keyword"));
        }
        if let Some(tag) = &play.on.tag_added
            && !document.tags.iter().any(|known| known.name == *tag)
        {
            findings.add(name, format!("play {title:?} waits for the tag {tag:?}, and there is no such tag"));
        }
    }
}

/// Whether the platform lets anything be said because of it.
fn is_answerable(kind: Kind) -> bool {
    kind.opens() != WindowRule::Nothing
}

fn snippets(document: &Document, findings: &mut Findings<'_>) {
    for (name, snippet) in &document.snippets {
        let place = findings.ground.places.snippets.get(name).and_then(|place| place.text.as_ref());
        // The disclosure stands on a line of its own below the text.
        let disclosure = document.limits.disclosure.as_ref().map_or(0, |text| text.len() + 1);
        let bytes = snippet.text.len() + disclosure;
        if snippet.text.trim().is_empty() || bytes > MESSAGE_MAX_BYTES {
            findings.add(
                place,
                format!(
                    "snippet {name:?} has {bytes} bytes{}: Instagram takes 1 to {MESSAGE_MAX_BYTES} (an emoji has 4 or more)",
                    if disclosure > 0 { " with the disclosure" } else { "" }
                ),
            );
        }
    }
}
