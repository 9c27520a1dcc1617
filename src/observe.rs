//! `afterglow observe`: names from a Story's viewer list.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use afterglow_domain::{AccountId, Kind, Timestamp};
use afterglow_ingest::observations::{Seen, read_lines, record};
use afterglow_runtime::Settings;
use anyhow::{Context as _, bail};

use crate::installation::{clock, open_bus, ready_store};

/// Record names that somebody saw in a Story's viewer list while it was live
///
/// Reads pasted names (one a line, #tags behind) or CSV with a column `username` (and `tags`). They become observations:
/// they count as views, make "two views in 24 h" and "repeat viewer", and never open a window nor cause a message.
/// Recording the same names again changes nothing. With the embedded bus, stop `afterglow all` first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  pbpaste | afterglow observe --account 17841400000000000 --story 17900000000000001 -
  afterglow observe --account 17841400000000000 --kind follow --tag vip followers.csv")]
pub(crate) struct Options {
    /// File with names; `-` reads standard input
    file: PathBuf,
    /// The account whose Story it is
    #[arg(long)]
    account: String,
    /// The Story
    #[arg(long)]
    story: Option<String>,
    /// What was seen
    #[arg(long, value_enum, default_value = "view")]
    kind: Seeing,
    /// A tag for every name; may be repeated
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// Who saw it
    #[arg(long)]
    operator: Option<String>,
    /// When it was seen, RFC 3339 [default: now]
    #[arg(long, value_parser = time)]
    at: Option<Timestamp>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Seeing {
    View,
    ProfileVisit,
    Follow,
    StickerTap,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-11-24T12:00:00Z".to_owned())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let text = if options.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input as UTF-8")?;
        text
    } else {
        std::fs::read_to_string(&options.file).with_context(|| format!("cannot read {}", options.file.display()))?
    };
    let (lines, bad) = read_lines(&text);
    for problem in &bad {
        eprintln!("{problem}");
    }
    if lines.is_empty() {
        bail!("no name could be read: nothing is recorded");
    }
    let store = ready_store(settings).await?;
    let account = AccountId::new(options.account.as_str());
    let Some(found) = store.account(&account).await? else {
        bail!("there is no account {account}: see `afterglow account list`");
    };
    let now = clock()();
    let seen = Seen {
        brand: found.brand,
        account,
        channel: found.channel,
        kind: match options.kind {
            Seeing::View => Kind::ObservedView,
            Seeing::ProfileVisit => Kind::ProfileVisit,
            Seeing::Follow => Kind::Follow,
            Seeing::StickerTap => Kind::StickerTap,
        },
        story_id: options.story.clone(),
        tags: options.tags.clone(),
        operator: options.operator.clone(),
        at: options.at.unwrap_or(now).min(now),
        recorded: now,
    };
    let bus = open_bus(settings, "observe").await?;
    let (total, terminal) = (lines.len(), std::io::stderr().is_terminal());
    let progress = |done: usize| {
        if terminal {
            eprint!("\r{done} of {total}");
        }
    };
    let recorded = record(&store, &bus, &seen, &lines, progress).await?;
    if terminal {
        eprintln!();
    }
    let (n, matched, skipped) = (recorded.recorded, recorded.matched, bad.len());
    crate::output::line(format!("recorded {n} names, {matched} of them known viewers; {skipped} lines were not read"))?;
    bus.close().await;
    store.close().await;
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
