//! What is tried on viewers, and what came of it.

use afterglow_insights::{Trial, TrialState, Verdict, trials_of};
use maud::{Markup, html};

use crate::access::InBrand;
use crate::layout::brand_page;
use crate::problem::Problem;

pub(crate) async fn show(room: InBrand) -> Result<Markup, Problem> {
    let trials = trials_of(&room.store(), &room.brand, room.now).await?;
    let seen = room.store().experiments_seen().await?;
    let gone: Vec<_> = seen.iter().filter(|(name, _)| !trials.iter().any(|trial| trial.name == **name)).collect();
    let main = html! {
        h1 { "Experiments" }
        p.soft { "Viewers are sorted by chance, and always the same way. One is counted when their time is over: 72 hours after they were taken in, "
            "for sales 7 days. One may look whenever one likes: evidence and bounds hold at all times together." }
        @for trial in &trials { (section(trial)) }
        @if trials.is_empty() { p { "Nothing is tried. Experiments stand in the brand's document, under " code { "experiments" } "." } }
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
                td { strong { (verdict(lift.verdict)) } }
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

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::More => "more do it",
        Verdict::Fewer => "fewer do it",
        Verdict::NoDifferenceWorthKnowing => "no difference worth knowing of",
        Verdict::NotShown => "not shown",
        Verdict::Forbidden => "no verdict: see below",
    }
}
