use afterglow_domain::{
    AccountId, BrandId, BrandSettings, Channel, ConsentState, Conversion, DerivedId, InteractionId, Message,
    Observation, ReplyTo, Scoring, Source, ViewerId,
};
use afterglow_rules::Rulebook;

use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::parse("2026-11-24T09:00:00Z").unwrap().plus(hours * HOUR_MS)
}

fn key(viewer: &str) -> ViewerKey {
    ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(viewer) }
}

fn did(viewer: &str, when: Timestamp, body: Body) -> Interaction {
    Interaction {
        id: InteractionId::derive(&[viewer, &when.to_rfc3339(), body.kind().as_str()]),
        brand: BrandId::new("lumen"),
        account: AccountId::new("1"),
        viewer: Some(ViewerId::new(viewer)),
        username: Some(format!("{viewer}.name")),
        channel: Channel::Instagram,
        source: if body.kind() == Kind::ObservedView { Source::Operator } else { Source::Webhook },
        occurred: when,
        received: when,
        standby: false,
        body,
        raw: None,
    }
}

fn story_reply(story: &str) -> Body {
    let reply_to = Some(ReplyTo::Story { id: story.into(), url: None });
    Body::StoryReply(Message { text: Some("Where?".into()), reply_to, ..Message::default() })
}

fn view(story: &str, tag: &str) -> Body {
    let tags = if tag.is_empty() { Vec::new() } else { vec![tag.to_owned()] };
    Body::ObservedView(Observation { story_id: Some(story.into()), tags, operator: None })
}

fn log(interactions: Vec<Interaction>, sent: &[(&str, i64)], stopped: &[&str], now: Timestamp) -> DailyLog {
    let mut viewers: BTreeMap<ViewerKey, (ViewerState, Consent)> = BTreeMap::new();
    for interaction in &interactions {
        let (state, _) = viewers.entry(interaction.viewer_key().unwrap()).or_default();
        state.apply(interaction, &Scoring::default());
    }
    for (viewer, hours) in sent {
        let echo = did(viewer, at(*hours), Body::MessageSent(Message::default()));
        viewers.entry(key(viewer)).or_default().0.apply(&echo, &Scoring::default());
    }
    for viewer in stopped {
        viewers.entry(key(viewer)).or_default().1.apply(ConsentState::OptedOut, at(1));
    }
    let sent = sent.iter().map(|(viewer, hours)| (key(viewer), at(*hours))).collect();
    let day = Day::new("2026-11-24", "Europe/Amsterdam").unwrap();
    let rules = Rulebook::compile(&BrandSettings::default(), 0).unwrap();
    daily_log(&day, &Material { interactions, sent, viewers }, &rules, now)
}

#[test]
fn one_day_at_the_desk() {
    let conversion = Body::Conversion(Conversion { goal: "purchase".into(), ..Conversion::default() });
    let log = log(
        vec![
            did("asks", at(0), story_reply("s1")),
            did("answered", at(0), story_reply("s1")),
            did(
                "answered",
                at(1),
                Body::Reaction(afterglow_domain::Reaction { mid: "m".into(), reaction: None, emoji: None }),
            ),
            did("bought", at(0), story_reply("s2")),
            did("bought", at(1), conversion),
            did("stopped", at(0), story_reply("s1")),
            did("silent", at(0), view("s1", "vip")),
            did("again", at(0), view("s1", "")),
            did("again", at(2), view("s2", "")),
            did("yesterday", at(-24), story_reply("s0")),
        ],
        &[("answered", 0), ("bought", 0)],
        &["stopped"],
        at(3),
    );
    insta::assert_json_snapshot!(log);
}

#[test]
fn a_step_that_brought_nothing_asks_for_the_next() {
    let step = |now: i64| log(vec![did("a", at(0), story_reply("s"))], &[("a", 0)], &[], at(now)).rows.remove(0).steps;
    assert!(!step(1)[0].follow_up_needed, "it has just gone out");
    assert!(step(3)[0].follow_up_needed, "two hours, and no reaction");
    assert!(!step(3)[1].follow_up_needed && step(30)[1].follow_up_needed, "its time has come");
    assert!(!step(24 * 30)[1].follow_up_needed, "its time is over");
}
