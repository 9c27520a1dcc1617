//! What every command that works on an installation is told.

use std::path::PathBuf;

use afterglow_runtime::{Settings, Sources};
use anyhow::Context as _;

/// Settings come from flags, then `AFTERGLOW_SECTION__KEY` in the environment (and the customary `DATABASE_URL` and
/// `AMQP_URL`), then the file, then defaults. `--print-config` shows what that comes to.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingsOptions {
    /// TOML file with settings
    #[arg(long, value_name = "FILE", env = "AFTERGLOW_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// One setting, such as `ingest.listen=0.0.0.0:8090`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value, global = true)]
    set: Vec<(String, String)>,
    /// Where SQLite and the embedded bus live, if they are used [default: afterglow-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Show the settings, with secrets redacted, and do nothing else
    #[arg(long, global = true)]
    pub(crate) print_config: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as log.format=json")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl SettingsOptions {
    /// Puts the settings together.
    pub(crate) fn load(&self) -> anyhow::Result<Settings> {
        let mut flags = self.set.clone();
        if let Some(dir) = &self.data_dir {
            let dir = dir.to_str().context("--data-dir is not UTF-8")?;
            flags.push(("data_dir".into(), dir.into()));
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Sources { file: self.config.clone(), environment, flags }.load()?)
    }
}

/// Prints settings as the TOML that would make them, but for the secrets.
pub(crate) fn print(settings: &Settings) -> anyhow::Result<()> {
    crate::output::line(toml::to_string(settings)?.trim_end())
}
