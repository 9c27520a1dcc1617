//! `afterglow hypothesis`: what a brand believes and has not proved.

use std::process::ExitCode;

use afterglow_domain::{DerivedId as _, InteractionId};
use afterglow_insights::patterns_of;
use afterglow_runtime::Settings;
use afterglow_store::{Brand, Deed, HypothesisStatus, NewHypothesis, Store};
use anyhow::bail;

use crate::brand::known;
use crate::installation::{clock, ready_store};
use crate::person::operator;

#[derive(clap::Subcommand)]
pub(crate) enum HypothesisCommand {
    /// The board: open, testing, decided
    List {
        /// The brand
        #[arg(long)]
        brand: String,
        /// One JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Look for what stands out in the last 28 days' figures, and note what is not known yet
    Find {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Show it, and note nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Note one
    Add {
        /// The brand
        #[arg(long)]
        brand: String,
        /// What is believed
        text: String,
        /// On what ground, with what each share is a share of
        #[arg(long, default_value = "")]
        evidence: String,
    },
    /// Link one to the experiment that tests it, decide it, or open it again
    Set {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Its id, as `list` shows it
        id: String,
        /// open, testing or decided
        #[arg(long, value_parser = ["open", "testing", "decided"])]
        status: String,
        /// The experiment in the brand's document
        #[arg(long)]
        experiment: Option<String>,
        /// What came of it
        #[arg(long)]
        result: Option<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &HypothesisCommand, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        HypothesisCommand::List { brand, json } => list(&store, &known(&store, brand).await?, *json).await?,
        HypothesisCommand::Find { brand, dry_run } => find(&store, &known(&store, brand).await?, *dry_run).await?,
        HypothesisCommand::Add { brand, text, evidence } => {
            let brand = known(&store, brand).await?;
            if text.trim().is_empty() {
                bail!("say what is believed");
            }
            let now = clock()();
            let id = id_of(&brand, &[text, &now.millis().to_string()]);
            let new = NewHypothesis { id: &id, text, evidence, pattern: None, by: &operator() };
            store.brand(&brand.id).note_hypothesis(&new, now).await?;
            note(&store, &brand, "hypothesis_add", &format!("{id}: {text}")).await?;
            crate::output::line(id)?;
        }
        HypothesisCommand::Set { brand, id, status, experiment, result } => {
            let brand = known(&store, brand).await?;
            let status = match status.as_str() {
                "testing" => HypothesisStatus::Testing,
                "decided" => HypothesisStatus::Decided,
                _ => HypothesisStatus::Open,
            };
            if let Some(name) = experiment
                && !brand.settings.experiments.iter().any(|experiment| experiment.name == *name)
            {
                bail!("the document of {} has no experiment {name}", brand.id);
            }
            let said = (experiment.as_deref(), result.as_deref());
            if !store.brand(&brand.id).move_hypothesis(id, status, said, clock()()).await? {
                bail!("there is no hypothesis {id}: see `afterglow hypothesis list`");
            }
            let detail = format!("{id}: {} {}", status.as_str(), result.as_deref().unwrap_or_default());
            note(&store, &brand, "hypothesis_set", detail.trim()).await?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, brand: &Brand, json: bool) -> anyhow::Result<()> {
    for one in store.brand(&brand.id).hypotheses().await? {
        if json {
            crate::output::line(serde_json::to_string(&one)?)?;
            continue;
        }
        crate::output::line(format_args!("{} {:8} {}", one.id, one.status.as_str(), one.text))?;
        for (what, text) in
            [("because", Some(&one.evidence)), ("tested by", one.experiment.as_ref()), ("result", one.result.as_ref())]
        {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                crate::output::line(format_args!("  {what}: {text}"))?;
            }
        }
    }
    Ok(())
}

async fn find(store: &Store, brand: &Brand, dry_run: bool) -> anyhow::Result<()> {
    let now = clock()();
    let scoped = store.brand(&brand.id);
    let found = patterns_of(&scoped, brand, &now.day_in(&brand.time_zone), now).await?;
    for pattern in &found {
        let id = id_of(brand, &["pattern", &pattern.key]);
        let new = NewHypothesis {
            id: &id,
            text: &pattern.text,
            evidence: &pattern.evidence,
            pattern: Some(&pattern.key),
            by: &operator(),
        };
        let noted = !dry_run && scoped.note_hypothesis(&new, now).await?;
        if noted {
            note(store, brand, "hypothesis_add", &format!("{id}: {}", pattern.key)).await?;
        }
        let word = if dry_run {
            "found"
        } else if noted {
            "noted"
        } else {
            "known"
        };
        crate::output::line(format_args!("{word} {id} {}\n  because: {}", pattern.text, pattern.evidence))?;
    }
    if found.is_empty() {
        eprintln!("nothing stands out beyond chance in the last 28 days");
    }
    Ok(())
}

/// Short enough to be typed, long enough to be one's own.
fn id_of(brand: &Brand, parts: &[&str]) -> String {
    let mut all = vec!["hypothesis", brand.id.as_str()];
    all.extend(parts);
    InteractionId::derive(&all).to_string().chars().filter(char::is_ascii_hexdigit).take(10).collect()
}

async fn note(store: &Store, brand: &Brand, action: &str, detail: &str) -> anyhow::Result<()> {
    let deed = Deed { person: &operator(), brand: Some(&brand.id), action, viewer: None, detail };
    store.note_deed(&deed, clock()()).await?;
    Ok(())
}
