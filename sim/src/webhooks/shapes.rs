//! Every payload against Meta's documented shape. `fixtures/shapes.json` holds the examples of Meta's public
//! documentation with made-up ids and values ("Instagram webhooks, examples", "Messaging handovers", "Standby").

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

const ACCOUNT: &str = "17841405726653026";
const PERSON: &str = "1234567890123456";
const MID: &str = "aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDA1NzI2NjUzMDI2";
const AT: i64 = 1_569_262_485_349;
const NOTIFIED: i64 = 1_569_262_486_134;
const CDN: &str = "https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=";

fn body(notified: i64, part: &Part) -> Value {
    let mut body = Body::instagram();
    body.push(ACCOUNT, notified, part);
    serde_json::from_slice(&body.into_bytes()).unwrap()
}

fn from_person(payload: Payload) -> Value {
    body(NOTIFIED, &Part::messaging(&Item::from_person(ACCOUNT, PERSON, AT, payload)))
}

fn message(fill: impl FnOnce(&mut Message)) -> Value {
    let mut message = Message { mid: MID.into(), ..Message::default() };
    fill(&mut message);
    from_person(Payload::Message(message))
}

fn own_message(fill: impl FnOnce(&mut Message)) -> Value {
    let mut message = Message { mid: MID.into(), is_echo: true, ..Message::default() };
    fill(&mut message);
    body(NOTIFIED, &Part::messaging(&Item::from_account(ACCOUNT, PERSON, AT, Payload::Message(message))))
}

fn attached(kind: &'static str) -> Value {
    let payload = AttachmentPayload { ig_post_media_id: None, title: None, url: format!("{CDN}2") };
    message(|m| m.attachments = vec![Attachment { kind, payload }])
}

fn comment(author: &str, username: &str) -> Comment {
    Comment {
        id: Some("17900000000000003".into()),
        from: From { id: author.into(), username: username.into(), self_ig_scoped_id: None },
        text: "Nice @shop".into(),
        media: Media { id: "17900000000000004".into(), media_product_type: "REELS", ..Media::default() },
        ..Comment::default()
    }
}

fn ad_comment() -> Comment {
    Comment {
        id: None,
        comment_id: Some("17900000000000003".into()),
        parent_id: Some("17900000000000005".into()),
        text: "Nice".into(),
        media: Media {
            id: "17900000000000004".into(),
            ad_id: Some("120000000000001".into()),
            ad_title: Some("Sale".into()),
            original_media_id: Some("17900000000000006".into()),
            media_product_type: "AD",
        },
        ..comment(PERSON, "someone")
    }
}

fn messages() -> Vec<(&'static str, Value)> {
    let post = |kind| Attachment {
        kind,
        payload: AttachmentPayload {
            ig_post_media_id: Some("18139494541428835".into()),
            title: Some("Build a workspace".into()),
            url: format!("{CDN}18139494541428835"),
        },
    };
    let ad = Referral {
        reference: "summer".into(),
        ad_id: Some("120000000000001".into()),
        source: "ADS".into(),
        kind: "OPEN_THREAD",
        ads_context_data: Some(AdContext {
            ad_title: "Sale".into(),
            photo_url: "https://example.com/p.jpg".into(),
            video_url: "https://example.com/v.jpg".into(),
        }),
    };
    vec![
        ("ig-text", message(|m| m.text = Some("Hello".into()))),
        (
            "ig-story-reply",
            message(|m| {
                m.text = Some("Love this!".into());
                m.reply_to = Some(ReplyTo::Story(Story { url: format!("{CDN}1"), id: "17900000000000001".into() }));
            }),
        ),
        (
            "ig-inline-reply",
            message(|m| {
                m.text = Some("Yes".into());
                m.reply_to = Some(ReplyTo::Mid(format!("{MID}A")));
            }),
        ),
        (
            "ig-quick-reply",
            message(|m| {
                m.text = Some("Red".into());
                m.quick_reply = Some(QuickReply { payload: "PICK_RED".into() });
            }),
        ),
        (
            "ig-ad-referral",
            message(|m| {
                m.text = Some("Hi".into());
                m.referral = Some(ad);
            }),
        ),
        ("ig-deleted", message(|m| m.is_deleted = true)),
        ("ig-unsupported", message(|m| m.is_unsupported = true)),
        ("ig-att-image", attached("image")),
        ("ig-att-audio", attached("audio")),
        ("ig-att-ig_reel", attached("ig_reel")),
        ("ig-att-story_mention", attached("story_mention")),
        ("ig-share-and-ig_post", message(|m| m.attachments = vec![post("share"), post("ig_post")])),
        ("ig-echo", own_message(|m| m.text = Some("Thanks!".into()))),
        (
            "ig-self-echo",
            own_message(|m| {
                m.text = Some("test".into());
                m.is_self = true;
            }),
        ),
    ]
}

fn other_items() -> Vec<(&'static str, Value)> {
    let mid = || MID.to_owned();
    let reaction =
        |action, reaction, emoji| from_person(Payload::Reaction(Reaction { mid: mid(), action, reaction, emoji }));
    let own_test = Payload::Postback(Postback {
        mid: mid(),
        title: "Start Chatting".into(),
        payload: Some("DEVELOPER_DEFINED_PAYLOAD".into()),
    });
    let hours =
        Payload::Postback(Postback { mid: mid(), title: "What are your hours?".into(), payload: Some("HOURS".into()) });
    let referral = Referral {
        reference: "promo42".into(),
        ad_id: None,
        source: "https://ig.me/m/shop?ref=promo42".into(),
        kind: "OPEN_THREAD",
        ads_context_data: None,
    };
    let taken = ThreadControl {
        previous_owner_app_id: Some("123456789".into()),
        new_owner_app_id: "987654321".into(),
        metadata: "x".into(),
    };
    let then = 1_458_692_752_478;
    let item = |payload| Item::from_person(ACCOUNT, PERSON, then, payload);
    let standby = Payload::Postback(Postback { mid: "m1".into(), title: "Hours".into(), payload: None });
    vec![
        ("ig-reaction", reaction("react", Some("love"), Some("❤️"))),
        ("ig-unreact", reaction("unreact", None, None)),
        ("ig-postback", from_person(hours)),
        (
            "ig-self-postback",
            body(NOTIFIED, &Part::messaging(&Item::from_person(ACCOUNT, PERSON, AT, own_test).to_self())),
        ),
        ("ig-referral", from_person(Payload::Referral(referral))),
        ("ig-seen", from_person(Payload::Read(Read { mid: mid() }))),
        (
            "ig-message-edit",
            from_person(Payload::MessageEdit(MessageEdit { mid: mid(), text: "edited text".into(), num_edit: 1 })),
        ),
        ("ig-handover-take", body(then, &Part::messaging(&item(Payload::TakeThreadControl(taken))))),
        ("ig-standby-postback-no-payload", body(then, &Part::standby(&item(standby)))),
    ]
}

fn fields() -> Vec<(&'static str, Value)> {
    let seconds = 1_520_622_968_000;
    let mut own = comment(ACCOUNT, "shop");
    own.from.self_ig_scoped_id = Some(PERSON.into());
    let theirs = comment(PERSON, "someone");
    let mention =
        |comment: Option<&str>| Mention { comment_id: comment.map(Into::into), media_id: "17918195224117851".into() };
    let insights = Insights {
        media_id: "17887498072083520".into(),
        impressions: 444,
        reach: 396,
        taps_forward: 200,
        taps_back: -1,
        exits: 40,
        replies: 0,
    };
    vec![
        ("ig-comment-flat", body(NOTIFIED, &Part::flat("comments", &theirs))),
        ("ig-live-comment-flat", body(NOTIFIED, &Part::flat("live_comments", &theirs))),
        ("ig-comment-self", body(NOTIFIED, &Part::change("comments", &own))),
        ("ig-comment-changes-ad", body(seconds, &Part::change("comments", &ad_comment()))),
        ("ig-mention-media", body(seconds, &Part::change("mentions", &mention(None)))),
        ("ig-mention-comment", body(seconds, &Part::change("mentions", &mention(Some("17894227972186120"))))),
        ("ig-story-insights", body(seconds, &Part::change("story_insights", &insights))),
    ]
}

#[test]
fn every_payload_has_metas_shape() {
    let documented: BTreeMap<String, Value> = serde_json::from_str(include_str!("../../fixtures/shapes.json")).unwrap();
    let built: BTreeMap<&str, Value> = messages().into_iter().chain(other_items()).chain(fields()).collect();
    assert_eq!(built.keys().copied().collect::<Vec<_>>(), documented.keys().map(String::as_str).collect::<Vec<_>>());
    for (name, value) in &built {
        assert_eq!(value, &documented[*name], "{name}");
    }
}
