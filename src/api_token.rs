//! `afterglow api-token`: by which programs read a brand.

use std::process::ExitCode;

use afterglow_console::Token;
use afterglow_domain::BrandId;
use afterglow_runtime::Settings;
use afterglow_store::ApiToken;
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a token that reads one brand under `/v1` of the console, and print it: it is shown this once
    Add {
        /// For whom or what, such as `warehouse`
        name: String,
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Make a token worthless, at once
    Revoke {
        /// Its name
        name: String,
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// List a brand's tokens, one JSON object a line, without what opens
    List {
        /// The brand
        #[arg(long)]
        brand: String,
    },
    /// Print the API's description, OpenAPI 3.1
    Openapi,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    if matches!(command, Command::Openapi) {
        crate::output::line(serde_json::to_string_pretty(&afterglow_console::openapi())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let store = ready_store(settings).await?;
    match command {
        Command::Add { name, brand } => {
            let secret = Token::new().context("the system gives no randomness")?;
            let created_by = std::env::var("USER").unwrap_or_else(|_| "command line".into());
            let token =
                ApiToken { brand: BrandId::new(brand.as_str()), name: name.clone(), created: clock()(), created_by };
            if !store.put_api_token(&secret.hash(), &token).await? {
                bail!(
                    "{brand} has a token {name} already, or there is no such brand: see `api-token list`, `brand list`"
                );
            }
            crate::output::line(secret.secret())?;
        }
        Command::Revoke { name, brand } => {
            if !store.brand(&BrandId::new(brand.as_str())).revoke_api_token(name).await? {
                bail!("{brand} has no token {name}: see `afterglow api-token list --brand {brand}`");
            }
        }
        Command::List { brand } => {
            for token in store.brand(&BrandId::new(brand.as_str())).api_tokens().await? {
                let (created, by) = (token.created.to_rfc3339(), token.created_by);
                crate::output::line(json!({ "name": token.name, "created": created, "by": by }))?;
            }
        }
        Command::Openapi => {}
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
