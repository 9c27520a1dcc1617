//! `afterglow viewer`: what is kept of one person, and its end.

use std::process::ExitCode;

use afterglow_domain::{AccountId, BrandId, ViewerId, ViewerKey};
use afterglow_runtime::{Settings, TraceContext};
use afterglow_scorer::{Rulebooks, explain as explain_viewer};
use afterglow_store::{DecisionRecord, Store};
use anyhow::bail;
use serde_json::json;

use crate::brand::known;
use crate::installation::{clock, ready_store};

/// Interactions and decisions of one person that are exported at most.
const EXPORTED: u32 = 1_000_000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write all that is kept of one person, as JSON (GDPR Article 15, CCPA right to know)
    Export(Person),
    /// Remove one person everywhere, and print the receipt (GDPR Article 17, CCPA right to delete)
    ///
    /// What they did until now is not taken in again, wherever it comes from. If they had said stop, that outlives them,
    /// as a keyed hash that names nobody. Needs keys.forgetting. A message already handed to Meta cannot be recalled.
    Forget(Person),
    /// Say why a viewer stands where they stand: score, segment, tags, and what would change them
    Explain {
        #[command(flatten)]
        person: Person,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the receipt of a removal
    Receipt {
        /// Its code
        code: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct Person {
    /// The brand
    #[arg(long)]
    brand: String,
    /// The account that knows them
    #[arg(long)]
    account: String,
    /// Their id, as that account sees it (IGSID or PSID)
    #[arg(long)]
    viewer: String,
}

impl Person {
    fn key(&self) -> (BrandId, ViewerKey) {
        let account = AccountId::new(self.account.as_str());
        let viewer = ViewerId::new(self.viewer.as_str());
        (BrandId::new(self.brand.as_str()), ViewerKey { account, viewer })
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Explain { person, json } => explain(&store, person, *json).await?,
        Command::Export(person) => {
            let (brand, key) = person.key();
            let Some(kept) = store.brand(&brand).viewer(&key, EXPORTED).await? else {
                bail!("nothing is kept of {key} by {brand}");
            };
            let interactions: Vec<serde_json::Value> = kept
                .interactions
                .iter()
                .map(|interaction| Ok(serde_json::from_slice(&interaction.to_cloudevent()?)?))
                .collect::<anyhow::Result<_>>()?;
            crate::output::line(json!({
                "brand": brand, "account": key.account, "viewer": key.viewer, "username": kept.row.username,
                "first_seen": kept.row.first_seen.to_rfc3339(), "last_seen": kept.row.last_seen.to_rfc3339(),
                "segment": kept.row.segment, "state": serde_json::from_str::<serde_json::Value>(&kept.row.state)?,
                "consent": kept.consent, "handed_over": kept.handed_over,
                "interactions": interactions,
                "decisions": kept.decisions.iter().map(decision).collect::<Vec<_>>(),
            }))?;
        }
        Command::Forget(person) => {
            let (brand, key) = person.key();
            let now = clock()();
            // A code that nobody can guess, and that says nothing.
            let code = TraceContext::random(now.millis().unsigned_abs()).trace_id();
            let receipt = store.forget(&brand, &key, &code, now).await?;
            crate::output::line(shown(&receipt))?;
        }
        Command::Receipt { code } => match store.forget_receipt(code).await? {
            Some(receipt) => crate::output::line(shown(&receipt))?,
            None => bail!("there is no receipt {code}"),
        },
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn shown(receipt: &afterglow_store::ForgetReceipt) -> serde_json::Value {
    let (code, brand, done) = (&receipt.code, &receipt.brand, receipt.done.to_rfc3339());
    json!({ "code": code, "brand": brand, "done": done, "rows": receipt.rows })
}

fn decision(record: &DecisionRecord) -> serde_json::Value {
    json!({
        "at": record.at.to_rfc3339(), "play": record.play, "decision": record.decision,
        "policy_version": record.policy_version,
        "facts": serde_json::from_str::<serde_json::Value>(&record.facts).unwrap_or_default(),
        "sent": record.send.as_ref().map(|(id, status, text)| json!({ "id": id, "status": status, "text": text })),
    })
}

async fn explain(store: &Store, person: &Person, as_json: bool) -> anyhow::Result<()> {
    let (id, key) = person.key();
    let brand = known(store, id.as_str()).await?;
    let log = store.brand(&id).interactions(&key, EXPORTED).await?;
    if log.is_empty() {
        bail!("nothing is kept of {key} by {id}");
    }
    let rules = Rulebooks::default().at(&brand);
    let explained = explain_viewer(&log, &rules, clock()(), if as_json { usize::MAX } else { 15 })?;
    if as_json {
        return crate::output::line(serde_json::to_string(&explained)?);
    }
    let standing = &explained.standing;
    let (segment, rules) = (standing.segment.as_str(), explained.rules_version);
    crate::output::line(format!("{segment}, by rules of version {rules}: {}", standing.because))?;
    let due = standing.due.map(|due| format!(", due {}", due.to_rfc3339())).unwrap_or_default();
    crate::output::line(format!("to do: {}{due}; tags: {}", standing.action.as_str(), standing.tags.join(", ")))?;
    crate::output::line(format!("score {:.3} =", explained.score))?;
    for part in &explained.contributions {
        crate::output::line(format!(
            "  {:>8.3}  of {} for {} at {}, halved every {} h",
            part.now,
            part.points,
            part.kind.as_str(),
            part.occurred.to_rfc3339(),
            part.half_life_hours,
        ))?;
    }
    if explained.rest.abs() > 0.0005 {
        crate::output::line(format!("  {:>8.3}  the rest", explained.rest))?;
    }
    for prospect in explained.raises.iter().take(5) {
        let kind = prospect.after.map_or("", |kind| kind.as_str());
        crate::output::line(format!("one more {kind}: {:.3}, {}", prospect.score, prospect.segment.as_str()))?;
    }
    if let Some(next) = &explained.next {
        let (at, segment) = (next.at.to_rfc3339(), next.segment.as_str());
        crate::output::line(format!("if nothing happens until {at}: {:.3}, {segment}", next.score))?;
    }
    Ok(())
}
