//! `afterglow experiment`: what is tried on viewers, what came of it, and how many viewers it takes.

use std::process::ExitCode;

use afterglow_insights::{Trial, TrialArm, TrialLift, plan, trial_named, trials_of};
use afterglow_runtime::Settings;
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::brand::known;
use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum ExperimentCommand {
    /// A brand's experiments, and where each stands
    List {
        /// The brand
        #[arg(long)]
        brand: String,
        /// One JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// One experiment: its arms, with what each is a share of, what may be said, and what is unknown
    Show {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Its name in the brand's document
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// How many viewers, and days, it takes to find a difference
    Plan {
        /// The share today, such as 0.10
        #[arg(long)]
        from: f64,
        /// The share that would be worth knowing of, such as 0.15
        #[arg(long)]
        to: f64,
        /// The chance of finding something where there is nothing, however often one looks
        #[arg(long, default_value_t = 0.05)]
        alpha: f64,
        /// Viewers a day, in both arms together
        #[arg(long)]
        per_day: f64,
        /// As JSON, which it is in any case
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &ExperimentCommand, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        ExperimentCommand::List { brand, json } => list(brand, *json, settings),
        ExperimentCommand::Show { brand, name, json } => show(brand, name, *json, settings),
        ExperimentCommand::Plan { from, to, alpha, per_day, json: _ } => {
            let Some(plan) = plan(*from, *to, *alpha, *per_day) else {
                bail!("there is nothing to find between {from} and {to}: give two different shares between 0 and 1")
            };
            crate::output::line(
                json!({ "viewers_per_arm": plan.viewers_per_arm, "days": plan.days, "found": 0.8, "alpha": alpha }),
            )?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn list(brand: &str, json: bool, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, brand).await?;
    let scoped = store.brand(&brand.id);
    let trials = trials_of(&scoped, &brand, clock()()).await?;
    for trial in &trials {
        if json {
            crate::output::line(serde_json::to_string(trial)?)?;
            continue;
        }
        let viewers: u64 = trial.arms.iter().map(|arm| arm.viewers).sum();
        let state = serde_json::to_value(trial.state)?;
        let state = state.as_str().unwrap_or_default();
        let name = &trial.name;
        let words =
            format!("play {}, counts {}, {viewers} viewers, until {}", trial.play, trial.metric.as_str(), trial.ends);
        crate::output::line(format_args!("{name:24} {state:8} {words}"))?;
    }
    if trials.is_empty() && !json {
        eprintln!("the document of {} has no `experiments`", brand.id);
    }
    let gone = scoped.experiments_seen().await?;
    let gone = gone.iter().filter(|(name, _)| !trials.iter().any(|trial| trial.name == **name));
    for (name, viewers) in gone.filter(|_| !json) {
        eprintln!("{name}: {viewers} viewers were taken in; it is no longer in the document, so nothing is said of it");
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn show(brand: &str, name: &str, json: bool, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let brand = known(&store, brand).await?;
    let trial = trial_named(&store.brand(&brand.id), &brand, name, clock()()).await?;
    let none = || {
        format!("the document of {} has no experiment {name}: see `afterglow experiment list --brand {0}`", brand.id)
    };
    let trial = trial.with_context(none)?;
    if json {
        crate::output::line(serde_json::to_string(&trial)?)?;
    } else {
        for line in told(&trial) {
            crate::output::line(line)?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn told(trial: &Trial) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {}", trial.name, trial.hypothesis),
        format!(
            "play {}, step {}; counts {}; from {} until {}",
            trial.play,
            trial.step,
            trial.metric.as_str(),
            trial.starts,
            trial.ends
        ),
    ];
    lines.extend(trial.arms.iter().map(|arm: &TrialArm| {
        let rate = match arm.rate {
            Some(rate) => format!("{:.1} % ({} of {})", rate * 100.0, arm.did, arm.counted),
            None => format!("unknown: fewer than 5 counted (of {})", arm.counted),
        };
        format!("  {:20} {:3} %  {:6} taken in  {rate}", arm.name, arm.share, arm.viewers)
    }));
    lines.extend(trial.lifts.iter().map(|lift: &TrialLift| {
        let by = lift.lift.map_or_else(|| "unknown".to_owned(), |by| format!("{:+.1} points", by * 100.0));
        let (low, high) = (lift.interval.low * 100.0, lift.interval.high * 100.0);
        format!(
            "  {} beside {}: {by}, between {low:+.1} and {high:+.1}; evidence {:.1} of {:.0}: {}",
            lift.arm,
            lift.than,
            lift.evidence,
            lift.needed,
            lift.verdict.as_str()
        )
    }));
    lines.extend(trial.doubts.iter().map(|doubt| format!("  {doubt}")));
    lines
}
