//! `afterglow kill-switch`: silence, at once.

use std::process::ExitCode;

use afterglow_domain::{AccountId, BrandId, PlayId, ViewerId, ViewerKey};
use afterglow_runtime::Settings;
use afterglow_store::KillSwitch;
use anyhow::bail;
use serde_json::json;

use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Silence everything, a brand, an account, a play or a viewer; what would be said is held for a person
    ///
    /// It holds for every send that has not begun. A message already handed to Meta cannot be recalled.
    On {
        #[command(flatten)]
        scope: Scope,
        /// Why, for whoever finds it set
        #[arg(long)]
        reason: String,
    },
    /// Let speak again
    Off {
        #[command(flatten)]
        scope: Scope,
        /// Judge anew what was held because of it; without, it goes on waiting for a person
        #[arg(long)]
        judge_anew: bool,
    },
    /// List the switches that are set, one JSON object a line
    List,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Scope {
    /// Everything
    #[arg(long)]
    all: bool,
    /// A brand
    #[arg(long)]
    brand: Option<String>,
    /// An account, by Meta's id
    #[arg(long)]
    account: Option<String>,
    /// A play of a brand
    #[arg(long, value_name = "BRAND/PLAY")]
    play: Option<String>,
    /// A viewer
    #[arg(long, value_name = "ACCOUNT/VIEWER")]
    viewer: Option<String>,
}

impl Scope {
    fn switch(&self) -> anyhow::Result<KillSwitch> {
        let pair = |text: &str, form: &str| match text.split_once('/') {
            Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok((a.to_owned(), b.to_owned())),
            _ => bail!("{text:?}: expected {form}"),
        };
        Ok(if let Some(brand) = &self.brand {
            KillSwitch::Brand(BrandId::new(brand.as_str()))
        } else if let Some(account) = &self.account {
            KillSwitch::Account(AccountId::new(account.as_str()))
        } else if let Some(play) = &self.play {
            let (brand, play) = pair(play, "BRAND/PLAY")?;
            KillSwitch::Play(BrandId::new(brand), PlayId::new(play))
        } else if let Some(viewer) = &self.viewer {
            let (account, viewer) = pair(viewer, "ACCOUNT/VIEWER")?;
            KillSwitch::Viewer(ViewerKey { account: AccountId::new(account), viewer: ViewerId::new(viewer) })
        } else {
            KillSwitch::All
        })
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    match command {
        Command::On { scope, reason } => {
            let by = std::env::var("USER").unwrap_or_else(|_| "command line".into());
            store.set_kill_switch(&scope.switch()?, &by, reason, clock()()).await?;
        }
        Command::Off { scope, judge_anew } => {
            let switch = scope.switch()?;
            match store.lift_kill_switch(&switch, *judge_anew, clock()()).await? {
                None => bail!("no such switch is set: see `afterglow kill-switch list`"),
                Some(anew) => crate::output::line(json!({ "judged_anew": anew }))?,
            }
        }
        Command::List => {
            for set in store.kill_switches().await? {
                crate::output::line(json!({
                    "scope": set.scope, "id": set.id, "since": set.since.to_rfc3339(), "by": set.by, "reason": set.reason,
                }))?;
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
