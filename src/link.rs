//! `afterglow link`: links whose opening is counted.

use std::process::ExitCode;

use afterglow_domain::{AccountId, BrandId, ViewerId};
use afterglow_runtime::{Settings, TraceContext};
use afterglow_store::Link;
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::installation::{clock, ready_store};

/// Characters of a code: 16^12 of them, so that none is found by trying.
const CODE: usize = 12;
/// Bytes of a target at most.
const TARGET_MAX: usize = 2_000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a link, and print its path; it leads to the target for good
    Add {
        /// Where it leads: http or https
        target: String,
        /// The brand
        #[arg(long)]
        brand: String,
        /// The account that shares it
        #[arg(long)]
        account: String,
        /// The Story that it stands in
        #[arg(long)]
        story: Option<String>,
        /// The play that sends it
        #[arg(long)]
        play: Option<String>,
        /// The variant of the play
        #[arg(long)]
        variant: Option<String>,
        /// The one person it is made for
        #[arg(long)]
        viewer: Option<String>,
    },
    /// List a brand's links, one JSON object a line
    List {
        /// The brand
        #[arg(long)]
        brand: String,
    },
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Add { target, brand, account, story, play, variant, viewer } => {
            if !is_web_address(target) {
                bail!("{target:?} is no address: expected http:// or https://, at most {TARGET_MAX} bytes, no spaces");
            }
            let now = clock()();
            let code = TraceContext::random(now.millis().unsigned_abs()).trace_id()[..CODE].to_owned();
            let link = Link {
                code: code.clone(),
                brand: BrandId::new(brand.as_str()),
                account: AccountId::new(account.as_str()),
                target: target.clone(),
                story_id: story.clone(),
                play: play.clone(),
                variant: variant.clone(),
                viewer: viewer.as_deref().map(ViewerId::new),
                created: now,
            };
            store.insert_link(&link).await.with_context(|| format!("is {account} an account of {brand}?"))?;
            crate::output::line(format!("/l/{code}"))?;
        }
        Command::List { brand } => {
            for link in store.brand(&BrandId::new(brand.as_str())).links().await? {
                crate::output::line(json!({
                    "code": link.code, "account": link.account, "target": link.target, "story": link.story_id,
                    "play": link.play, "variant": link.variant, "viewer": link.viewer,
                    "created": link.created.to_rfc3339(),
                }))?;
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What may stand in a `Location` header and leads to the web.
fn is_web_address(target: &str) -> bool {
    let rest = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://"));
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic());
    plain && target.len() <= TARGET_MAX && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}
