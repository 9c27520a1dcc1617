//! Reads a send request as strictly as Meta does, or a little more: what Meta would only ignore is refused as well,
//! because a field that nobody reads is a mistake of the sender's.

use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;

/// Instagram: UTF-8, 1000 bytes or less (Meta, "Send messages", read in 2026).
const TEXT_BYTES: usize = 1000;
const METADATA_CHARS: usize = 1000;
const QUICK_REPLIES: usize = 13;
/// Meta, "Quick replies": a longer title is cut; here it is refused.
const QUICK_REPLY_TITLE_CHARS: usize = 20;

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recipient {
    /// By IGSID.
    Person(String),
    /// The author of a comment, by a private reply.
    Comment(String),
}

/// A request that could be read.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) recipient: Recipient,
    pub(super) content: Content,
    pub(super) human_agent: bool,
    pub(super) reply_to: Option<String>,
}

impl Request {
    /// Whether a person wrote it, in the console of whoever is judged: their metadata says so.
    pub(super) fn by_person(&self) -> bool {
        matches!(&self.content, Content::Message { metadata: Some(metadata), .. } if metadata.ends_with(".person"))
    }
}

impl Request {
    /// Whether it tells somebody that their stop was heard: the metadata of whoever is judged says so.
    pub(super) fn is_confirmation(&self) -> bool {
        matches!(&self.content, Content::Message { metadata: Some(metadata), .. }
            if metadata.rsplit_once('.').is_some_and(|(_, class)| class == "stop"))
    }
}

/// What the request wants done.
#[derive(Debug)]
pub(super) enum Content {
    /// A message is to be delivered.
    Message { text: Option<String>, metadata: Option<String> },
    /// Typing, seen, a reaction.
    Action,
}

/// Why a request could not be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Malformed {
    pub(super) why: &'static str,
    pub(super) refusal: Refusal,
}

const fn malformed(why: &'static str) -> Malformed {
    Malformed { why, refusal: Refusal::BAD_PARAMETER }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    recipient: WireRecipient,
    message: Option<WireMessage>,
    messaging_type: Option<MessagingType>,
    tag: Option<Tag>,
    reply_to: Option<WireReplyTo>,
    sender_action: Option<SenderAction>,
    payload: Option<Value>,
    thread_control: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRecipient {
    id: Option<String>,
    comment_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireReplyTo {
    mid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMessage {
    text: Option<String>,
    attachment: Option<Attachment>,
    attachments: Option<Vec<Attachment>>,
    quick_replies: Option<Vec<QuickReply>>,
    metadata: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attachment {
    #[serde(rename = "type")]
    kind: AttachmentKind,
    payload: Option<Value>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AttachmentKind {
    Image,
    Audio,
    Video,
    File,
    Template,
    #[serde(rename = "MEDIA_SHARE", alias = "media_share")]
    MediaShare,
    #[serde(rename = "like_heart")]
    LikeHeart,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuickReply {
    content_type: QuickReplyKind,
    title: Option<String>,
    payload: Option<String>,
    #[serde(rename = "image_url")]
    _image_url: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum QuickReplyKind {
    Text,
    UserPhoneNumber,
    UserEmail,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MessagingType {
    Response,
    Update,
    MessageTag,
}

/// Other tags are an error since 2026-04-27 (Meta, "Message tags").
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Tag {
    HumanAgent,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SenderAction {
    TypingOn,
    TypingOff,
    MarkSeen,
    React,
    Unreact,
}

/// Reads a request's body.
pub(super) fn read(body: &[u8]) -> Result<Request, Malformed> {
    let value: Value = serde_json::from_slice(body).map_err(|_| malformed("not JSON"))?;
    let wire: Wire = serde_json::from_value(value)
        .map_err(|_| malformed("a field is missing, unknown, or of the wrong type or value"))?;
    let human_agent = match (wire.messaging_type, wire.tag) {
        (Some(MessagingType::MessageTag), Some(Tag::HumanAgent)) => true,
        (Some(MessagingType::Response | MessagingType::Update) | None, None) => false,
        (Some(MessagingType::MessageTag), None) => return Err(malformed("messaging_type MESSAGE_TAG without a tag")),
        (_, Some(Tag::HumanAgent)) => return Err(malformed("a tag without messaging_type MESSAGE_TAG")),
    };
    if wire.thread_control.as_ref().is_some_and(|v| !v.is_object()) {
        return Err(malformed("thread_control is no object"));
    }
    let recipient = match (wire.recipient.id, wire.recipient.comment_id) {
        (Some(id), None) => Recipient::Person(id),
        (None, Some(comment)) => Recipient::Comment(comment),
        (Some(_), Some(_)) | (None, None) => return Err(malformed("recipient needs exactly one of id and comment_id")),
    };
    let content = match (wire.message, wire.sender_action) {
        (Some(message), None) if wire.payload.is_none() => message.check()?,
        (Some(_), None) => return Err(malformed("payload belongs to a sender_action")),
        (None, Some(action)) => action.check(&recipient, wire.payload.as_ref())?,
        (Some(_), Some(_)) => return Err(malformed("sender_action beside a message")),
        (None, None) => return Err(malformed("neither message nor sender_action")),
    };
    Ok(Request { recipient, content, human_agent, reply_to: wire.reply_to.map(|r| r.mid) })
}

impl SenderAction {
    fn check(&self, recipient: &Recipient, payload: Option<&Value>) -> Result<Content, Malformed> {
        if matches!(recipient, Recipient::Comment(_)) {
            return Err(malformed("a sender_action cannot go to a comment"));
        }
        let names_message = payload.and_then(|p| p.get("message_id")).is_some_and(Value::is_string);
        match self {
            SenderAction::React | SenderAction::Unreact if !names_message => {
                Err(malformed("a reaction needs payload.message_id"))
            }
            SenderAction::TypingOn
            | SenderAction::TypingOff
            | SenderAction::MarkSeen
            | SenderAction::React
            | SenderAction::Unreact => Ok(Content::Action),
        }
    }
}

impl WireMessage {
    fn check(self) -> Result<Content, Malformed> {
        let attachments: Vec<Attachment> =
            self.attachment.into_iter().chain(self.attachments.unwrap_or_default()).collect();
        match (&self.text, attachments.is_empty()) {
            (Some(text), true) => check_text(text)?,
            (None, false) => check_attachments(&attachments)?,
            (Some(_), false) => return Err(malformed("text beside attachments")),
            (None, true) => return Err(Malformed { why: "an empty message", refusal: Refusal::EMPTY_MESSAGE }),
        }
        if self.metadata.as_ref().is_some_and(|m| m.chars().count() > METADATA_CHARS) {
            return Err(malformed("metadata is longer than 1000 characters"));
        }
        let quick = self.quick_replies.unwrap_or_default();
        if quick.len() > QUICK_REPLIES {
            return Err(malformed("more than 13 quick replies"));
        }
        if quick.iter().any(|q| q.content_type == QuickReplyKind::Text && (q.title.is_none() || q.payload.is_none())) {
            return Err(malformed("a text quick reply needs title and payload"));
        }
        if quick.iter().any(|q| q.title.as_deref().is_some_and(|t| t.chars().count() > QUICK_REPLY_TITLE_CHARS)) {
            return Err(malformed("the title of a quick reply is longer than 20 characters"));
        }
        Ok(Content::Message { text: self.text, metadata: self.metadata })
    }
}

fn check_text(text: &str) -> Result<(), Malformed> {
    if text.trim().is_empty() {
        return Err(Malformed { why: "an empty text", refusal: Refusal::EMPTY_MESSAGE });
    }
    if text.len() > TEXT_BYTES {
        return Err(Malformed { why: "a text of more than 1000 bytes", refusal: Refusal::BAD_MESSAGE });
    }
    Ok(())
}

fn check_attachments(attachments: &[Attachment]) -> Result<(), Malformed> {
    const BAD: Malformed =
        Malformed { why: "an attachment that Instagram does not take", refusal: Refusal::BAD_MESSAGE };
    let images = attachments.iter().filter(|a| a.kind == AttachmentKind::Image).count();
    if images > 10 || (attachments.len() > 1 && images != attachments.len()) {
        return Err(BAD);
    }
    for attachment in attachments {
        match (&attachment.kind, &attachment.payload) {
            (AttachmentKind::Template, Some(Value::Object(payload))) => {
                let elements = payload.get("elements").and_then(Value::as_array);
                let fits = elements.is_none_or(|elements| {
                    let buttons = |e: &Value| e.get("buttons").and_then(Value::as_array).map_or(0, Vec::len);
                    (1..=10).contains(&elements.len()) && elements.iter().all(|e| buttons(e) <= 3)
                });
                if !fits || !payload.contains_key("template_type") {
                    return Err(BAD);
                }
            }
            (AttachmentKind::LikeHeart, None)
            | (
                AttachmentKind::Image
                | AttachmentKind::Audio
                | AttachmentKind::Video
                | AttachmentKind::File
                | AttachmentKind::MediaShare,
                Some(Value::Object(_)),
            ) => {}
            _ => return Err(BAD),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_refused() {
        let long = format!(r#"{{"recipient":{{"id":"1"}},"message":{{"text":"{}"}}}}"#, "ä".repeat(501));
        let fits = format!(r#"{{"recipient":{{"id":"1"}},"message":{{"text":"{}"}}}}"#, "ä".repeat(500));
        for (body, refused) in [
            (r#"{"recipient":{"id":"1"},"message":{"text":"hi"}}"#, None),
            (r#"{"recipient":{"comment_id":"1"},"message":{"text":"hi","metadata":"x"}}"#, None),
            (
                r#"{"recipient":{"id":"1"},"messaging_type":"RESPONSE","message":{"text":"hi"},"reply_to":{"mid":"m"}}"#,
                None,
            ),
            (
                r#"{"recipient":{"id":"1"},"messaging_type":"MESSAGE_TAG","tag":"HUMAN_AGENT","message":{"text":"hi"}}"#,
                None,
            ),
            (
                r#"{"recipient":{"id":"1"},"message":{"attachment":{"type":"image","payload":{"url":"https://a"}}}}"#,
                None,
            ),
            (r#"{"recipient":{"id":"1"},"sender_action":"typing_on"}"#, None),
            (fits.as_str(), None),
            (long.as_str(), Some(Some(2_534_015))),
            (r#"{"recipient":{"id":"1"},"message":{"text":" "}}"#, Some(Some(2_018_032))),
            (r#"{"recipient":{"id":"1"},"message":{}}"#, Some(Some(2_018_032))),
            ("not json", Some(None)),
            (r#"{"message":{"text":"hi"}}"#, Some(None)),
            (r#"{"recipient":{"id":1},"message":{"text":"hi"}}"#, Some(None)),
            (r#"{"recipient":{"id":"1","comment_id":"2"},"message":{"text":"hi"}}"#, Some(None)),
            (r#"{"recipient":{"id":"1"},"message":{"text":"hi","colour":"red"}}"#, Some(None)),
            (r#"{"recipient":{"id":"1"},"message":{"text":"hi"},"sender_action":"typing_on"}"#, Some(None)),
            (r#"{"recipient":{"id":"1"},"tag":"HUMAN_AGENT","message":{"text":"hi"}}"#, Some(None)),
            (
                r#"{"recipient":{"id":"1"},"messaging_type":"MESSAGE_TAG","tag":"ACCOUNT_UPDATE","message":{"text":"a"}}"#,
                Some(None),
            ),
            (r#"{"recipient":{"id":"1"},"sender_action":"react"}"#, Some(None)),
        ] {
            let got = read(body.as_bytes()).err().map(|m| m.refusal.subcode);
            assert_eq!(got, refused, "{body}");
        }
    }
}
