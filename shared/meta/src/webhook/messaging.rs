//! Items of `messaging[]` and `standby[]`.

use afterglow_domain::{
    Attachment, Body, Handover, Message, MessageEdit, OptIn, PolicyEnforcement, Postback, Reaction, Referral, ReplyTo,
    Seen, Unsend,
};
use serde_json::Value;

use super::lenient::{flag, get, id_at, integer, party, text, time};
use super::{Frame, NotUnderstood, Parsed, ids};

/// The item's members that say what it is, with the function that reads each.
type Reader = fn(&Item<'_>, &Value) -> Result<Parsed, NotUnderstood>;
const READERS: [(&str, Reader); 15] = [
    ("message", message),
    ("message_edit", message_edit),
    ("reaction", reaction),
    ("postback", postback),
    ("read", |item, value| receipt(item, value, "seen")),
    ("delivery", |item, value| receipt(item, value, "delivered")),
    ("optin", opt_in),
    ("pass_thread_control", |item, value| handover(item, value, "pass")),
    ("take_thread_control", |item, value| handover(item, value, "take")),
    ("request_thread_control", |item, value| handover(item, value, "request")),
    ("app_roles", app_roles),
    ("policy-enforcement", policy_enforcement),
    ("policy_enforcement", policy_enforcement),
    ("account_linking", account_linking),
    // Last: a message or postback may carry a referral of its own.
    ("referral", referral_alone),
];

struct Item<'a> {
    frame: &'a Frame<'a>,
    value: &'a Value,
}

pub(super) fn read(frame: &Frame<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let item = Item { frame, value };
    for (member, reader) in READERS {
        match get(value, member) {
            Value::Null => {}
            found @ Value::Object(_) => return reader(&item, found),
            _ => return Err(NotUnderstood::shape(format!("{member} is no object"))),
        }
    }
    Err(NotUnderstood::field("a messaging item of no known kind"))
}

impl Item<'_> {
    /// The person's side of the conversation. For an echo that is the recipient; some samples of Meta's have it the
    /// other way round, so the account's own id is never taken for a person.
    fn viewer(&self, is_echo: bool) -> Result<String, NotUnderstood> {
        let (first, second) = if is_echo { ("recipient", "sender") } else { ("sender", "recipient") };
        let is_person = |id: &String| id != self.frame.account;
        party(self.value, first)
            .filter(is_person)
            .or_else(|| party(self.value, second).filter(is_person).filter(|_| is_echo || self.is_from_account()))
            .ok_or_else(|| NotUnderstood::shape("nobody is named as the other side"))
    }

    fn is_from_account(&self) -> bool {
        party(self.value, "sender").is_some_and(|sender| sender == self.frame.account)
    }

    /// The item's own time as Meta wrote it, for ids: absent is absent.
    fn stamp(&self) -> Option<String> {
        time(get(self.value, "timestamp")).map(|t| t.millis().to_string())
    }

    fn parsed(&self, family: &str, parts: &[Option<&str>], viewer: Option<String>, body: Body) -> Parsed {
        Parsed {
            id: ids::derive(self.frame, family, parts),
            viewer,
            username: None,
            occurred: time(get(self.value, "timestamp")),
            body,
        }
    }

    fn is_self(&self, inner: &Value) -> bool {
        flag(self.value, "is_self") || flag(inner, "is_self")
    }
}

fn mid(value: &Value) -> Result<String, NotUnderstood> {
    id_at(value, "mid").ok_or_else(|| NotUnderstood::shape("no mid"))
}

fn message(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let mid = mid(value)?;
    let is_echo = flag(value, "is_echo") || item.is_from_account();
    let viewer = item.viewer(is_echo)?;
    if flag(value, "is_deleted") {
        return Ok(item.parsed("unsend", &[Some(&mid)], Some(viewer), Body::Unsend(Unsend { mid: mid.clone() })));
    }
    let message = Message {
        text: text(value, "text"),
        attachments: attachments(value),
        reply_to: reply_to(get(value, "reply_to")),
        quick_reply_payload: text(get(value, "quick_reply"), "payload"),
        referral: referral(get(value, "referral")),
        app_id: id_at(value, "app_id"),
        metadata: text(value, "metadata"),
        is_unsupported: flag(value, "is_unsupported"),
        mid: mid.clone(),
    };
    let mentions_story = message.attachments.iter().any(|a| a.kind == "story_mention");
    let body = if item.is_self(value) {
        Body::SelfMessage(message)
    } else if is_echo {
        Body::MessageSent(message)
    } else if get(value, "quick_reply").is_object() {
        Body::QuickReply(message)
    } else if matches!(message.reply_to, Some(ReplyTo::Story { .. })) {
        Body::StoryReply(message)
    } else if mentions_story {
        Body::StoryMention(message)
    } else {
        Body::Message(message)
    };
    let direction = if is_echo { "out" } else { "in" };
    Ok(item.parsed("message", &[Some(direction), Some(&mid)], Some(viewer), body))
}

/// One entry per thing shared: from November 2025 to February 2026 a shared post came twice, as `share` and as
/// `ig_post` of one media id (Meta, "Webhooks: new").
fn attachments(message: &Value) -> Vec<Attachment> {
    let all: Vec<Attachment> = get(message, "attachments").as_array().into_iter().flatten().map(attachment).collect();
    let is_twin = |a: &Attachment| {
        a.kind == "share"
            && a.media_id.is_some()
            && all.iter().any(|other| other.kind == "ig_post" && other.media_id == a.media_id)
    };
    all.iter().filter(|a| !is_twin(a)).cloned().collect()
}

fn attachment(value: &Value) -> Attachment {
    let payload = get(value, "payload");
    Attachment {
        kind: text(value, "type").unwrap_or_else(|| "unknown".into()),
        url: text(payload, "url").or_else(|| text(value, "url")),
        title: text(payload, "title").or_else(|| text(value, "title")),
        media_id: ["ig_post_media_id", "reel_video_id", "sticker_id", "id"].iter().find_map(|key| id_at(payload, key)),
    }
}

fn reply_to(value: &Value) -> Option<ReplyTo> {
    let story = get(value, "story");
    if let Some(id) = id_at(story, "id") {
        return Some(ReplyTo::Story { id, url: text(story, "url") });
    }
    id_at(value, "mid").map(ReplyTo::Message)
}

fn referral(value: &Value) -> Option<Referral> {
    value.is_object().then(|| Referral {
        reference: text(value, "ref"),
        source: text(value, "source"),
        kind: text(value, "type"),
        ad_id: id_at(value, "ad_id"),
    })
}

fn message_edit(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let mid = mid(value)?;
    let num_edit = integer(get(value, "num_edit")).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let viewer = item.viewer(item.is_from_account())?;
    let edit = MessageEdit { mid: mid.clone(), text: text(value, "text"), num_edit };
    Ok(item.parsed("edit", &[Some(&mid), Some(&num_edit.to_string())], Some(viewer), Body::MessageEdit(edit)))
}

fn reaction(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let mid = mid(value)?;
    let viewer = item.viewer(item.is_from_account())?;
    let details = Reaction { mid: mid.clone(), reaction: text(value, "reaction"), emoji: text(value, "emoji") };
    let (action, body) = match text(value, "action").as_deref() {
        Some("react") => ("react", Body::Reaction(details.clone())),
        Some("unreact") => ("unreact", Body::ReactionRemoved(details.clone())),
        _ => return Err(NotUnderstood::shape("a reaction neither set nor removed")),
    };
    let what = details.emoji.or(details.reaction);
    let parts = [Some(viewer.as_str()), Some(&mid), Some(action), what.as_deref(), item.stamp().as_deref()]
        .map(|p| p.map(ToOwned::to_owned));
    let parts: Vec<Option<&str>> = parts.iter().map(Option::as_deref).collect();
    Ok(item.parsed("reaction", &parts, Some(viewer.clone()), body))
}

fn postback(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let stamp = item.stamp();
    if item.is_self(value) {
        let mid = id_at(value, "mid").unwrap_or_default();
        let message = Message { mid: mid.clone(), text: text(value, "title"), ..Message::default() };
        let parts = [Some("self"), Some(mid.as_str()), stamp.as_deref()];
        return Ok(item.parsed("postback", &parts, Some(item.viewer(false)?), Body::SelfMessage(message)));
    }
    let details = Postback {
        mid: id_at(value, "mid"),
        title: text(value, "title"),
        payload: text(value, "payload"),
        referral: referral(get(value, "referral")),
    };
    // The chat plugin names a guest by a reference only: kept, but nobody who could be written to.
    let guest = id_at(get(item.value, "sender"), "user_ref");
    let viewer = if guest.is_some() { None } else { Some(item.viewer(false)?) };
    let who = viewer.clone().or(guest);
    let what = details.payload.clone().or_else(|| details.title.clone());
    let parts = match &details.mid {
        Some(mid) => vec![Some(mid.as_str())],
        None => vec![None, who.as_deref(), stamp.as_deref(), what.as_deref()],
    };
    Ok(item.parsed("postback", &parts, viewer.clone(), Body::Postback(details.clone())))
}

fn receipt(item: &Item<'_>, value: &Value, family: &str) -> Result<Parsed, NotUnderstood> {
    let many = get(value, "mids").as_array().into_iter().flatten().filter_map(super::lenient::id);
    let mids: Vec<String> = many.chain(id_at(value, "mid")).collect();
    let watermark_ms = time(get(value, "watermark")).map(afterglow_domain::Timestamp::millis);
    if mids.is_empty() && watermark_ms.is_none() {
        return Err(NotUnderstood::shape("a receipt without message or watermark"));
    }
    let viewer = item.viewer(item.is_from_account())?;
    let (joined, watermark) = (mids.join(" "), watermark_ms.map(|w| w.to_string()));
    let seen = Seen { mids, watermark_ms };
    let body = if family == "seen" { Body::Seen(seen) } else { Body::Delivered(seen) };
    let mut parsed =
        item.parsed(family, &[Some(&viewer), Some(&joined), watermark.as_deref()], Some(viewer.clone()), body);
    parsed.occurred = parsed.occurred.or(time(get(value, "watermark")));
    Ok(parsed)
}

fn opt_in(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let details = OptIn {
        kind: text(value, "type"),
        reference: text(value, "ref"),
        user_ref: id_at(value, "user_ref"),
        payload: text(value, "payload"),
        token_status: text(value, "user_token_status"),
    };
    let viewer = match item.viewer(false) {
        Ok(viewer) => Some(viewer),
        Err(_) if details.user_ref.is_some() => None,
        Err(why) => return Err(why),
    };
    let who = viewer.clone().or_else(|| details.user_ref.clone());
    let what = details.payload.clone().or_else(|| details.reference.clone());
    let parts = [who.as_deref(), what.as_deref(), details.token_status.as_deref()];
    let stamp = item.stamp();
    let parts = [parts[0], stamp.as_deref(), parts[1], parts[2]];
    Ok(item.parsed("opt_in", &parts, viewer.clone(), Body::OptIn(details.clone())))
}

fn handover(item: &Item<'_>, value: &Value, action: &str) -> Result<Parsed, NotUnderstood> {
    let viewer = item.viewer(item.is_from_account())?;
    let details = Handover {
        action: action.to_owned(),
        previous_owner_app_id: id_at(value, "previous_owner_app_id"),
        new_owner_app_id: id_at(value, "new_owner_app_id").or_else(|| id_at(value, "requested_owner_app_id")),
        metadata: text(value, "metadata"),
    };
    Ok(handover_parsed(item, &viewer, &details))
}

fn app_roles(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let viewer = item.viewer(item.is_from_account())?;
    let roles = value.as_object().into_iter().flatten();
    let primary = roles
        .filter(|(_, roles)| roles.as_array().is_some_and(|r| r.iter().any(|role| role == "primary_receiver")))
        .map(|(app, _)| app.clone())
        .next();
    let details =
        Handover { action: "app_roles".into(), previous_owner_app_id: None, new_owner_app_id: primary, metadata: None };
    Ok(handover_parsed(item, &viewer, &details))
}

fn handover_parsed(item: &Item<'_>, viewer: &str, details: &Handover) -> Parsed {
    let stamp = item.stamp();
    let parts = [
        Some(viewer),
        stamp.as_deref(),
        Some(details.action.as_str()),
        details.previous_owner_app_id.as_deref(),
        details.new_owner_app_id.as_deref(),
    ];
    item.parsed("handover", &parts, Some(viewer.to_owned()), Body::Handover(details.clone()))
}

fn policy_enforcement(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let action = text(value, "action").ok_or_else(|| NotUnderstood::shape("enforcement without action"))?;
    let details = PolicyEnforcement { action: action.clone(), reason: text(value, "reason") };
    Ok(item.parsed(
        "policy_enforcement",
        &[item.stamp().as_deref(), Some(&action)],
        None,
        Body::PolicyEnforcement(details),
    ))
}

fn account_linking(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let status = text(value, "status").ok_or_else(|| NotUnderstood::shape("account linking without status"))?;
    let viewer = item.viewer(false)?;
    let parts =
        [Some(viewer.as_str()), item.stamp().as_deref(), Some(status.as_str())].map(|p| p.map(ToOwned::to_owned));
    let parts: Vec<Option<&str>> = parts.iter().map(Option::as_deref).collect();
    Ok(item.parsed("account_linking", &parts, Some(viewer.clone()), Body::AccountLinking { status: status.clone() }))
}

fn referral_alone(item: &Item<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let viewer = item.viewer(false)?;
    let details = referral(value).unwrap_or_default();
    let stamp = item.stamp();
    let parts = [Some(viewer.as_str()), stamp.as_deref(), details.reference.as_deref(), details.ad_id.as_deref()];
    Ok(item.parsed("referral", &parts, Some(viewer.clone()), Body::Referral(details.clone())))
}
