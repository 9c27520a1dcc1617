//! What other rules would have done with the last 14 days. Nothing is sent.

use afterglow_crm::days_between;
use afterglow_domain::{DAY_MS, ViewerId, ViewerKey};
use afterglow_rules::{Document, Rulebook};
use afterglow_scorer::WhatIf;
use maud::{Markup, html};

use crate::access::InBrand;
use crate::layout::bars;
use crate::problem::Problem;

/// How many viewers a what-if in the console looks at; the command line looks at all.
const TRIED: u64 = 20_000;
const CHUNK: u32 = 500;

/// Tries a document that is not in force. Where a brand has more viewers than a page may wait for, each of its accounts gives an
/// equal part of a sample, and the page says so.
pub(crate) async fn what_if(room: &InBrand, document: &Document) -> Result<Markup, Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::Bad(format!("These rules cannot be tried: {error}"));
    let now_in_force = room.console.rulebooks.at(&room.brand);
    let other = Rulebook::compile(&document.settings(), room.brand.document_version + 1).map_err(|e| bad(&e))?;
    let from = room.now.minus(14 * DAY_MS);
    let days = days_between(from, room.now, &room.brand.time_zone).map_err(|e| bad(&e))?;
    let mut whatif = WhatIf::new(&now_in_force, &other, from, days);
    let (all, accounts) = (room.store().viewer_count(from).await?, room.store().accounts().await?);
    let (mut looked, mut left) = (0, accounts.len() as u64);
    for account in accounts {
        // What one account does not use is the next one's.
        let share = if all <= TRIED { u64::MAX } else { (TRIED - looked).div_ceil(left.max(1)) };
        left -= 1;
        let mut position = ViewerKey { account: account.id.clone(), viewer: ViewerId::new("") };
        let mut taken = 0;
        while taken < share {
            let wanted = u32::try_from((share - taken).min(u64::from(CHUNK))).unwrap_or(CHUNK);
            let logs = room.store().viewer_logs(&position, from, wanted).await?;
            let Some(last) = logs.last() else { break };
            position = last.row.key.clone();
            let own = logs.iter().take_while(|viewer| viewer.row.key.account == account.id);
            let mut of_account = 0;
            for viewer in own {
                whatif.viewer(&viewer.log).map_err(|e| bad(&e))?;
                of_account += 1;
            }
            taken += of_account;
            if position.account != account.id {
                break;
            }
            // Evaluating rules keeps the thread busy: others have their turn between two chunks.
            tokio::task::yield_now().await;
        }
        looked += taken;
    }
    let outcome = whatif.outcome();
    #[expect(clippy::cast_precision_loss, reason = "counts, to be drawn")]
    let sends: Vec<(String, f64)> = outcome
        .iter()
        .filter(|(_, o)| o.sends + o.sends_then > 0)
        .flat_map(|(day, o)| [(format!("{day} now"), o.sends as f64), (format!("{day} then"), o.sends_then as f64)])
        .collect();
    let moves = outcome.values().last().map(|day| day.moves.clone()).unwrap_or_default();
    Ok(html! {
        section #result.card {
            h2 { "What these rules would have done" }
            p { (looked) " viewers and " (whatif.interactions()) " interactions of the last 14 days; nothing was sent." }
            @if looked < all {
                p.problem { "This is a sample: " (looked) " of " (all) " viewers, an equal part of each account, and every figure is the sample's. "
                    code { "afterglow whatif" } " looks at all." }
            }
            @if sends.is_empty() { p { "On no day would anything have been sent, with either." } }
            (bars("Sends per day, with the rules in force and with these", &sends))
            @if moves.is_empty() { p { "Nobody would stand elsewhere today." } }
            ul { @for (moved, viewers) in &moves { li { (viewers) " viewers: " (moved) } } }
        }
    })
}
