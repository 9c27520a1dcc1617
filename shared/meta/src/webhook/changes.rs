//! Items of `changes[]`, and the flat form in which `field` and `value` stand in the entry itself (Instagram Login).

use afterglow_domain::{Body, Comment, FeedItem, Mention, StoryInsights};
use serde_json::Value;

use super::lenient::{flag, get, id_at, integer, party, text, time};
use super::{Frame, NotUnderstood, Parsed, ids, messaging};

pub(super) fn read(frame: &Frame<'_>, item: &Value) -> Result<Parsed, NotUnderstood> {
    let field = get(item, "field").as_str().ok_or_else(|| NotUnderstood::shape("a change without field"))?;
    let value = get(item, "value");
    if !value.is_object() {
        return Err(match field {
            "comments" | "live_comments" | "mentions" | "mention" | "story_insights" | "feed" => {
                NotUnderstood::shape(format!("{field} without value"))
            }
            _ => NotUnderstood::field(field),
        });
    }
    match field {
        "comments" => comment(frame, value, Body::Comment),
        "live_comments" => comment(frame, value, Body::LiveComment),
        "mentions" | "mention" => mention(frame, value),
        "story_insights" => story_insights(frame, value),
        "feed" if get(value, "item") == "comment" => comment(frame, value, Body::Comment),
        "feed" => feed(frame, value),
        // The Graph reference models these as changes whose value is a messaging item.
        "messages"
        | "messaging_handover"
        | "messaging_handovers"
        | "message_reactions"
        | "messaging_postbacks"
        | "messaging_seen"
        | "messaging_referral"
        | "messaging_optins"
        | "message_edit"
        | "message_echoes" => messaging::read(frame, value),
        _ => Err(NotUnderstood::field(field)),
    }
}

fn person(value: &Value) -> Option<String> {
    party(value, "from").or_else(|| id_at(value, "sender_id"))
}

fn name(value: &Value) -> Option<String> {
    text(get(value, "from"), "username")
}

fn parsed(frame: &Frame<'_>, value: &Value, family: &str, parts: &[Option<&str>], body: Body) -> Parsed {
    Parsed {
        id: ids::derive(frame, family, parts),
        viewer: person(value).filter(|id| id != frame.account),
        username: name(value),
        occurred: time(get(value, "created_time")),
        body,
    }
}

/// One comment, whether it stands under the post or under its boosted copy: the id is the comment's own. Meta writes it
/// as `id` (Instagram Login, and in practice) or `comment_id` (documentation, Page feed).
fn comment(frame: &Frame<'_>, value: &Value, wrap: fn(Comment) -> Body) -> Result<Parsed, NotUnderstood> {
    let comment_id = id_at(value, "comment_id")
        .or_else(|| id_at(value, "id"))
        .ok_or_else(|| NotUnderstood::shape("a comment without id"))?;
    let media = get(value, "media");
    let verb = text(value, "verb").unwrap_or_else(|| "add".into());
    let by_account = person(value).is_some_and(|id| id == frame.account)
        || id_at(get(value, "from"), "self_ig_scoped_id").is_some()
        || flag(get(value, "from"), "is_self");
    let comment = Comment {
        comment_id: comment_id.clone(),
        parent_id: id_at(value, "parent_id"),
        media_id: id_at(media, "id").or_else(|| id_at(value, "post_id")),
        original_media_id: id_at(media, "original_media_id"),
        ad_id: id_at(media, "ad_id"),
        media_product_type: text(media, "media_product_type"),
        text: text(value, "text").or_else(|| text(value, "message")),
        verb: verb.clone(),
        by_account,
    };
    let when = time(get(value, "created_time")).map(|t| t.millis().to_string());
    let parts = match verb.as_str() {
        "add" => vec![Some(comment_id.as_str()), Some("add")],
        "edit" | "edited" => vec![Some(comment_id.as_str()), Some("edited"), comment.text.as_deref()],
        other => vec![Some(comment_id.as_str()), Some(other), when.as_deref()],
    };
    let mut parsed = parsed(frame, value, "comment", &parts, wrap(comment.clone()));
    if by_account {
        parsed.viewer = None;
    }
    Ok(parsed)
}

fn mention(frame: &Frame<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let mention = Mention {
        media_id: id_at(value, "media_id"),
        comment_id: id_at(value, "comment_id"),
        post_id: id_at(value, "post_id"),
        text: text(value, "message"),
    };
    let parts = [mention.media_id.as_deref(), mention.comment_id.as_deref(), mention.post_id.as_deref()];
    if parts.iter().all(Option::is_none) {
        return Err(NotUnderstood::shape("a mention without media, comment or post"));
    }
    Ok(parsed(frame, value, "mention", &parts, Body::Mention(mention.clone())))
}

/// Meta writes -1 for "fewer than 5" (Instagram webhooks reference): that is unknown, never zero.
fn story_insights(frame: &Frame<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let media_id = id_at(value, "media_id").ok_or_else(|| NotUnderstood::shape("insights without media_id"))?;
    let metrics: std::collections::BTreeMap<String, Option<i64>> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "media_id")
        .filter_map(|(key, value)| Some((key.clone(), Some(integer(value)?).filter(|n| *n >= 0))))
        .collect();
    let all = format!("{metrics:?}");
    let body = Body::StoryInsights(StoryInsights { media_id: media_id.clone(), posted: None, metrics });
    Ok(parsed(frame, value, "story_insights", &[Some(&media_id), Some(&all)], body))
}

fn feed(frame: &Frame<'_>, value: &Value) -> Result<Parsed, NotUnderstood> {
    let item = text(value, "item").ok_or_else(|| NotUnderstood::shape("a feed change without item"))?;
    let feed = FeedItem {
        item,
        verb: text(value, "verb").unwrap_or_else(|| "add".into()),
        post_id: id_at(value, "post_id"),
        comment_id: id_at(value, "comment_id"),
        reaction_type: text(value, "reaction_type"),
        text: text(value, "message"),
    };
    let who = person(value);
    let when = time(get(value, "created_time")).map(|t| t.millis().to_string());
    let parts = [
        Some(feed.item.as_str()),
        Some(feed.verb.as_str()),
        feed.post_id.as_deref(),
        feed.comment_id.as_deref(),
        who.as_deref(),
        feed.reaction_type.as_deref(),
        feed.text.as_deref(),
        when.as_deref(),
    ];
    Ok(parsed(frame, value, "feed", &parts, Body::Feed(feed.clone())))
}
