//! Ice breakers: questions that can be tapped in an empty conversation.
//!
//! Source: Meta, "Ice Breakers" (Instagram Messaging and Instagram Platform, read 2026): at most 4 questions for each locale, one
//! of which has to be `default`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{GraphAccount, GraphClient};
use super::conversation::ReadError;
use super::subscriptions::done;

/// The questions of one locale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceBreakers {
    /// `default`, or a locale such as `nl_NL`.
    #[serde(default = "default_locale")]
    pub locale: String,
    /// The questions.
    pub call_to_actions: Vec<IceBreakerQuestion>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceBreakerQuestion {
    /// What is read.
    pub question: String,
    /// What the postback brings.
    pub payload: String,
}

fn default_locale() -> String {
    "default".into()
}

#[derive(Deserialize)]
struct Profiles {
    #[serde(default)]
    data: Vec<Profile>,
}

/// Meta gives the locales as entries of `data`, or below a field of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Profile {
    Nested { ice_breakers: Vec<IceBreakers> },
    Flat(IceBreakers),
}

impl GraphClient {
    /// The ice breakers that the account has.
    pub async fn ice_breakers(&self, account: &GraphAccount<'_>) -> Result<Vec<IceBreakers>, ReadError> {
        let query = [("fields", "ice_breakers"), ("platform", "instagram")];
        let profiles: Profiles = self.read_page(account, account.id.as_str(), "messenger_profile", &query).await?;
        let flat = profiles.data.into_iter().flat_map(|profile| match profile {
            Profile::Nested { ice_breakers } => ice_breakers,
            Profile::Flat(one) => vec![one],
        });
        Ok(flat.collect())
    }

    /// Gives the account these ice breakers in place of those that it has; none of them takes all away.
    pub async fn set_ice_breakers(&self, account: &GraphAccount<'_>, wanted: &[IceBreakers]) -> Result<(), ReadError> {
        if wanted.is_empty() {
            let body = json!({ "platform": "instagram", "fields": ["ice_breakers"] });
            let node = account.id.as_str();
            return done(account, self.delete(account, node, "messenger_profile", Some(&body)).await);
        }
        let body = json!({ "platform": "instagram", "ice_breakers": wanted });
        done(account, self.post(account, "messenger_profile", &body).await)
    }
}
