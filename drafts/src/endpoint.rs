//! An OpenAI-compatible chat endpoint: one call, one answer, nothing trusted.
//!
//! The form: `POST {base}/chat/completions` with `model`, `messages`, `max_tokens`, `temperature`; answered by
//! `choices[0].message.content`, `choices[0].finish_reason`, `usage` (the "chat completions" of the `OpenAI` API reference, which
//! vLLM, llama.cpp, Ollama, Mistral and others also speak).

use std::time::Duration;

use afterglow_runtime::{Secret, http_client};
use reqwest::{Client, Response, StatusCode, Url, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{EndpointError, SettingsError, prompt::ChatMessage};

/// Where drafts come from.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// The address up to and without `/chat/completions`, such as `https://api.example.com/v1`.
    pub base_url: String,
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// Sent as a bearer token, if there is one.
    pub api_key: Option<Secret>,
    /// For the whole exchange, until the last byte.
    pub timeout: Duration,
    /// Bytes of an answer that are read.
    pub max_body_bytes: usize,
    /// Tokens that an answer may take.
    pub max_output_tokens: u32,
}

impl EndpointSettings {
    /// An endpoint with the usual limits: 20 s, which leaves room in the 30 s within which Meta wants an answer; 256 KiB,
    /// a hundred times what an answer takes; 400 tokens, enough for 1000 bytes in any of the languages.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            timeout: Duration::from_secs(20),
            max_body_bytes: 256 * 1024,
            max_output_tokens: 400,
        }
    }
}

pub(crate) struct Endpoint {
    client: Client,
    url: Url,
    settings: EndpointSettings,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) content: String,
    pub(crate) finish_reason: Option<String>,
    /// Tokens in and out, as far as the endpoint told.
    pub(crate) usage: Option<(u64, u64)>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    max_tokens: u32,
    temperature: f32,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Endpoint {
    pub(crate) fn new(settings: EndpointSettings) -> Result<Self, SettingsError> {
        let base = settings.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/chat/completions")).map_err(|e| SettingsError::Url(Box::new(e)))?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(SettingsError::Plain);
        }
        Ok(Self { client: http_client(settings.timeout)?, url, settings })
    }

    pub(crate) const fn max_output_tokens(&self) -> u32 {
        self.settings.max_output_tokens
    }

    pub(crate) async fn complete(&self, messages: &[ChatMessage]) -> Result<Completion, EndpointError> {
        let body = Body {
            model: &self.settings.model,
            messages,
            max_tokens: self.settings.max_output_tokens,
            temperature: 0.2,
        };
        let mut request = self.client.post(self.url.clone()).header(header::ACCEPT, "application/json").json(&body);
        if let Some(key) = &self.settings.api_key {
            request = request.bearer_auth(key.get().expose_secret());
        }
        let response = request.send().await.map_err(failure)?;
        check_head(&response)?;
        let answer: Answer = serde_json::from_slice(&read(response, self.settings.max_body_bytes).await?)
            .map_err(EndpointError::Shape)?;
        let usage = answer.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
        let choice = answer.choices.into_iter().next().ok_or(EndpointError::NoChoice)?;
        let content = choice.message.content.ok_or(EndpointError::NoChoice)?;
        Ok(Completion { content, finish_reason: choice.finish_reason, usage })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

fn check_head(response: &Response) -> Result<(), EndpointError> {
    let status = response.status();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if status == StatusCode::TOO_MANY_REQUESTS {
        // The other form of Retry-After, a date, would need a clock; it counts as none
        let seconds = text(header::RETRY_AFTER).trim().parse::<i64>().ok().filter(|seconds| *seconds >= 0);
        return Err(EndpointError::TooMany { retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1000)) });
    }
    if status != StatusCode::OK {
        return Err(EndpointError::Status { status: status.as_u16() });
    }
    let content_type = text(header::CONTENT_TYPE);
    if content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(EndpointError::NotJson { content_type: content_type.chars().take(100).collect() })
}

/// Reads by pieces, so that what is too large is never held.
async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, EndpointError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failure)? {
        if body.len() + piece.len() > limit {
            return Err(EndpointError::TooLarge { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn failure(error: reqwest::Error) -> EndpointError {
    // The address is in the settings already, and may hold what should not be logged
    if error.is_timeout() { EndpointError::Timeout } else { EndpointError::Connection(error.without_url()) }
}
