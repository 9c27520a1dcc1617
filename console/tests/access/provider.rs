//! An identity provider as strict as the standards are: it refuses what a client does wrong. What it says can be made wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use afterglow_console::OidcOptions;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::NOW;

pub(crate) const BACK: &str = "http://localhost/sign-in/oidc/back";

/// What is wrong with what the provider says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    OtherNonce,
    NoNonce,
    OtherKey,
    Unsigned,
    SignedBySecret,
    Expired,
    OtherAudience,
    OtherIssuer,
    NoToken,
}

/// Who signs in there.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) id: &'static str,
    pub(crate) email: &'static str,
    pub(crate) verified: bool,
}

struct Given {
    nonce: String,
    challenge: String,
    redirect: String,
}

struct Inside {
    issuer: String,
    fault: Fault,
    subject: Subject,
    codes: HashMap<String, Given>,
    refused: Vec<&'static str>,
}

#[derive(Clone)]
pub(crate) struct Provider(Arc<Mutex<Inside>>);

fn key(seed: u8, name: &str) -> CoreEdDsaPrivateSigningKey {
    // RFC 8410, section 7: the frame of an Ed25519 key, then its 32 bytes.
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend([seed; 32]);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new(name.to_owned()))).unwrap()
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let subject = Subject { id: "s-1", email: "Ada@example.org", verified: true };
        let inside = Inside { issuer, fault: Fault::None, subject, codes: HashMap::new(), refused: Vec::new() };
        let provider = Self(Arc::new(Mutex::new(inside)));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(async || Json(json!({ "keys": [key(7, "k1").as_verification_key()] }))))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn options(&self) -> OidcOptions {
        OidcOptions {
            issuer: self.0.lock().unwrap().issuer.clone(),
            client_id: "afterglow".into(),
            client_secret: Some("s3cret".to_owned().into()),
            name: "Example".into(),
            back: BACK.into(),
            create: false,
        }
    }

    pub(crate) fn is(&self, subject: Subject) {
        self.0.lock().unwrap().subject = subject;
    }

    pub(crate) fn lies(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }

    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().refused.clone()
    }
}

async fn configuration(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.0.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn authorize(State(provider): State<Provider>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let good = of("response_type") == "code"
        && of("client_id") == "afterglow"
        && of("redirect_uri") == BACK
        && of("scope").split(' ').any(|scope| scope == "openid")
        && of("code_challenge_method") == "S256"
        && of("code_challenge").len() == 43
        && !of("nonce").is_empty()
        && !of("state").is_empty();
    if !good {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let mut inside = provider.0.lock().unwrap();
    let code = format!("code-{}", inside.codes.len() + 1);
    let given = Given { nonce: of("nonce"), challenge: of("code_challenge"), redirect: of("redirect_uri") };
    inside.codes.insert(code.clone(), given);
    Redirect::to(&format!("{BACK}?code={code}&state={}&iss={}", of("state"), inside.issuer)).into_response()
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(asked): Form<BTreeMap<String, String>>,
) -> Response {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let mut inside = provider.0.lock().unwrap();
    let given = inside.codes.remove(&of("code"));
    let expected = format!("Basic {}", STANDARD.encode("afterglow:s3cret"));
    let problem = match &given {
        None => Some("the code is unknown, or was used"),
        Some(given) if URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier"))) != given.challenge => Some("PKCE"),
        Some(given) if of("redirect_uri") != given.redirect => Some("redirect_uri"),
        Some(_) if of("grant_type") != "authorization_code" => Some("grant_type"),
        Some(_) if headers.get("authorization").is_none_or(|is| is.to_str().unwrap() != expected) => Some("client"),
        Some(_) => None,
    };
    if let Some(problem) = problem {
        inside.refused.push(problem);
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    }
    let nonce = given.unwrap().nonce;
    let mut answer = json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60 });
    if inside.fault != Fault::NoToken {
        answer["id_token"] = json!(id_token(&inside, &nonce));
    }
    Json(answer).into_response()
}

fn id_token(inside: &Inside, nonce: &str) -> String {
    let (now, fault) = (NOW.millis() / 1000, inside.fault);
    let mut claims = json!({
        "iss": inside.issuer, "sub": inside.subject.id, "aud": ["afterglow"], "iat": now, "exp": now + 300,
        "nonce": nonce, "email": inside.subject.email, "email_verified": inside.subject.verified, "name": "Ada L.",
    });
    match fault {
        Fault::OtherNonce => claims["nonce"] = json!("another"),
        Fault::NoNonce => claims["nonce"] = Value::Null,
        Fault::Expired => claims["exp"] = json!(now - 1),
        Fault::OtherAudience => claims["aud"] = json!(["somebody else"]),
        Fault::OtherIssuer => claims["iss"] = json!("https://elsewhere.example"),
        _ => {}
    }
    let alg = match fault {
        Fault::Unsigned => "none",
        Fault::SignedBySecret => "HS256",
        _ => "EdDSA",
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let said = format!("{}.{}", part(&json!({ "alg": alg, "kid": "k1" })), part(&claims));
    let signature = match fault {
        Fault::Unsigned => Vec::new(),
        Fault::SignedBySecret => openidconnect::core::CoreHmacKey::new("s3cret")
            .sign(&CoreJwsSigningAlgorithm::HmacSha256, said.as_bytes())
            .unwrap(),
        Fault::OtherKey => key(8, "k1").sign(&CoreJwsSigningAlgorithm::EdDsa, said.as_bytes()).unwrap(),
        _ => key(7, "k1").sign(&CoreJwsSigningAlgorithm::EdDsa, said.as_bytes()).unwrap(),
    };
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}
