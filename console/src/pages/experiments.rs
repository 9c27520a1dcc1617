//! What is tried on viewers, and what came of it.

use afterglow_domain::{DerivedId as _, InteractionId};
use afterglow_insights::{Trial, TrialState, patterns_of, trials_of};
use afterglow_store::{Deed, Hypothesis, HypothesisStatus, NewHypothesis, Role};
use axum::response::Redirect;
use maud::{Markup, html};

use crate::access::{Fields, InBrand};
use crate::layout::{brand_page, csrf, moment};
use crate::problem::Problem;

/// Characters of what is believed, or of what came of it.
const TEXT_MAX: usize = 1_000;

pub(crate) async fn show(room: InBrand) -> Result<Markup, Problem> {
    let trials = trials_of(&room.store(), &room.brand, room.now).await?;
    let seen = room.store().experiments_seen().await?;
    let hypotheses = room.store().hypotheses().await?;
    let gone: Vec<_> = seen.iter().filter(|(name, _)| !trials.iter().any(|trial| trial.name == **name)).collect();
    let main = html! {
        h1 { "Experiments" }
        p.soft { "Viewers are sorted by chance, and always the same way. One is counted when their time is over: 72 hours after they were taken in, "
            "for sales 7 days. One may look whenever one likes: evidence and bounds hold at all times together." }
        @for trial in &trials { (section(trial)) }
        @if trials.is_empty() { p { "Nothing is tried. Experiments stand in the brand's document, under " code { "experiments" } "." } }
        (board(&room, &hypotheses))
        @if !gone.is_empty() {
            h2 { "No longer in the document" }
            ul { @for (name, viewers) in gone { li { (name) ": " (viewers) " viewers were taken in; nothing is said of it." } } }
        }
    };
    Ok(brand_page("Experiments", &room, "/experiments", false, &main))
}

fn section(trial: &Trial) -> Markup {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let points = |part: f64| format!("{:+.1}", part * 100.0);
    let arms = format!("Arms of {}", trial.name);
    let lifts = format!("Differences in {}", trial.name);
    html! {
        h2 { (trial.name) " " span.soft { (state(trial.state)) } }
        p { (trial.hypothesis) }
        p.soft { "Play " (trial.play) ", step " (trial.step) "; counts " (metric(trial)) ", from " (day(&trial.starts)) " until " (day(&trial.ends))
            "; worth knowing of: " (trial.detect_percent) " points." }
        div.scroll tabindex="0" role="region" aria-label=(arms) { table {
            caption { (arms) }
            thead { tr { th scope="col" { "Arm" } th scope="col" { "Says" } th scope="col" { "Share" } th scope="col" { "Taken in" } th scope="col" { "Counted" } th scope="col" { "Did it" } th scope="col" { "Rate" } } }
            tbody { @for arm in &trial.arms { tr {
                th scope="row" { (arm.name) }
                td { @match &arm.say { Some(say) => (say), None if arm.name == afterglow_domain::HOLDOUT => span.soft { "nothing" }, None => span.soft { "what the play says" } } }
                td.number { (arm.share) " %" }
                td.number { (arm.viewers) }
                td.number { (arm.counted) }
                td.number { (arm.did) }
                td.number { @match arm.rate { Some(rate) => (percent(rate)), None => "unknown" } }
            } } }
        } }
        div.scroll tabindex="0" role="region" aria-label=(lifts) { table {
            caption { (lifts) ", in percentage points" }
            thead { tr { th scope="col" { "Arm" } th scope="col" { "Beside" } th scope="col" { "Difference" } th scope="col" { "Between" } th scope="col" { "Evidence" } th scope="col" { "What may be said" } } }
            tbody { @for lift in &trial.lifts { tr {
                th scope="row" { (lift.arm) }
                td { (lift.than) }
                td.number { @match lift.lift { Some(by) => (points(by)), None => "unknown" } }
                td.number { (points(lift.interval.low)) " and " (points(lift.interval.high)) }
                td.number { (format!("{:.1} of {:.0}", lift.evidence, lift.needed)) }
                td { strong { (lift.verdict.as_str()) } }
            } } }
        } }
        @if !trial.doubts.is_empty() {
            p { "What is unknown, and why:" }
            ul { @for doubt in &trial.doubts { li { (doubt.to_string()) } } }
        }
    }
}

/// The day of an RFC 3339 moment.
fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}

fn metric(trial: &Trial) -> &'static str {
    match trial.metric {
        afterglow_domain::ExperimentMetric::Reply => "who wrote again",
        afterglow_domain::ExperimentMetric::Click => "who opened a tracked link",
        afterglow_domain::ExperimentMetric::Conversion => "who bought",
        afterglow_domain::ExperimentMetric::OptOut => "who said stop",
    }
}

const fn state(state: TrialState) -> &'static str {
    match state {
        TrialState::Planned => "has not begun",
        TrialState::Running => "runs",
        TrialState::Closing => "takes nobody in any longer",
        TrialState::Ended => "has ended",
    }
}

fn board(room: &InBrand, hypotheses: &[Hypothesis]) -> Markup {
    let path = format!("/b/{}/experiments", room.id());
    html! {
        h2 #board { "Hypotheses" }
        p.soft { "What stands out in the figures says where to look, not why. A hypothesis is open, is tested by an experiment, and is decided by what came of it." }
        @for (status, title) in [(HypothesisStatus::Open, "Open"), (HypothesisStatus::Testing, "Testing"), (HypothesisStatus::Decided, "Decided")] {
            @let shown: Vec<&Hypothesis> = hypotheses.iter().filter(|one| one.status == status).collect();
            h3 { (title) " (" (shown.len()) ")" }
            @for one in shown { (card(room, one, &path)) }
        }
        @if room.may(Role::Manager) {
            form.inline method="post" action=(path) { (csrf(&room.visitor))
                button type="submit" name="do" value="find" { "Look for what stands out" } }
            details {
                summary { "Note a hypothesis" }
                form.stack method="post" action=(path) {
                    (csrf(&room.visitor))
                    label for="text" { "What is believed" }
                    input #text name="text" required maxlength=(TEXT_MAX);
                    label for="evidence" { "On what ground" }
                    input #evidence name="evidence" maxlength=(TEXT_MAX);
                    button.primary type="submit" name="do" value="add" { "Note it" }
                }
            }
        }
    }
}

fn card(room: &InBrand, one: &Hypothesis, path: &str) -> Markup {
    let statuses = [HypothesisStatus::Open, HypothesisStatus::Testing, HypothesisStatus::Decided];
    html! {
        div.card {
            p { strong { (one.text) } }
            @if !one.evidence.is_empty() { p { "Because: " (one.evidence) } }
            @if let Some(experiment) = &one.experiment { p { "Tested by " (experiment) } }
            @if let Some(result) = &one.result { p { "Result: " (result) } }
            p.soft { "Noted by " (one.by) ", changed " (moment(one.changed, room.now)) }
            @if room.may(Role::Manager) {
                details {
                    summary { "Change it" }
                    form.stack method="post" action=(path) {
                        (csrf(&room.visitor))
                        input type="hidden" name="id" value=(one.id);
                        label for=(format!("status-{}", one.id)) { "It is" }
                        select #(format!("status-{}", one.id)) name="status" { @for status in statuses { option value=(status.as_str()) selected[status == one.status] { (status.as_str()) } } }
                        label for=(format!("experiment-{}", one.id)) { "Tested by" }
                        select #(format!("experiment-{}", one.id)) name="experiment" {
                            option value="" { "as it was" }
                            @for experiment in &room.brand.settings.experiments { option value=(experiment.name) { (experiment.name) } }
                        }
                        label for=(format!("result-{}", one.id)) { "What came of it" }
                        input #(format!("result-{}", one.id)) name="result" maxlength=(TEXT_MAX) value=(one.result.as_deref().unwrap_or_default());
                        button type="submit" name="do" value="set" { "Change" }
                    }
                }
            }
        }
    }
}

/// Notes hypotheses, and moves them.
pub(crate) async fn change(room: InBrand, fields: Fields) -> Result<Redirect, Problem> {
    room.require(Role::Manager)?;
    let too_long = ["text", "evidence", "result"].iter().any(|name| fields.get(name).chars().count() > TEXT_MAX);
    if too_long {
        return Err(Problem::Bad(format!("At most {TEXT_MAX} characters each.")));
    }
    let (action, detail) = match fields.get("do") {
        "find" => ("hypothesis_find", find(&room).await?),
        "add" if fields.get("text").is_empty() => return Err(Problem::Bad("Say what is believed.".into())),
        "add" => {
            let text = fields.get("text");
            let id = id_of(&room, &[text, &room.now.millis().to_string()]);
            let evidence = fields.get("evidence");
            let new = NewHypothesis { id: &id, text, evidence, pattern: None, by: room.who() };
            room.store().note_hypothesis(&new, room.now).await?;
            ("hypothesis_add", format!("{id}: {text}"))
        }
        "set" => ("hypothesis_set", set(&room, &fields).await?),
        _ => return Err(Problem::NotFound),
    };
    let deed = Deed { person: room.who(), brand: Some(room.id()), action, viewer: None, detail: &detail };
    room.console.store.note_deed(&deed, room.now).await?;
    Ok(Redirect::to(&format!("/b/{}/experiments#board", room.id())))
}

async fn set(room: &InBrand, fields: &Fields) -> Result<String, Problem> {
    let status = match fields.get("status") {
        "open" => HypothesisStatus::Open,
        "testing" => HypothesisStatus::Testing,
        "decided" => HypothesisStatus::Decided,
        _ => return Err(Problem::Bad("It is open, testing or decided.".into())),
    };
    let given = |name| Some(fields.get(name)).filter(|text| !text.is_empty());
    let (id, experiment, result) = (fields.get("id"), given("experiment"), given("result"));
    let known = |name: &str| room.brand.settings.experiments.iter().any(|experiment| experiment.name == name);
    if experiment.is_some_and(|name| !known(name)) {
        return Err(Problem::Bad("The brand's document has no such experiment.".into()));
    }
    if !room.store().move_hypothesis(id, status, (experiment, result), room.now).await? {
        return Err(Problem::NotFound);
    }
    Ok(format!("{id}: {} {}", status.as_str(), result.unwrap_or_default()).trim().to_owned())
}

/// Notes what stands out and is not known; gives what was noted.
async fn find(room: &InBrand) -> Result<String, Problem> {
    let store = room.store();
    let mut noted = Vec::new();
    for pattern in patterns_of(&store, &room.brand, &room.now.day_in(&room.brand.time_zone), room.now).await? {
        let id = id_of(room, &["pattern", &pattern.key]);
        let new = NewHypothesis {
            id: &id,
            text: &pattern.text,
            evidence: &pattern.evidence,
            pattern: Some(&pattern.key),
            by: room.who(),
        };
        if store.note_hypothesis(&new, room.now).await? {
            noted.push(pattern.key);
        }
    }
    Ok(if noted.is_empty() { "nothing new stands out".to_owned() } else { noted.join(", ") })
}

/// Short enough to be typed, long enough to be one's own.
fn id_of(room: &InBrand, parts: &[&str]) -> String {
    let mut all = vec!["hypothesis", room.id().as_str()];
    all.extend(parts);
    InteractionId::derive(&all).to_string().chars().filter(char::is_ascii_hexdigit).take(10).collect()
}
