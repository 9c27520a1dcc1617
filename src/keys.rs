//! `afterglow keys`: keys that seal access tokens, second factors, endpoints' secrets and CRMs' tokens.

use std::process::ExitCode;

use afterglow_console::second_factor_context;
use afterglow_crm::feed::secret_context;
use afterglow_crm::push::token_context as crm_context;
use afterglow_runtime::{Keyring, Settings};
use afterglow_store::{SealedSecret, SealedToken};
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
    /// Seal every access token, second factor, endpoint's secret and CRM's token anew with the first key of keys.ring
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

/// Seals every token and every other secret anew.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn rotate(settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let mut turn = Turn { keyring: keyring(settings)?, sealed: 0, problems: 0 };
    for account in store.accounts().await? {
        let Some(before) = account.token_sealed else { continue };
        if let Some(after) = turn.anew(&before.0, &token_context(&account.id), || account.id.to_string()) {
            // Changed meanwhile: then it was sealed with the first key already. So with all below.
            turn.sealed += u32::from(store.reseal_token(&account.id, &before, &SealedToken(after)).await?);
        }
    }
    for (person, before) in store.sealed_second_factors().await? {
        let name = || format!("second factor of {person}");
        if let Some(after) = turn.anew(&before, &second_factor_context(&person), name) {
            turn.sealed += u32::from(store.reseal_second_factor(&person, &before, &after).await?);
        }
    }
    for (brand, endpoint, before) in store.sealed_feed_secrets().await? {
        let name = || format!("secret of {brand}'s endpoint {endpoint}");
        if let Some(after) = turn.anew(&before.0, &secret_context(&brand, &endpoint), name) {
            let done = store.reseal_feed_secret(&brand, &endpoint, &before, &SealedSecret(after)).await?;
            turn.sealed += u32::from(done);
        }
    }
    for (brand, connection, before) in store.sealed_crm_tokens().await? {
        let name = || format!("token of {brand}'s connection {connection}");
        if let Some(after) = turn.anew(&before.0, &crm_context(&brand, &connection), name) {
            let done = store.reseal_crm_token(&brand, &connection, &before, &SealedSecret(after)).await?;
            turn.sealed += u32::from(done);
        }
    }
    let Turn { sealed, problems, .. } = turn;
    crate::output::line(format!("{sealed} secrets sealed anew, {problems} could not be opened"))?;
    store.close().await;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One rotation.
struct Turn {
    keyring: Keyring,
    sealed: u32,
    problems: u32,
}

impl Turn {
    /// The same secret under the first key; `None`, and a word about it, if no key opens it.
    fn anew(&mut self, before: &[u8], context: &str, name: impl Fn() -> String) -> Option<Vec<u8>> {
        let turned = self.keyring.open(before, context).and_then(|plain| self.keyring.seal(&plain, context));
        turned
            .map_err(|error| {
                self.problems += 1;
                eprintln!("{}: {error}", name());
            })
            .ok()
    }
}
