//! `afterglow interpret FILE…`: what webhook payloads become.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use afterglow_domain::{BrandId, Channel, Timestamp};
use afterglow_meta::Verified;
use afterglow_meta::webhook::{Interpreted, interpret};
use anyhow::Context as _;
use serde_json::{Value, json};

/// One JSON line for each event: the interaction as a `CloudEvent`, or why it would be quarantined.
///
/// Signatures are not asked for and accounts are not looked up: every account counts as the given brand's.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  afterglow interpret payload.json
  pbpaste | afterglow interpret -
  afterglow interpret --fail-on-quarantine captures/*.json | jq -r .type | sort | uniq -c")]
pub(crate) struct Arguments {
    /// Webhook bodies, one per file; `-` reads standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The brand that owns the accounts
    #[arg(long, default_value = "example")]
    brand: String,
    /// When the webhooks came in, RFC 3339; decides only where a payload names no time
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_parser = parse_time)]
    received: Timestamp,
    /// Exit with status 1 if anything would be quarantined
    #[arg(long)]
    fail_on_quarantine: bool,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-01-01T00:00:00Z".to_owned())
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut quarantined = 0usize;
    let directory = |_: Channel, _: &str| Some(BrandId::new(arguments.brand.as_str()));
    for file in &arguments.files {
        let body = Verified::replayed(read(file)?.into());
        for event in interpret(&body, arguments.received, &directory).events {
            // As a value, not as written: Meta's fragment may hold line breaks, and a line is a line.
            let line: Value = match event {
                Interpreted::Interaction(interaction) => serde_json::from_slice(&interaction.to_cloudevent()?)?,
                Interpreted::Quarantined(kept) => {
                    quarantined += 1;
                    json!({ "quarantined": kept.reason, "detail": kept.detail, "file": file })
                }
            };
            // A reader that has seen enough (`| head`) is no error.
            if writeln!(out, "{line}").is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    let failed = arguments.fail_on_quarantine && quarantined > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("cannot read standard input")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
