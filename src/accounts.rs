//! `afterglow account`: through which accounts we work.

use std::io::Read as _;
use std::process::ExitCode;

use afterglow_domain::{AccountId, BrandId, Channel, Login};
use afterglow_runtime::{Settings, TraceContext};
use afterglow_store::{Account, Connecting, SealedToken};
use afterglow_tokens::token_context;
use anyhow::{Context as _, bail};
use secrecy::SecretString;
use serde_json::json;

use crate::installation::{clock, connect, keyring, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Add an account of a brand, or change its token; the access token is read from standard input
    Add {
        /// Meta's id of the professional account or Page
        id: String,
        /// The brand that owns it
        #[arg(long)]
        brand: String,
        /// Its name
        #[arg(long)]
        username: Option<String>,
        /// It is a Facebook Page
        #[arg(long)]
        page: bool,
        /// It was connected through Facebook Login (graph.facebook.com)
        #[arg(long)]
        facebook_login: bool,
        /// Read no token: the account takes webhooks, and sends nothing
        #[arg(long)]
        without_token: bool,
    },
    /// Make a link at which the owner of an account connects it to a brand; it works once, for an hour
    Connect {
        /// The brand
        #[arg(long)]
        brand: String,
        /// Through which login the owner agrees: `instagram`, or `facebook` for accounts that are tied to a Page
        #[arg(long, default_value = "instagram", value_parser = ["instagram", "facebook"])]
        login: String,
    },
    /// Let an account send again that was paused
    Resume {
        /// Meta's id
        id: String,
    },
    /// List the accounts, one JSON object a line, without their tokens
    List,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::Add { id, brand, username, page, facebook_login, without_token } => {
            let id = AccountId::new(id.as_str());
            let token_sealed = if *without_token { None } else { Some(sealed_token(&id, settings)?) };
            let account = Account {
                id,
                brand: BrandId::new(brand.as_str()),
                channel: if *page { Channel::Page } else { Channel::Instagram },
                login: if *facebook_login || *page { Login::Facebook } else { Login::Instagram },
                username: username.clone(),
                token_sealed,
                token_expires: None,
                paused_reason: None,
                created: clock()(),
            };
            store.upsert_account(&account).await.with_context(|| format!("is there a brand {brand:?}?"))?;
        }
        Command::Connect { brand, login } => {
            let login = if login == "facebook" { Login::Facebook } else { Login::Instagram };
            let connecting = Connecting { brand: BrandId::new(brand.as_str()), login };
            let now = clock()().millis().unsigned_abs();
            // Two ids of 128 bits each, from the system's random numbers.
            let state = format!("{}{}", TraceContext::random(now).trace_id(), TraceContext::random(now).trace_id());
            let link = connect(settings, store.clone())?.link(&connecting, &state).await?;
            crate::output::line(link)?;
        }
        Command::Resume { id } => {
            if !store.resume_account(&AccountId::new(id.as_str())).await? {
                bail!("there is no account {id}: see `afterglow account list`");
            }
        }
        Command::List => {
            for account in store.accounts().await? {
                crate::output::line(json!({
                    "id": account.id, "brand": account.brand, "channel": account.channel.as_str(),
                    "login": account.login, "username": account.username,
                    "has_token": account.token_sealed.is_some(), "paused": account.paused_reason,
                    "token_expires": account.token_expires.map(afterglow_domain::Timestamp::to_rfc3339),
                }))?;
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn sealed_token(account: &AccountId, settings: &Settings) -> anyhow::Result<SealedToken> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the access token from standard input")?;
    let token = text.trim();
    if token.is_empty() {
        bail!(
            "no access token on standard input: `printf %s \"$TOKEN\" | afterglow account add …`, or --without-token"
        );
    }
    let sealed = keyring(settings)?.seal(&SecretString::from(token), &token_context(account))?;
    Ok(SealedToken(sealed))
}
