//! Why there is no draft.

use crate::{BudgetExceeded, Open, Refusal};

/// Why there is no draft. In every case a person answers.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The brand's budget has no room.
    #[error("no budget")]
    Budget(#[from] BudgetExceeded),
    /// The endpoint is left alone for now.
    #[error("no call made")]
    Breaker(#[from] Open),
    /// The question is larger than what may be sent.
    #[error("the {what} has {bytes} bytes, of {limit} at most")]
    AskTooLarge {
        /// Which part of the question.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// There are no facts on which a draft could rest, or nothing to answer.
    #[error("there is no {0}")]
    NothingToDraft(&'static str),
    /// The endpoint could not be called, or did not answer in time.
    #[error("the endpoint gave no answer")]
    Endpoint(#[from] EndpointError),
    /// The model answered in another form than it was told to.
    #[error("the model did not keep to the form: {0}")]
    Form(&'static str),
    /// The model said that the facts do not answer the message.
    #[error("the facts do not answer the message")]
    NotInFacts,
    /// The model's answer broke off, or was filtered.
    #[error("the model's answer ended with {finish_reason:?}")]
    Unfinished {
        /// The endpoint's word for why.
        finish_reason: String,
    },
    /// The draft says what it must not.
    #[error("the draft was refused: {}", list(.0))]
    Refused(Vec<Refusal>),
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why an endpoint gave no usable answer. Each of these is a failure in the breaker's eyes.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No answer in time.
    #[error("it took too long")]
    Timeout,
    /// No connection, or a broken one.
    #[error("the connection failed")]
    Connection(#[source] reqwest::Error),
    /// It has too much to do, or too much was asked of it.
    #[error("it has too many requests")]
    TooMany {
        /// How long it asked to be left alone, in ms.
        retry_after_ms: Option<i64>,
    },
    /// It answered with an error.
    #[error("it answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// It answered with something that is no JSON.
    #[error("it answered with {content_type:?} instead of JSON")]
    NotJson {
        /// What it said it was.
        content_type: String,
    },
    /// It answered with more than is read.
    #[error("it answered with more than {limit} bytes")]
    TooLarge {
        /// Bytes that are read.
        limit: usize,
    },
    /// It answered with JSON of another shape.
    #[error("its JSON is no chat completion")]
    Shape(#[source] serde_json::Error),
    /// It answered with no choice.
    #[error("its answer holds no choice")]
    NoChoice,
}

/// The settings of an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a URL.
    #[error("the address is no URL")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Viewers' words and the key would cross the network in the clear.
    #[error("the address has to begin with https, unless it is this machine's own")]
    Plain,
    /// The client cannot be built.
    #[error(transparent)]
    Client(#[from] afterglow_runtime::HttpClientError),
}
