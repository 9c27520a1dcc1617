//! `afterglow snippet`: what can be said, as a viewer would read it.

use std::path::PathBuf;
use std::process::ExitCode;

use afterglow_domain::{BrandSettings, Language, Snippet};
use afterglow_rules::Document;
use afterglow_runtime::Settings;
use afterglow_snippets::{Brand, MESSAGE_MAX_BYTES, PREFIX, check, compose, library, ready};
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::brand::known;
use crate::installation::ready_store;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the ready snippets and, with a brand or a document, its own; one JSON object a line
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Show what a snippet says, in each of its languages: the text, its bytes of 1000, and what can be tapped
    Preview {
        /// Its name in the document, or `library/NAME`
        name: String,
        #[command(flatten)]
        of: Of,
        /// In this language alone, such as `nl`
        #[arg(long)]
        language: Option<String>,
        /// The viewer's name; without one, as for somebody whose name is not known
        #[arg(long)]
        username: Option<String>,
        /// One JSON object for each language
        #[arg(long)]
        json: bool,
    },
}

/// Whose values and language fill a snippet in.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Of {
    /// The brand whose document is in force
    #[arg(long)]
    brand: Option<String>,
    /// A document that is not in force yet; needs no database
    #[arg(long)]
    file: Option<PathBuf>,
}

impl Of {
    /// The brand's name and settings; an example's where none is given.
    async fn settings(&self, settings: &Settings) -> anyhow::Result<(String, BrandSettings)> {
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let document = Document::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
            let name = document.name.clone().unwrap_or_else(|| document.brand.clone());
            return Ok((name, document.settings()));
        }
        let Some(brand) = &self.brand else { return Ok(("Lumen".into(), BrandSettings::default())) };
        let store = ready_store(settings).await?;
        let known = known(&store, brand).await?;
        store.close().await;
        Ok((known.name, known.settings))
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of } => {
            let (_, settings) = of.settings(settings).await?;
            for (name, snippet) in settings.snippets.iter().filter(|(name, _)| !name.starts_with(PREFIX)) {
                crate::output::line(json!({ "name": name, "languages": languages(snippet, &settings) }))?;
            }
            for (name, one) in library() {
                let languages = languages(&one.snippet, &settings);
                let name = format!("{PREFIX}{name}");
                crate::output::line(json!({ "name": name, "about": one.about, "languages": languages }))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Preview { name, of, language, username, json } => {
            let (brand, settings) = of.settings(settings).await?;
            let Some(snippet) = settings.snippets.get(name).or_else(|| ready(name)) else {
                bail!("there is no snippet {name:?}: see `afterglow snippet list`");
            };
            let wanted = language.as_deref().map(|tag| {
                Language::from_tag(tag)
                    .with_context(|| format!("{tag:?} is none of the languages: en, nl, de, fr, es, pt, it"))
            });
            let wanted = wanted.transpose()?;
            let brand = Brand::of(&brand, &settings);
            let shown: Vec<Language> = wanted.map_or_else(
                || snippet.templates(settings.language).map(|(language, _)| language).collect(),
                |language| vec![language],
            );
            for language in shown {
                preview((name, snippet), &brand, language, username.as_deref(), *json)?;
            }
            let faults = check(snippet, &brand);
            for fault in &faults {
                let language = fault.language.map_or("", Language::code);
                eprintln!("fault {language} {}:{}: {}", fault.place.0, fault.place.1, fault.message);
            }
            Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn languages(snippet: &Snippet, settings: &BrandSettings) -> Vec<&'static str> {
    snippet.templates(settings.language).map(|(language, _)| language.code()).collect()
}

fn preview(
    snippet: (&str, &Snippet),
    brand: &Brand<'_>,
    language: Language,
    username: Option<&str>,
    json: bool,
) -> anyhow::Result<()> {
    let message = compose(snippet, brand, Some(language), username)
        .map_err(|error| anyhow::anyhow!("{}: {error}", language.code()))?;
    let bytes = message.text.len();
    if json {
        let taps: Vec<_> =
            message.quick_replies.iter().map(|tap| json!({ "title": tap.title, "payload": tap.payload })).collect();
        return crate::output::line(json!({
            "language": language.code(), "text": message.text, "bytes": bytes, "quick_replies": taps,
        }));
    }
    crate::output::line(format_args!("{} ({bytes} of {MESSAGE_MAX_BYTES} bytes)", language.code()))?;
    for line in message.text.lines() {
        crate::output::line(format_args!("  {line}"))?;
    }
    for tap in &message.quick_replies {
        crate::output::line(format_args!("  [ {} ]", tap.title))?;
    }
    Ok(())
}
