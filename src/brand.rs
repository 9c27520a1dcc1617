//! `afterglow brand`: brands, and the documents that say what they want.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use afterglow_domain::{BrandId, BrandSettings};
use afterglow_rules::Document;
use afterglow_runtime::Settings;
use afterglow_store::{Brand, BrandDocument, DocumentApplied, NewDocument, Store};
use anyhow::{Context as _, bail};
use serde_json::json;
use similar::TextDiff;

use crate::brand_transfer::ExportOptions;
use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Put brand documents in force: all of them or, if one has a fault, none
    ///
    /// A document is YAML: scoring, segments, tags, plays, snippets, retention. See examples/brands, docs/rules.md, and
    /// `afterglow brand schema` for your editor. Services pick it up within a second, without a restart.
    Apply {
        /// YAML files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Refuse if another version than this one is in force
        #[arg(long)]
        expect: Option<i64>,
        /// Why, for the history
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Check brand documents, and say what is wrong where; needs no database
    Validate {
        /// YAML files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object for each problem
        #[arg(long)]
        json: bool,
    },
    /// Show what a document would change against the one in force
    Diff {
        /// A YAML file
        file: PathBuf,
    },
    /// List the versions of a brand's document, the latest first
    History {
        /// The brand
        brand: String,
        /// Show the text of this version
        #[arg(long)]
        show: Option<i64>,
    },
    /// Put an earlier version in force again, as a new version
    Rollback {
        /// The brand
        brand: String,
        /// Which version; the one before the one in force if none is given
        #[arg(long)]
        to: Option<i64>,
    },
    /// Print the JSON Schema of brand documents
    Schema,
    /// Add a brand, or change its name, time zone and autoresponder
    Add {
        /// Its id, such as `lumen`
        id: String,
        /// Its name for people [default: the id]
        #[arg(long)]
        name: Option<String>,
        /// IANA time zone
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Answer Story replies with this text; without it nothing is said
        #[arg(long)]
        story_reply_text: Option<String>,
    },
    /// List the brands, one JSON object a line
    List,
    /// Write everything that is kept of a brand to a file, row by row: to move it, or to keep it
    ///
    /// Silence it first (`afterglow kill-switch on --brand ID --reason moving`), and stop Meta's webhooks where it leaves. Access
    /// tokens, API tokens and people's roles stay behind. The file holds people's data and the keys to Meta's fragments:
    /// keep it as you keep a backup. Who is forgotten later is not forgotten in it.
    Export(ExportOptions),
    /// Take a brand in from a file; run again, it changes nothing
    ///
    /// Its accounts are paused until they are connected again, and a kill switch that came along holds until it is lifted.
    Import {
        /// The file that `brand export` wrote
        file: PathBuf,
        /// Leave the hashes of forgotten people out, which mean nothing under another keys.forgetting
        #[arg(long)]
        without_forgotten: bool,
    },
    /// Remove a brand with everything that is kept of its viewers, and print the receipt
    ///
    /// Who said stop is remembered by a hash that names nobody, for the day the brand comes back. Run again it removes what came
    /// meanwhile. Needs keys.forgetting.
    Delete {
        /// The brand
        brand: String,
        /// The brand once more
        #[arg(long, value_name = "BRAND")]
        confirm: Option<String>,
    },
}

pub(crate) fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        Command::Validate { files, json } => validate(files, *json),
        Command::Schema => {
            crate::output::line(format!("{:#}", afterglow_rules::json_schema()))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => stored(command, settings),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn parsed(file: &Path) -> anyhow::Result<(String, Document)> {
    let text = read(file)?;
    let document = Document::parse(&text).map_err(|error| {
        let problems: Vec<String> = error.0.iter().map(|problem| format!("{}:{problem}", file.display())).collect();
        anyhow::anyhow!("nothing was applied:\n{}", problems.join("\n"))
    })?;
    Ok((text, document))
}

fn validate(files: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let mut good = true;
    for file in files {
        let text = read(file)?;
        let error = match Document::parse(&text) {
            Ok(document) => {
                for warning in document.warnings(&text) {
                    eprintln!("{}:{warning}", file.display());
                }
                eprintln!("{}: nothing is wrong", file.display());
                continue;
            }
            Err(error) => error,
        };
        good = false;
        for problem in &error.0 {
            if json {
                let (line, column, message) = (problem.line, problem.column, problem.message.as_str());
                crate::output::line(json!({ "file": file, "line": line, "column": column, "message": message }))?;
            } else {
                crate::output::line(format!("{}:{problem}", file.display()))?;
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The brand of this id, or what to do about there being none.
pub(crate) async fn known(store: &Store, id: &str) -> anyhow::Result<Brand> {
    store
        .brand(&BrandId::new(id))
        .brand()
        .await?
        .with_context(|| format!("there is no brand {id}: see `afterglow brand list`"))
}

#[tokio::main(flavor = "current_thread")]
async fn stored(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Apply { files, expect, note } => {
            let documents: Vec<(String, Document)> = files.iter().map(|file| parsed(file)).collect::<Result<_, _>>()?;
            for (text, document) in &documents {
                apply(&store, text, document, *expect, note).await?;
            }
        }
        Command::Diff { file } => {
            let (text, document) = parsed(file)?;
            let brand = BrandId::new(document.brand.as_str());
            let in_force = in_force(&store, &brand).await?.map(|document| document.text).unwrap_or_default();
            let diff = TextDiff::from_lines(&in_force, &text);
            let shown = diff.unified_diff().header("in force", &file.display().to_string()).to_string();
            if !shown.is_empty() {
                crate::output::line(shown.trim_end())?;
            }
        }
        Command::History { brand, show } => history(&store, brand, *show).await?,
        Command::Rollback { brand, to } => {
            let id = BrandId::new(brand.as_str());
            let current = in_force(&store, &id).await?.with_context(|| format!("{brand} has no document yet"))?;
            let to = to.unwrap_or(current.version - 1);
            let earlier = store.brand(&id).document(to).await?;
            let earlier =
                earlier.with_context(|| format!("{brand} has no version {to}: see `brand history {brand}`"))?;
            let document = Document::parse(&earlier.text).with_context(|| format!("version {to} is no longer good"))?;
            let note = format!("back to version {to}");
            apply(&store, &earlier.text, &document, Some(current.version), &note).await?;
        }
        Command::Add { id, name, time_zone, story_reply_text } => {
            let settings = match story_reply_text {
                Some(text) => BrandSettings::answering_story_replies(text),
                None => BrandSettings::default(),
            };
            // JSON is YAML: the command writes the document that a person could have written.
            let mut written = serde_json::to_value(&settings)?;
            written["brand"] = json!(id);
            written["name"] = json!(name);
            written["time_zone"] = json!(time_zone);
            let text = format!("{written:#}");
            let document = Document::parse(&text).context("these settings make no good document")?;
            apply(&store, &text, &document, None, "afterglow brand add").await?;
        }
        Command::List => {
            for brand in store.brands().await? {
                crate::output::line(json!({
                    "id": brand.id, "name": brand.name, "time_zone": brand.time_zone,
                    "version": brand.document_version, "settings": brand.settings, "created": brand.created.to_rfc3339(),
                }))?;
            }
        }
        Command::Export(options) => options.run(&store).await?,
        Command::Import { file, without_forgotten } => {
            crate::brand_transfer::import(&store, file, *without_forgotten).await?;
        }
        Command::Delete { brand, confirm } => {
            crate::brand_transfer::delete(&store, brand, confirm.as_deref()).await?;
        }
        Command::Validate { .. } | Command::Schema => {}
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn in_force(store: &Store, brand: &BrandId) -> anyhow::Result<Option<BrandDocument>> {
    Ok(store.brand(brand).documents().await?.into_iter().next())
}

async fn apply(
    store: &Store,
    text: &str,
    document: &Document,
    expected: Option<i64>,
    note: &str,
) -> anyhow::Result<()> {
    let brand = BrandId::new(document.brand.as_str());
    let by = std::env::var("USER").unwrap_or_else(|_| "command line".into());
    let settings = document.settings();
    let new = NewDocument {
        brand: &brand,
        name: document.name.as_deref().unwrap_or(&document.brand),
        time_zone: &document.time_zone,
        text,
        settings: &settings,
        by: &by,
        note,
        expected,
    };
    match store.apply_document(&new, clock()()).await? {
        DocumentApplied::Applied(version) => {
            crate::output::line(json!({ "brand": brand, "version": version }))?;
            for warning in document.warnings(text) {
                eprintln!("{brand}: {warning}");
            }
            Ok(())
        }
        DocumentApplied::Conflict { current } => {
            bail!("{brand}: version {current} is in force, which is not the one expected: look at it with `brand diff`")
        }
    }
}

async fn history(store: &Store, brand: &str, show: Option<i64>) -> anyhow::Result<()> {
    let id = BrandId::new(brand);
    if let Some(version) = show {
        let document = store.brand(&id).document(version).await?;
        let document = document.with_context(|| format!("{brand} has no version {version}"))?;
        return crate::output::line(document.text.trim_end());
    }
    for document in store.brand(&id).documents().await? {
        crate::output::line(json!({
            "version": document.version, "applied": document.applied.to_rfc3339(), "by": document.applied_by,
            "note": document.note, "bytes": document.text.len(),
        }))?;
    }
    Ok(())
}
