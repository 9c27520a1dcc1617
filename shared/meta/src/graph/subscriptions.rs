//! Which webhook fields an account is subscribed to.
//!
//! Source: Meta, "Instagram Platform: Webhooks" (read in 2026). A subscription can vanish without a word: when somebody
//! removes and adds the app, when a permission lapses, when an endpoint was away for too long.

use afterglow_domain::Login;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::client::{Answer, GraphAccount, GraphClient, NoAnswer};
use super::conversation::ReadError;
use super::errors::GraphError;

/// The fields that an account is to be subscribed to.
pub const fn wanted_fields(login: Login) -> &'static [&'static str] {
    match login {
        Login::Instagram => &[
            "comments",
            "live_comments",
            "message_echoes",
            "message_edit",
            "message_reactions",
            "messages",
            "messaging_handover",
            "messaging_optins",
            "messaging_postbacks",
            "messaging_referral",
            "messaging_seen",
            "standby",
        ],
        Login::Facebook => &[
            "comments",
            "live_comments",
            "mentions",
            "message_reactions",
            "messages",
            "messaging_handover",
            "messaging_policy_enforcement",
            "messaging_postbacks",
            "messaging_referral",
            "messaging_seen",
            "standby",
            "story_insights",
        ],
    }
}

#[derive(Deserialize)]
struct Apps {
    #[serde(default)]
    data: Vec<App>,
}

#[derive(Deserialize)]
struct App {
    #[serde(default)]
    subscribed_fields: Vec<String>,
}

impl GraphClient {
    /// The fields that the account is subscribed to, for the app whose token it is.
    pub async fn subscribed_fields(&self, account: &GraphAccount<'_>) -> Result<Vec<String>, ReadError> {
        let apps: Apps = self.read_page(account, account.id.as_str(), "subscribed_apps", &[]).await?;
        Ok(apps.data.into_iter().flat_map(|app| app.subscribed_fields).collect())
    }

    /// Subscribes the account to exactly these fields.
    pub async fn subscribe(&self, account: &GraphAccount<'_>, fields: &[&str]) -> Result<(), ReadError> {
        let body = serde_json::json!({ "subscribed_fields": fields });
        let answer = self.post(account, "subscribed_apps", &body).await;
        done(account, answer)
    }
}

/// Whether Meta did what it was asked to do, where doing it twice does no harm.
pub(super) fn done(account: &GraphAccount<'_>, answer: Result<Answer, NoAnswer>) -> Result<(), ReadError> {
    let answer = answer.map_err(|error| match error {
        NoAnswer::NotConnected(error) | NoAnswer::InDoubt(error) => ReadError::Unavailable(error.to_string()),
        NoAnswer::TooLong => ReadError::Strange,
    })?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    Err(match GraphError::read(answer.status, &answer.body, account.token.expose_secret()) {
        Some(error) if answer.status < 500 => ReadError::Refused(error),
        _ => ReadError::Unavailable(format!("status {}", answer.status)),
    })
}
