//! `afterglow keys`: keys that seal access tokens.

use std::process::ExitCode;

use afterglow_runtime::Keyring;
use secrecy::ExposeSecret as _;

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
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let Command::Generate { name } = command;
    let key = Keyring::generate(name)?;
    Keyring::new([&key])?; // a name that would not be read is refused now, not at the next start
    crate::output::line(key.expose_secret())?;
    Ok(ExitCode::SUCCESS)
}
