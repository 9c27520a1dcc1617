//! What was said lately, for sends of unknown fate.

use afterglow_domain::{Timestamp, ViewerId};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::client::{GraphAccount, GraphClient, NoAnswer};
use super::errors::GraphError;

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadMessage {
    /// Meta's id.
    pub id: String,
    /// Who wrote it: the account's id or the person's.
    pub from: Option<String>,
    /// What was written.
    pub text: Option<String>,
    /// When; Meta gives whole seconds.
    pub created: Timestamp,
}

/// The conversation could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No answer, or one of Meta's own faults: try again later.
    #[error("Meta gives no answer: {0}")]
    Unavailable(String),
    /// Meta refuses; the class says what to do.
    #[error("Meta refuses to show the conversation: {0}")]
    Refused(GraphError),
    /// The answer is not what the documentation shows.
    #[error("the answer is no conversation")]
    Strange,
}

#[derive(Deserialize)]
struct Conversations {
    #[serde(default)]
    data: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    #[serde(default)]
    messages: Option<Messages>,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    data: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    created_time: String,
    #[serde(default)]
    from: Option<From>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    id: Option<String>,
}

impl GraphClient {
    /// The latest messages with one person, latest first, at most `limit`. Meta allows 2 such calls a second and account
    /// (Meta, "Messenger Platform rate limits", 2026-03-23).
    pub async fn recent_messages(
        &self,
        account: &GraphAccount<'_>,
        viewer: &ViewerId,
        limit: u32,
    ) -> Result<Vec<ThreadMessage>, ReadError> {
        let fields = format!("messages.limit({limit}){{id,created_time,from,to,message}}");
        let fields = if limit == 0 { "messages{id,created_time,from,to,message}" } else { fields.as_str() };
        let query = [("platform", "instagram"), ("user_id", viewer.as_str()), ("fields", fields)];
        let answer = self.get(account, "conversations", &query).await.map_err(|error| match error {
            NoAnswer::NotConnected(error) | NoAnswer::InDoubt(error) => ReadError::Unavailable(error.to_string()),
            NoAnswer::TooLong => ReadError::Strange,
        })?;
        if !(200..300).contains(&answer.status) {
            return Err(match GraphError::read(answer.status, &answer.body, account.token.expose_secret()) {
                Some(error) if answer.status < 500 => ReadError::Refused(error),
                _ => ReadError::Unavailable(format!("status {}", answer.status)),
            });
        }
        let conversations: Conversations = serde_json::from_slice(&answer.body).map_err(|_| ReadError::Strange)?;
        let lines = conversations.data.into_iter().filter_map(|conversation| conversation.messages);
        let message = |line: Line| ThreadMessage {
            id: line.id,
            from: line.from.and_then(|from| from.id),
            text: line.message,
            created: graph_time(&line.created_time).unwrap_or_default(),
        };
        Ok(lines.flat_map(|messages| messages.data).map(message).collect())
    }
}

/// `2026-01-31T12:00:00+0000`, as the Graph API writes times.
pub(super) fn graph_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{}Z", text.strip_suffix("+0000")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_both_forms() {
        let at = Timestamp::parse("2026-01-31T12:00:00Z");
        assert!(at.is_some());
        assert_eq!(graph_time("2026-01-31T12:00:00+0000"), at);
        assert_eq!(graph_time("2026-01-31T12:00:00Z"), at);
        assert_eq!(graph_time("yesterday"), None);
    }
}
