//! Requests, answers, and limits of time and size.

use std::sync::Arc;

use afterglow_domain::{AccountId, Login};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::usage::Usage;

/// Bytes of an answer that are read at most. Meta's answers to us are a few hundred; a page of messages some 10 kB.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Where the Graph API is, and in which version.
#[derive(Debug, Clone)]
pub struct GraphHosts {
    /// Base for accounts connected through Instagram Login, without a slash at the end.
    pub instagram: String,
    /// Base for accounts connected through Facebook Login.
    pub facebook: String,
    /// Where the owner of an account agrees to Instagram Login.
    pub instagram_consent: String,
    /// Where Instagram Login gives short-lived tokens for codes.
    pub instagram_tokens: String,
    /// Where the owner of an account agrees to Facebook Login.
    pub facebook_consent: String,
    /// `v25.0`
    pub version: String,
}

impl Default for GraphHosts {
    fn default() -> Self {
        Self {
            instagram: "https://graph.instagram.com".into(),
            facebook: "https://graph.facebook.com".into(),
            instagram_consent: "https://www.instagram.com".into(),
            instagram_tokens: "https://api.instagram.com".into(),
            facebook_consent: "https://www.facebook.com".into(),
            version: "v25.0".into(),
        }
    }
}

impl GraphHosts {
    /// One base for all, such as a simulator's.
    pub fn single(base: &str) -> Self {
        let base = || base.trim_end_matches('/').to_owned();
        Self {
            instagram: base(),
            facebook: base(),
            instagram_consent: base(),
            instagram_tokens: base(),
            facebook_consent: base(),
            version: Self::default().version,
        }
    }
}

/// In whose name a call is made.
#[derive(Debug, Clone, Copy)]
pub struct GraphAccount<'a> {
    /// The professional account or Page.
    pub id: &'a AccountId,
    /// How it was connected: decides the host.
    pub login: Login,
    /// Its access token; travels in a header, never in a URL, which others log.
    pub token: &'a SecretString,
}

/// The client. Cloning shares its connections.
#[derive(Clone)]
pub struct GraphClient {
    http: reqwest::Client,
    hosts: Arc<GraphHosts>,
    /// In place of the network, for simulations under virtual time.
    direct: Option<Arc<dyn DirectWire>>,
}

impl std::fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphClient").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// A call without a network.
#[derive(Debug, Clone)]
pub struct DirectCall {
    /// Whether something is posted.
    pub post: bool,
    /// The node and edge: `17841400000000000/messages`.
    pub path: String,
    /// The query of a `GET`.
    pub query: Vec<(String, String)>,
    /// The access token.
    pub token: SecretString,
    /// The JSON body of a `POST`.
    pub body: Vec<u8>,
}

/// Whoever answers calls in place of Meta's servers, within this process.
pub trait DirectWire: Send + Sync {
    /// Status and body; `None` if nobody can say whether the request arrived.
    fn call(&self, call: DirectCall) -> Option<(u16, Vec<u8>)>;
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) usage: Usage,
    pub(super) body: Vec<u8>,
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// No connection was made, so nothing was asked.
    #[error("cannot connect")]
    NotConnected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request may have arrived.
    #[error("no whole answer")]
    InDoubt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is longer than any that Meta gives.
    #[error("an answer of more than {ANSWER_LIMIT} bytes")]
    TooLong,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        // Without its URL, which names the account.
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            NoAnswer::NotConnected(error.into())
        } else {
            NoAnswer::InDoubt(error.into())
        }
    }
}

impl GraphClient {
    /// A client over `http`, which brings the time-outs and must follow no redirects.
    pub fn new(http: reqwest::Client, hosts: GraphHosts) -> Self {
        Self { http, hosts: Arc::new(hosts), direct: None }
    }

    /// A client whose calls of the Send API and of conversations are answered by `direct`; for simulations.
    #[must_use]
    pub fn answered_by(mut self, direct: Arc<dyn DirectWire>) -> Self {
        self.direct = Some(direct);
        self
    }

    fn directly(
        &self,
        account: &GraphAccount<'_>,
        call: (bool, String),
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<Result<Answer, NoAnswer>> {
        let direct = self.direct.as_ref()?;
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = direct.call(DirectCall { post: call.0, path: call.1, query, token: account.token.clone(), body });
        let answer = answer.map(|(status, body)| Answer { status, usage: Usage::default(), body });
        Some(answer.ok_or_else(|| NoAnswer::InDoubt("no answer".into())))
    }

    pub(super) fn hosts(&self) -> &GraphHosts {
        &self.hosts
    }

    /// A call that is made in nobody's name yet; what it asks for may be secret, so no error shows its address.
    pub(super) async fn call(
        &self,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Answer, NoAnswer> {
        read(request(&self.http).send().await?).await
    }

    fn url(&self, account: &GraphAccount<'_>, node: &str, edge: &str) -> String {
        let host = match account.login {
            Login::Instagram => &self.hosts.instagram,
            Login::Facebook => &self.hosts.facebook,
        };
        let separator = if edge.is_empty() { "" } else { "/" };
        format!("{host}/{}/{node}{separator}{edge}", self.hosts.version)
    }

    pub(super) async fn post(
        &self,
        account: &GraphAccount<'_>,
        edge: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, NoAnswer> {
        let path = format!("{}/{edge}", account.id);
        if let Some(answer) = self.directly(account, (true, path), &[], body.to_string().into_bytes()) {
            return answer;
        }
        let request = self
            .http
            .post(self.url(account, account.id.as_str(), edge))
            .bearer_auth(account.token.expose_secret())
            .json(body);
        read(request.send().await?).await
    }

    /// Asks that another node than the account be changed, in its name.
    pub(super) async fn post_node(
        &self,
        account: &GraphAccount<'_>,
        node: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, NoAnswer> {
        let request = self.http.post(self.url(account, node, "")).bearer_auth(account.token.expose_secret()).json(body);
        read(request.send().await?).await
    }

    /// Asks that a node, or what hangs on it, be deleted.
    pub(super) async fn delete(
        &self,
        account: &GraphAccount<'_>,
        node: &str,
        edge: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, NoAnswer> {
        let request = self.http.delete(self.url(account, node, edge)).bearer_auth(account.token.expose_secret());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(request.send().await?).await
    }

    pub(super) async fn get(
        &self,
        account: &GraphAccount<'_>,
        edge: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, NoAnswer> {
        self.get_node(account, account.id.as_str(), edge, query).await
    }

    /// Asks for another node than the account, in its name.
    pub(super) async fn get_node(
        &self,
        account: &GraphAccount<'_>,
        node: &str,
        edge: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, NoAnswer> {
        if let Some(answer) = self.directly(account, (false, format!("{node}/{edge}")), query, Vec::new()) {
            return answer;
        }
        let request =
            self.http.get(self.url(account, node, edge)).bearer_auth(account.token.expose_secret()).query(query);
        read(request.send().await?).await
    }
}

async fn read(mut response: reqwest::Response) -> Result<Answer, NoAnswer> {
    let status = response.status().as_u16();
    let usage = usage_of(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| NoAnswer::InDoubt(error.without_url().into()))? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(NoAnswer::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, usage, body })
}

fn usage_of(headers: &HeaderMap) -> Usage {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Usage::read(text("x-app-usage"), text("x-business-use-case-usage"))
}
