//! How an account is connected, and how its token is kept alive.
//!
//! Sources: Meta, "Business Login for Instagram" (consent, code, short-lived and long-lived token, refresh), and for Facebook
//! Login "Manually build a login flow" and "Get long-lived Page tokens", as read in 2026. The token endpoint of Instagram
//! Login answers in two shapes, and refuses outside the Graph envelope.

use afterglow_domain::{AccountId, Login};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, GraphAccount, GraphClient, NoAnswer};
use super::conversation::ReadError;
use super::errors::GraphError;

/// What an account lets us do, with Instagram Login.
const INSTAGRAM_SCOPES: &str = "instagram_business_basic,instagram_business_manage_messages,\
instagram_business_manage_comments,instagram_business_manage_insights";
/// The same, with Facebook Login.
const FACEBOOK_SCOPES: &str = "instagram_basic,instagram_manage_messages,instagram_manage_comments,\
instagram_manage_insights,pages_show_list,pages_manage_metadata,pages_messaging,business_management";

/// One of our apps at Meta.
#[derive(Debug, Clone)]
pub struct App {
    /// Its id: with Instagram Login that of the Instagram app, which is not the app's own.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// An account whose owner agreed.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The professional account, by the id that webhooks carry.
    pub account: AccountId,
    /// Its name.
    pub username: Option<String>,
    /// Its long-lived token.
    pub token: SecretString,
    /// How long the token is good, in seconds; `None` if Meta names no end.
    pub expires_in: Option<i64>,
}

/// A token and how long it is good.
#[derive(Debug, Clone)]
pub struct LivingToken {
    /// The token.
    pub token: SecretString,
    /// In seconds; `None` if Meta names no end.
    pub expires_in: Option<i64>,
}

/// An account is not connected, or its token not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// Meta did not answer: try again.
    #[error("Meta cannot be reached: {0}")]
    Unavailable(String),
    /// Meta says no; the text is Meta's own.
    #[error("Meta refuses: {0}")]
    Refused(String),
    /// Meta answers what nobody expects.
    #[error("Meta's answer is not understood")]
    Strange,
    /// Whoever agreed owns no professional account, or did not tick it.
    #[error("no professional account was shared: begin again, and choose the account in Meta's dialogue")]
    NoAccount,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    user_id: Option<Value>,
    #[serde(default)]
    username: Option<String>,
}

#[derive(Deserialize)]
struct Pages {
    #[serde(default = "Vec::new")]
    data: Vec<Page>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    instagram_business_account: Option<Profile>,
}

impl GraphClient {
    /// Where the owner of an account is sent to agree. `state` comes back with the code and must be ours.
    pub fn consent_url(&self, login: Login, app: &App, redirect_uri: &str, state: &str) -> String {
        let (base, scopes) = match login {
            Login::Instagram => (format!("{}/oauth/authorize", self.hosts().instagram_consent), INSTAGRAM_SCOPES),
            Login::Facebook => {
                let hosts = self.hosts();
                (format!("{}/{}/dialog/oauth", hosts.facebook_consent, hosts.version), FACEBOOK_SCOPES)
            }
        };
        let pairs = [
            ("client_id", app.id.as_str()),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", scopes),
            ("state", state),
        ];
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        format!("{base}?{}", query.join("&"))
    }

    /// Turns the code into accounts with long-lived tokens: one with Instagram Login, those that were ticked with Facebook
    /// Login.
    pub async fn connect(
        &self,
        login: Login,
        app: &App,
        redirect_uri: &str,
        code: &str,
    ) -> Result<Vec<Connected>, OAuthError> {
        // Meta's own page appends `#_`, which some proxies keep.
        let code = code.trim_end_matches("#_");
        match login {
            Login::Instagram => self.connect_instagram(app, redirect_uri, code).await,
            Login::Facebook => self.connect_facebook(app, redirect_uri, code).await,
        }
    }

    async fn connect_instagram(&self, app: &App, to: &str, code: &str) -> Result<Vec<Connected>, OAuthError> {
        let url = format!("{}/oauth/access_token", self.hosts().instagram_tokens);
        let form = [
            ("client_id", app.id.as_str()),
            ("client_secret", app.secret.expose_secret()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", to),
            ("code", code),
        ];
        let answer: Value = read(self.call(|http| http.post(url).form(&form)).await)?;
        let granted = answer.get("data").and_then(|data| data.get(0)).unwrap_or(&answer);
        let short = granted.get("access_token").and_then(Value::as_str).ok_or(OAuthError::Strange)?;
        let url = format!("{}/access_token", self.hosts().instagram);
        let query = [
            ("grant_type", "ig_exchange_token"),
            ("client_secret", app.secret.expose_secret()),
            ("access_token", short),
        ];
        let long: TokenAnswer = read(self.call(|http| http.get(url).query(&query)).await)?;
        // The id in the first answer is the app's own for this person; webhooks carry `user_id` of the profile.
        let url = format!("{}/{}/me", self.hosts().instagram, self.hosts().version);
        let token = long.access_token.clone();
        let me =
            self.call(|http| http.get(url).query(&[("fields", "user_id,username")]).bearer_auth(token.expose_secret()));
        let me: Profile = read(me.await)?;
        let account = me.user_id.as_ref().or(me.id.as_ref()).and_then(id).ok_or(OAuthError::Strange)?;
        let (token, expires_in) = (long.access_token, long.expires_in);
        Ok(vec![Connected { account, username: me.username, token, expires_in }])
    }

    async fn connect_facebook(&self, app: &App, to: &str, code: &str) -> Result<Vec<Connected>, OAuthError> {
        let base = format!("{}/{}", self.hosts().facebook, self.hosts().version);
        let (id_of_app, secret) = (app.id.as_str(), app.secret.expose_secret());
        let query = [("client_id", id_of_app), ("client_secret", secret), ("redirect_uri", to), ("code", code)];
        let url = format!("{base}/oauth/access_token");
        let short: TokenAnswer = read(self.call(|http| http.get(&url).query(&query)).await)?;
        let query = [
            ("grant_type", "fb_exchange_token"),
            ("client_id", id_of_app),
            ("client_secret", secret),
            ("fb_exchange_token", short.access_token.expose_secret()),
        ];
        let long: TokenAnswer = read(self.call(|http| http.get(&url).query(&query)).await)?;
        let url = format!("{base}/me/accounts");
        let fields = [("fields", "access_token,instagram_business_account{id,username}"), ("limit", "100")];
        let pages = self.call(|http| http.get(url).query(&fields).bearer_auth(long.access_token.expose_secret()));
        let pages: Pages = read(pages.await)?;
        let connected = pages.data.into_iter().filter_map(|page| {
            let owner = page.instagram_business_account?;
            let account = owner.id.as_ref().and_then(id)?;
            // A Page's token that comes of a long-lived one names no end.
            Some(Connected { account, username: owner.username, token: page.access_token?, expires_in: None })
        });
        let connected: Vec<Connected> = connected.collect();
        if connected.is_empty() { Err(OAuthError::NoAccount) } else { Ok(connected) }
    }

    /// Another token for one of Instagram Login that is a day old and still good.
    pub async fn refresh(&self, token: &SecretString) -> Result<LivingToken, OAuthError> {
        let url = format!("{}/refresh_access_token", self.hosts().instagram);
        let query = [("grant_type", "ig_refresh_token"), ("access_token", token.expose_secret())];
        let fresh: TokenAnswer = read(self.call(|http| http.get(url).query(&query)).await)?;
        Ok(LivingToken { token: fresh.access_token, expires_in: fresh.expires_in })
    }

    /// Whether Meta still takes an account's token. One cheap call.
    pub async fn check_token(&self, account: &GraphAccount<'_>) -> Result<(), ReadError> {
        self.read_page::<Value>(account, "me", "", &[("fields", "id")]).await.map(|_| ())
    }
}

fn id(value: &Value) -> Option<AccountId> {
    match value {
        Value::String(text) if !text.is_empty() => Some(AccountId::new(text.as_str())),
        Value::Number(number) => Some(AccountId::new(number.to_string())),
        _ => None,
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: Result<Answer, NoAnswer>) -> Result<T, OAuthError> {
    let answer = answer.map_err(|error| match error {
        NoAnswer::NotConnected(error) | NoAnswer::InDoubt(error) => OAuthError::Unavailable(error.to_string()),
        NoAnswer::TooLong => OAuthError::Strange,
    })?;
    if (200..300).contains(&answer.status) {
        return serde_json::from_slice(&answer.body).map_err(|_| OAuthError::Strange);
    }
    if answer.status >= 500 {
        return Err(OAuthError::Unavailable(format!("status {}", answer.status)));
    }
    let own = serde_json::from_slice::<Value>(&answer.body).ok();
    let text = own.as_ref().and_then(|body| body.get("error_message")).and_then(Value::as_str);
    let text = text.map(ToOwned::to_owned);
    let text = text.or_else(|| GraphError::read(answer.status, &answer.body, "").map(|error| error.message));
    Err(text.map_or(OAuthError::Strange, OAuthError::Refused))
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String does not fail
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::usage::Usage;
    use super::*;

    #[test]
    fn meta_refuses_in_two_envelopes() {
        let answer = |status, body: &str| Answer { status, usage: Usage::default(), body: body.as_bytes().to_vec() };
        let own = r#"{"error_type":"OAuthException","code":400,"error_message":"Matching code was not found"}"#;
        let graph = r#"{"error":{"message":"Session has expired","type":"OAuthException","code":190}}"#;
        let text = |status, body| read::<Value>(Ok(answer(status, body))).map_err(|error| error.to_string());
        assert_eq!(text(400, own), Err("Meta refuses: Matching code was not found".into()));
        assert_eq!(text(400, graph), Err("Meta refuses: Session has expired".into()));
        assert_eq!(text(400, "<html>"), Err("Meta's answer is not understood".into()));
        assert_eq!(text(503, graph), Err("Meta cannot be reached: status 503".into()));
        assert_eq!(text(200, "<html>"), Err("Meta's answer is not understood".into()));
    }

    #[test]
    fn what_stands_in_an_address_is_encoded() {
        assert_eq!(percent("https://a.b/c?d=é&_~"), "https%3A%2F%2Fa.b%2Fc%3Fd%3D%C3%A9%26_~");
    }
}
