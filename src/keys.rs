//! `afterglow keys`: keys that seal access tokens.

use std::process::ExitCode;

use afterglow_console::second_factor_context;
use afterglow_runtime::{Keyring, Settings};
use afterglow_store::SealedToken;
use afterglow_tokens::token_context;
use secrecy::ExposeSecret as _;

use crate::installation::{keyring, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print a fresh key for `keys.ring`
    ///
    /// Put it first in keys.ring and keep the older ones behind it: the first seals, all open.
    Generate {
        /// Its name, which is stored with what it seals
        #[arg(long, default_value = "primary")]
        name: String,
    },
    /// Seal every access token anew with the first key of keys.ring
    ///
    /// After it, the older keys can leave the ring. Safe while services run, and to repeat.
    Rotate,
}

/// Prints a fresh key.
pub(crate) fn generate(name: &str) -> anyhow::Result<ExitCode> {
    let key = Keyring::generate(name)?;
    Keyring::new([&key])?; // a name that would not be read is refused now, not at the next start
    crate::output::line(key.expose_secret())?;
    Ok(ExitCode::SUCCESS)
}

/// Seals every token anew.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn rotate(settings: &Settings) -> anyhow::Result<ExitCode> {
    let (store, keyring) = (ready_store(settings).await?, keyring(settings)?);
    let (mut sealed, mut problems) = (0, 0);
    for account in store.accounts().await? {
        let Some(before) = account.token_sealed else { continue };
        let context = token_context(&account.id);
        match keyring.open(&before.0, &context).and_then(|token| keyring.seal(&token, &context)) {
            // Changed meanwhile: then it was sealed with the first key already.
            Ok(after) => sealed += u32::from(store.reseal_token(&account.id, &before, &SealedToken(after)).await?),
            Err(error) => {
                problems += 1;
                eprintln!("{}: {error}", account.id);
            }
        }
    }
    for (person, before) in store.sealed_second_factors().await? {
        let context = second_factor_context(&person);
        match keyring.open(&before, &context).and_then(|secret| keyring.seal(&secret, &context)) {
            Ok(after) => sealed += u32::from(store.reseal_second_factor(&person, &before, &after).await?),
            Err(error) => {
                problems += 1;
                eprintln!("second factor of {person}: {error}");
            }
        }
    }
    crate::output::line(format!("{sealed} tokens sealed anew, {problems} could not be opened"))?;
    store.close().await;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
