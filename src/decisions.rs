//! `afterglow decisions`: the ledger. Every verdict stands in it with what it rested on, a "no" as well.

use std::process::ExitCode;

use afterglow_domain::{BrandId, Facts, Intent, Verdict};
use afterglow_responder::{POLICY_VERSION, Policy, decide};
use afterglow_runtime::Settings;
use afterglow_store::DecisionRecord;
use anyhow::bail;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::installation::ready_store;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List a brand's decisions, the latest first, one JSON object a line
    List {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Only this verdict
        #[arg(long, value_parser = ["send", "defer", "hold", "drop"])]
        verdict: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one decision with everything it rested on, and judge it again
    Explain {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Its number, as `list` shows it
        seq: i64,
    },
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let mut code = ExitCode::SUCCESS;
    match command {
        Command::List { brand, verdict, limit } => {
            let id = BrandId::new(brand.as_str());
            for record in store.brand(&id).recent_decisions(*limit).await? {
                if verdict.as_ref().is_none_or(|wanted| record.decision.verdict.as_str() == wanted) {
                    crate::output::line(shown(&record))?;
                }
            }
        }
        Command::Explain { brand, seq } => {
            let id = BrandId::new(brand.as_str());
            let Some((record, intent)) = store.brand(&id).decision(*seq).await? else {
                bail!("{brand} has no decision {seq}: see `afterglow decisions list --brand {brand}`");
            };
            let (again, same) = judged_again(&record, &intent)?;
            let mut shown = shown(&record);
            shown["rested_on"] = serde_json::from_str(&record.facts)?;
            shown["intent"] = serde_json::to_value(&intent)?;
            shown["judged_again"] = again;
            crate::output::line(format!("{shown:#}"))?;
            if !same {
                code = ExitCode::FAILURE;
            }
        }
    }
    store.close().await;
    Ok(code)
}

fn shown(record: &DecisionRecord) -> serde_json::Value {
    json!({
        "seq": record.seq, "at": record.at.to_rfc3339(), "viewer": format!("{}/{}", record.account, record.viewer),
        "username": record.username, "play": record.play, "because_of": record.cause_kind.as_str(),
        "verdict": record.decision.verdict.as_str(), "reasons": record.decision.reasons,
        "until": record.decision.until.map(afterglow_domain::Timestamp::to_rfc3339),
        "policy": record.policy_version, "facts_sha256": hex(&Sha256::digest(&record.facts)),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The same facts at the same moment. What Meta's answer decided (a refusal, a doubt) is not the gate's to repeat.
fn judged_again(record: &DecisionRecord, intent: &Intent) -> anyhow::Result<(serde_json::Value, bool)> {
    if record.policy_version != POLICY_VERSION {
        let note = format!("made by {}, which this program ({POLICY_VERSION}) no longer has", record.policy_version);
        return Ok((json!(note), true));
    }
    let facts: Result<Facts, _> = serde_json::from_str(&record.facts);
    let Ok(facts) = facts else { return Ok((json!("decided by what Meta answered"), true)) };
    if serde_json::from_str::<serde_json::Value>(&record.facts)?.get("limits").is_none() {
        return Ok((json!("decided by what Meta answered"), true));
    }
    let decision = decide(intent, &facts, record.at, &Policy::default());
    let same = decision == record.decision
        // The store's own promise of one answer may turn a "send" into a "no" that the gate did not see.
        || decision.verdict == Verdict::Send && record.decision.verdict == Verdict::Drop;
    let again = json!({ "verdict": decision.verdict.as_str(), "reasons": decision.reasons, "same": same });
    Ok((again, same))
}
