//! An identity provider that says who somebody is (OpenID Connect Core 1.0, authorization code flow with PKCE, RFC 7636).
//! Tokens are verified by the library `openidconnect`: signature, issuer, audience, time and nonce.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use afterglow_domain::{Clock, Timestamp};
use afterglow_runtime::error_chain;
use chrono::DateTime;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};

/// How long what the provider says of itself, keys included, is taken as it was, in ms.
const FRESH_MS: i64 = 60_000;
/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// Signatures by a key pair of the provider's. Not by the client's secret, and not none at all.
const SIGNED_BY: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What an operator says of the provider.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// Its issuer, such as `https://accounts.google.com`.
    pub issuer: String,
    /// Under which id it knows us.
    pub client_id: String,
    /// By which secret; none: a public client.
    pub client_secret: Option<SecretString>,
    /// What people call it.
    pub name: String,
    /// Where it sends people back to: `…/sign-in/oidc/back` of the console.
    pub back: String,
    /// Whether whoever it vouches for becomes a person here, who may nothing yet.
    pub create: bool,
}

/// Why the provider did not say who somebody is. Holds no secret and no token.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// An address is none.
    #[error("{0} is no address: {1}")]
    Address(&'static str, String),
    /// It does not answer as the standard says, or not at all.
    #[error("the provider does not say what it is: {0}")]
    Discovery(String),
    /// It would send people to where a listener reads along.
    #[error("the issuer has to be https:// (http:// on loopback alone)")]
    NotEncrypted,
    /// It did not take the code.
    #[error("the provider gives no token: {0}")]
    Exchange(String),
    /// The token is not what it should be.
    #[error("the identity token is refused: {0}")]
    Token(String),
    /// The client cannot be built.
    #[error(transparent)]
    Client(#[from] afterglow_runtime::HttpClientError),
}

/// Why one request to the provider failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error("an answer of more than {LONGEST} bytes")]
    TooLong,
    #[error(transparent)]
    Http(#[from] openidconnect::http::Error),
}

/// The house's HTTP client, as the library asks for one: no redirects, and no endless answers.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(fetch(&self.0, request))
    }
}

async fn fetch(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let mut answer = client.execute(reqwest::Request::try_from(request)?).await?;
    let mut response = openidconnect::http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LONGEST {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body)?)
}

/// Where to send a browser.
pub(super) struct Away {
    pub(super) url: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// Whom the provider vouches for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vouched {
    pub(super) subject: String,
    /// An address that the provider says it has verified, in lower case.
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
}

/// The provider.
pub struct Oidc {
    options: OidcOptions,
    http: Http,
    clock: Clock,
    known: Mutex<Option<(Timestamp, CoreProviderMetadata)>>,
}

impl Oidc {
    /// A provider that `options` describe. It is not asked anything yet.
    pub fn new(options: OidcOptions, clock: Clock) -> Result<Self, OidcError> {
        let issuer = url::Url::parse(&options.issuer).map_err(|e| OidcError::Address("the issuer", e.to_string()))?;
        let local = match issuer.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if issuer.scheme() != "https" && !(issuer.scheme() == "http" && local) {
            return Err(OidcError::NotEncrypted);
        }
        RedirectUrl::new(options.back.clone()).map_err(|e| OidcError::Address("the way back", e.to_string()))?;
        let http = Http(afterglow_runtime::http_client(std::time::Duration::from_secs(10))?);
        Ok(Self { options, http, clock, known: Mutex::new(None) })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Where it sends people back to.
    pub fn back(&self) -> &str {
        &self.options.back
    }

    pub(super) fn issuer(&self) -> &str {
        &self.options.issuer
    }

    pub(super) const fn creates(&self) -> bool {
        self.options.create
    }

    /// Asks the provider what it is; what `afterglow doctor` says of it.
    pub async fn check(&self) -> Result<String, OidcError> {
        let known = self.metadata().await?;
        let keys = known.jwks().keys().len();
        Ok(format!("{} answers, with {keys} keys; it has to know {}", self.options.issuer, self.options.back))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, OidcError> {
        let now = (self.clock)();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, metadata)) = known.as_ref()
                && now.since(*at) < FRESH_MS
            {
                return Ok(metadata.clone());
            }
        }
        let issuer = self.options.issuer.clone();
        let issuer = IssuerUrl::new(issuer).map_err(|e| OidcError::Address("the issuer", e.to_string()))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http)
            .await
            .map_err(|error| OidcError::Discovery(error_chain(&error)))?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, metadata.clone()));
        Ok(metadata)
    }

    /// Where to send a browser that shall come back with `state`.
    ///
    /// `nonce` and `verifier` are secrets of 43 to 128 letters and digits.
    pub(super) async fn away(&self, state: &str, nonce: &str, verifier: &str) -> Result<Away, OidcError> {
        let metadata = self.metadata().await?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.to_owned()));
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.options.client_id.clone()), None)
            .set_redirect_uri(self.redirect()?);
        let (state, nonce_given) = (state.to_owned(), nonce.to_owned());
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce_given),
            )
            .add_scope(Scope::new("email".into()))
            .add_scope(Scope::new("profile".into()))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Away { url: url.into(), nonce: nonce.to_owned(), verifier: verifier.to_owned() })
    }

    /// Gives the provider its code, and verifies whom it vouches for.
    pub(super) async fn vouched(&self, code: &str, nonce: &str, verifier: &str) -> Result<Vouched, OidcError> {
        let metadata = self.metadata().await?;
        let secret = self.options.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(self.options.client_id.clone()), secret)
                .set_redirect_uri(self.redirect()?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| OidcError::Discovery(error_chain(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|error| OidcError::Exchange(error_chain(&error)))?;
        let token = answer.id_token().ok_or_else(|| OidcError::Token("there is none".into()))?;
        let clock = &self.clock;
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(SIGNED_BY)
            .set_time_fn(move || DateTime::from_timestamp_millis(clock().millis()).unwrap_or_default());
        let claims = token
            .claims(&verifier, &Nonce::new(nonce.to_owned()))
            .map_err(|error| OidcError::Token(error_chain(&error)))?;
        let certain = claims.email_verified() == Some(true);
        let email = claims.email().filter(|_| certain).map(|email| email.as_str().trim().to_lowercase());
        let name = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned());
        Ok(Vouched { subject: claims.subject().as_str().to_owned(), email, name })
    }

    fn redirect(&self) -> Result<RedirectUrl, OidcError> {
        RedirectUrl::new(self.options.back.clone()).map_err(|e| OidcError::Address("the way back", e.to_string()))
    }
}
