//! The Send API, and what its answers mean.

use afterglow_domain::{HumanAgent, QuickReplyButton, ViewerId};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::client::{GraphAccount, GraphClient, NoAnswer};
use super::errors::{ErrorClass, GraphError};
use super::usage::Usage;

/// To whom.
#[derive(Debug, Clone, Copy)]
pub enum Recipient<'a> {
    /// A person with an open conversation.
    Person(&'a ViewerId),
    /// Whoever wrote the comment: a private reply.
    Comment(&'a str),
}

/// What is said.
#[derive(Debug, Clone, Copy)]
pub struct SendMessage<'a> {
    /// To whom.
    pub recipient: Recipient<'a>,
    /// UTF-8, at most 1000 bytes.
    pub text: &'a str,
    /// What can be tapped below it, at most 13.
    pub quick_replies: &'a [QuickReplyButton],
    /// Comes back in the echo: by it a send is known again. At most 1000 characters.
    pub metadata: &'a str,
    /// For a person's answer after the standard window.
    pub tag: Option<HumanAgent>,
}

/// What became of a send, as far as the answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Meta took the message.
    Sent {
        /// Meta's id of it.
        message_id: String,
        /// Whom it went to.
        recipient_id: Option<String>,
    },
    /// It is certain that nothing went out.
    Refused(GraphError),
    /// It may have gone out.
    Unknown {
        /// What happened, without secrets.
        why: String,
    },
}

/// A send's outcome with what the answer told of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReport {
    /// What became of it.
    pub outcome: SendOutcome,
    /// How much of the limits is used.
    pub usage: Usage,
}

#[derive(Deserialize)]
struct Taken {
    message_id: String,
    #[serde(default)]
    recipient_id: Option<String>,
}

impl GraphClient {
    /// Asks Meta to send, once.
    pub async fn send(&self, account: &GraphAccount<'_>, message: &SendMessage<'_>) -> SendReport {
        let recipient = match message.recipient {
            Recipient::Person(viewer) => json!({ "id": viewer }),
            Recipient::Comment(comment) => json!({ "comment_id": comment }),
        };
        let mut body = json!({
            "recipient": recipient,
            "message": { "text": message.text, "metadata": message.metadata },
        });
        if !message.quick_replies.is_empty() {
            let button = |b: &QuickReplyButton| json!({"content_type": "text", "title": b.title, "payload": b.payload});
            body["message"]["quick_replies"] = message.quick_replies.iter().map(button).collect();
        }
        if message.tag.is_some() {
            body["messaging_type"] = json!("MESSAGE_TAG");
            body["tag"] = json!("HUMAN_AGENT");
        }
        match self.post(account, "messages", &body).await {
            Ok(answer) => {
                let outcome = outcome_of(answer.status, &answer.body, account.token.expose_secret());
                SendReport { outcome, usage: answer.usage }
            }
            Err(NoAnswer::NotConnected(error)) => SendReport {
                outcome: SendOutcome::Refused(GraphError::not_connected(&error.to_string())),
                usage: Usage::default(),
            },
            Err(error @ (NoAnswer::InDoubt(_) | NoAnswer::TooLong)) => {
                SendReport { outcome: SendOutcome::Unknown { why: chain(&error) }, usage: Usage::default() }
            }
        }
    }
}

/// What an answer to a send means. Meta's own faults (5xx, codes 1 and 2, 1357046, pages of HTML) say nothing about
/// whether the message went out: sends that "failed" with them have been seen to arrive.
fn outcome_of(status: u16, body: &[u8], token: &str) -> SendOutcome {
    if (200..300).contains(&status) {
        return match serde_json::from_slice::<Taken>(body) {
            Ok(Taken { message_id, recipient_id }) if !message_id.is_empty() => {
                SendOutcome::Sent { message_id, recipient_id }
            }
            _ => SendOutcome::Unknown { why: format!("status {status} without a message id") },
        };
    }
    match GraphError::read(status, body, token) {
        Some(error) if error.class == ErrorClass::InDoubt || status >= 500 => SendOutcome::Unknown {
            why: format!(
                "status {status}, code {}{}: {}",
                error.code.unwrap_or_default(),
                error.subcode_text(),
                error.message
            ),
        },
        Some(error) => SendOutcome::Refused(error),
        None => SendOutcome::Unknown { why: format!("status {status} without an error that can be read") },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_only_when_it_is_certain() {
        let error = |code: u32, subcode: u32| {
            format!(r#"{{"error":{{"message":"x","type":"OAuthException","code":{code},"error_subcode":{subcode}}}}}"#)
        };
        for (status, body, refused) in [
            (400, error(10, 2_534_022), true),
            (400, error(190, 0), true),
            (400, error(613, 2_534_040), true),
            (400, error(424_242, 0), true),
            (400, error(1, 1_357_046), false),
            (400, error(1, 0), false),
            (400, error(2, 0), false),
            (500, error(10, 2_534_022), false),
            (503, error(2, 0), false),
            (502, "<html>Bad gateway</html>".into(), false),
            (400, "<html></html>".into(), false),
            (400, String::new(), false),
            (200, String::new(), false),
            (200, "{}".into(), false),
            (200, r#"{"message_id":""}"#.into(), false),
            (302, String::new(), false),
        ] {
            let outcome = outcome_of(status, body.as_bytes(), "t0ken");
            assert_eq!(matches!(outcome, SendOutcome::Refused(_)), refused, "{status} {body}: {outcome:?}");
            assert!(!matches!(outcome, SendOutcome::Sent { .. }), "{status} {body}");
        }
        let taken = outcome_of(200, br#"{"recipient_id":"1","message_id":"m1"}"#, "t0ken");
        assert_eq!(taken, SendOutcome::Sent { message_id: "m1".into(), recipient_id: Some("1".into()) });
    }

    #[test]
    fn a_token_in_an_error_is_not_repeated() {
        let body = br#"{"error":{"message":"Malformed access token IGQt0ken","code":190}}"#;
        let SendOutcome::Refused(error) = outcome_of(400, body, "IGQt0ken") else { panic!("refused") };
        assert_eq!(error.message, "Malformed access token [redacted]");
        assert_eq!(error.class, ErrorClass::TokenInvalid);
    }
}
