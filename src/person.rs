//! `afterglow person`: who may use the console.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use afterglow_console::{LINK_MS, Token, hash_password};
use afterglow_domain::{BrandId, Timestamp};
use afterglow_runtime::Settings;
use afterglow_store::{Deed, Role};
use anyhow::{Context as _, bail};
use serde_json::json;

use crate::brand::known;
use crate::installation::{clock, ready_store};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Add somebody, or change what they may do
    ///
    /// Roles: analyst (look), agent (attend to viewers, write), manager (rules, kill switches), owner (people).
    Add {
        /// Their e-mail address
        person: String,
        /// Their name [default: the address]
        #[arg(long)]
        name: Option<String>,
        /// What they may do
        #[arg(long, value_parser = role, default_value = "agent")]
        role: Role,
        /// For one brand alone [default: every brand]
        #[arg(long)]
        brand: Option<String>,
    },
    /// Make a link by which somebody signs in once, within an hour
    Link {
        /// Their e-mail address
        person: String,
    },
    /// Set somebody's password, read from standard input; it ends their sessions
    Password {
        /// Their e-mail address
        person: String,
    },
    /// Take somebody's second factor away, who has lost it and their recovery codes
    ResetSecondFactor {
        /// Their e-mail address
        person: String,
    },
    /// Let somebody in no more, at once
    Disable {
        /// Their e-mail address
        person: String,
    },
    /// Let somebody in again
    Enable {
        /// Their e-mail address
        person: String,
    },
    /// List everybody, one JSON object a line
    List,
}

fn role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("expected one of {names}"))
}

/// Who works at the command line.
pub(crate) fn operator() -> String {
    std::env::var("USER").unwrap_or_else(|_| "command line".into())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let store = ready_store(settings).await?;
    let now = clock()();
    let missing = |person: &str| format!("nobody is known as {person}: `afterglow person add {person}`");
    let detail = match command {
        Command::Add { person, name, role, brand } => {
            if !person.contains('@') {
                bail!("{person:?} is no e-mail address");
            }
            let brand = brand.as_deref().map(BrandId::new);
            if let Some(id) = &brand {
                known(&store, id.as_str()).await?;
            }
            store.put_person(person, name.as_deref().unwrap_or(person), now).await?;
            store.grant(person, brand.as_ref(), Some(*role)).await?;
            Some(format!("{person}: {}", role.as_str()))
        }
        Command::Link { person } => {
            let token = Token::new().context("the system gives no randomness")?;
            if !store.put_sign_in_link(&token.hash(), person, now.plus(LINK_MS)).await? {
                bail!(missing(person));
            }
            let listen = settings.console.listen;
            let base = settings.console.public_url.clone().unwrap_or_else(|| format!("http://{listen}"));
            crate::output::line(format!("{}/sign-in/link/{}", base.trim_end_matches('/'), token.secret()))?;
            Some(format!("link for {person}"))
        }
        Command::Password { person } => {
            if store.person(person).await?.is_none() {
                bail!(missing(person));
            }
            if std::io::stdin().is_terminal() {
                eprintln!("Type the password, then Enter and Ctrl-D:");
            }
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password).context("cannot read standard input")?;
            store.set_password(person, &hash_password(password.trim_end_matches(['\r', '\n']))?).await?;
            Some(format!("password of {person}"))
        }
        Command::ResetSecondFactor { person } => {
            if !store.remove_second_factor(person).await? {
                bail!("{person} is not known, or has no second factor");
            }
            Some(format!("second factor of {person} taken away"))
        }
        Command::Disable { person } | Command::Enable { person } => {
            let since: Option<Timestamp> = matches!(command, Command::Disable { .. }).then_some(now);
            if !store.disable_person(person, since).await? {
                bail!(missing(person));
            }
            Some(format!("{} {person}", if since.is_some() { "disable" } else { "enable" }))
        }
        Command::List => {
            for person in store.people().await? {
                let roles: Vec<_> =
                    person.roles.iter().map(|(brand, role)| json!({ "brand": brand, "role": role })).collect();
                crate::output::line(json!({
                    "person": person.id, "name": person.name, "roles": roles, "password": person.has_password,
                    "second_factor": person.has_totp,
                    "disabled": person.disabled.map(Timestamp::to_rfc3339),
                }))?;
            }
            None
        }
    };
    if let Some(detail) = detail {
        let by = std::env::var("USER").unwrap_or_else(|_| "command line".into());
        let deed = Deed { person: &by, brand: None, action: "people", viewer: None, detail: &detail };
        store.note_deed(&deed, now).await?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
