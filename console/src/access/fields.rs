//! What a form posted, once it is certain that it was our own form.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::Visitor;
use crate::problem::Problem;

/// The fields of a form, in order; a name may come more than once.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// What was posted, without asking whose form it was: for sign-in alone, where there is no session yet.
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field's text, trimmed; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// A field as it was typed, with the lines of a text area as `\n`.
    pub(crate) fn text(&self, name: &str) -> String {
        let raw = self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
        raw.replace("\r\n", "\n")
    }

    /// Every field of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// Whether a browser says that a page elsewhere made it post this (W3C "Fetch Metadata Request Headers").
pub(super) fn from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let visitor = request.extensions().get::<Visitor>().cloned().ok_or(Problem::Forbidden)?;
        if from_elsewhere(request.headers()) {
            return Err(Problem::Forbidden);
        }
        let body = Bytes::from_request(request, state).await.map_err(|_| Problem::TooLarge)?;
        let fields = Self::parse(&body);
        if bool::from(fields.get("csrf").as_bytes().ct_eq(visitor.csrf.as_bytes())) {
            Ok(fields)
        } else {
            Err(Problem::Stale)
        }
    }
}
