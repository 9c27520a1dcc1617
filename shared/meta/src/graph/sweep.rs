//! What was said lately, for finding what webhooks missed: conversations that moved, and their messages.
//!
//! Source: Meta, "Conversations API" (Instagram messaging), as read in 2026: conversations come with the latest first;
//! details are given for the 20 latest messages of each; `story` tells what a message answers or mentions.

use afterglow_domain::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{GraphAccount, GraphClient, NoAnswer};
use super::conversation::{ReadError, graph_time};
use super::errors::GraphError;

/// A conversation that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedConversation {
    /// Meta's id of it.
    pub id: String,
    /// When something was last said in it.
    pub updated: Timestamp,
}

/// A page of conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationPage {
    /// The latest first.
    pub conversations: Vec<MovedConversation>,
    /// Where the next page begins.
    pub after: Option<String>,
}

/// A message as the Graph API tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct SweptMessage {
    /// Meta's message id.
    pub mid: String,
    /// Who wrote it.
    pub from: String,
    /// To whom.
    pub to: Option<String>,
    /// When; Meta gives whole seconds.
    pub created: Timestamp,
    text: Option<String>,
    story: Option<Value>,
}

impl SweptMessage {
    /// The message as a webhook body, so that it goes through the same door as any other.
    pub fn as_webhook(&self, object: &str, account: &str) -> Vec<u8> {
        let mut message = json!({ "mid": self.mid });
        if let Some(text) = &self.text {
            message["text"] = json!(text);
        }
        let part = |name: &str| self.story.as_ref().and_then(|story| story.get(name));
        if let Some(answered) = part("reply_to") {
            message["reply_to"] = json!({ "story": { "id": answered["id"], "url": answered["link"] } });
        }
        if let Some(mentioned) = part("mention") {
            message["attachments"] = json!([{ "type": "story_mention", "payload": { "url": mentioned["link"] } }]);
        }
        if self.from == account {
            message["is_echo"] = json!(true);
        }
        let recipient = self.to.as_deref().unwrap_or(account);
        let item = json!({
            "sender": { "id": self.from }, "recipient": { "id": recipient },
            "timestamp": self.created.millis(), "message": message,
        });
        json!({ "object": object, "entry": [{ "id": account, "messaging": [item] }] }).to_string().into_bytes()
    }
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Listing<T> {
    #[serde(default = "Vec::new")]
    pub(super) data: Vec<T>,
    #[serde(default)]
    paging: Option<Paging>,
}

impl<T> Listing<T> {
    /// Where the next page begins; `None` if this is the last.
    pub(super) fn after(&self) -> Option<String> {
        let paging = self.paging.as_ref().filter(|paging| paging.next.is_some())?;
        paging.cursors.as_ref()?.after.clone()
    }
}

#[derive(Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Option<Cursors>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
struct ConversationItem {
    id: String,
    updated_time: String,
}

#[derive(Deserialize)]
struct WithMessages {
    #[serde(default)]
    messages: Option<Listing<MessageItem>>,
}

#[derive(Deserialize)]
struct MessageItem {
    id: String,
    created_time: String,
    #[serde(default)]
    from: Option<Party>,
    #[serde(default)]
    to: Option<Listing<Party>>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    story: Option<Value>,
}

#[derive(Deserialize)]
struct Party {
    #[serde(default)]
    id: Option<String>,
}

impl GraphClient {
    /// A page of an account's conversations, the latest first. Counts against the limit of two reads a second.
    pub async fn conversations(
        &self,
        account: &GraphAccount<'_>,
        after: Option<&str>,
    ) -> Result<ConversationPage, ReadError> {
        let mut query = vec![("platform", "instagram"), ("fields", "id,updated_time"), ("limit", "50")];
        query.extend(after.map(|after| ("after", after)));
        let page: Listing<ConversationItem> =
            self.read_page(account, account.id.as_str(), "conversations", &query).await?;
        let after = page.after();
        let conversations = page
            .data
            .into_iter()
            .map(|item| MovedConversation { updated: graph_time(&item.updated_time).unwrap_or_default(), id: item.id });
        Ok(ConversationPage { conversations: conversations.collect(), after })
    }

    /// The latest messages of a conversation, at most 20. Counts against the limit of two reads a second.
    pub async fn messages(
        &self,
        account: &GraphAccount<'_>,
        conversation: &str,
    ) -> Result<Vec<SweptMessage>, ReadError> {
        let query = [("fields", "messages.limit(20){id,created_time,from,to,message,story}")];
        let found: WithMessages = self.read_page(account, conversation, "", &query).await?;
        let message = |item: MessageItem| {
            let first = |page: Listing<Party>| page.data.into_iter().find_map(|party| party.id);
            Some(SweptMessage {
                from: item.from?.id?,
                to: item.to.and_then(first),
                created: graph_time(&item.created_time)?,
                text: item.message.filter(|text| !text.is_empty()),
                story: item.story,
                mid: item.id,
            })
        };
        let messages = found.messages.map(|page| page.data).unwrap_or_default();
        Ok(messages.into_iter().filter_map(message).collect())
    }

    pub(super) async fn read_page<T: for<'de> Deserialize<'de>>(
        &self,
        account: &GraphAccount<'_>,
        node: &str,
        edge: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ReadError> {
        let answer = self.get_node(account, node, edge, query).await.map_err(|error| match error {
            NoAnswer::NotConnected(error) | NoAnswer::InDoubt(error) => ReadError::Unavailable(error.to_string()),
            NoAnswer::TooLong => ReadError::Strange,
        })?;
        if !(200..300).contains(&answer.status) {
            return Err(match GraphError::read(answer.status, &answer.body, account.token.expose_secret()) {
                Some(error) if answer.status < 500 => ReadError::Refused(error),
                _ => ReadError::Unavailable(format!("status {}", answer.status)),
            });
        }
        serde_json::from_slice(&answer.body).map_err(|_| ReadError::Strange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swept_message_is_the_webhook_that_was_missed() {
        let swept = SweptMessage {
            mid: "m1".into(),
            from: "7".into(),
            to: Some("1".into()),
            created: Timestamp::from_millis(1_700_000_000_000),
            text: Some("Love it".into()),
            story: Some(json!({ "reply_to": { "id": "s1", "link": "https://x" } })),
        };
        let body: Value = serde_json::from_slice(&swept.as_webhook("instagram", "1")).unwrap();
        let item = &body["entry"][0]["messaging"][0];
        assert_eq!(item["message"]["reply_to"]["story"]["id"], "s1");
        assert_eq!((item["sender"]["id"].as_str(), item["recipient"]["id"].as_str()), (Some("7"), Some("1")));
        assert!(item["message"].get("is_echo").is_none());
        let ours = SweptMessage { from: "1".into(), to: Some("7".into()), story: None, ..swept };
        let body: Value = serde_json::from_slice(&ours.as_webhook("instagram", "1")).unwrap();
        assert_eq!(body["entry"][0]["messaging"][0]["message"]["is_echo"], true);
    }
}
