//! Meta's rules as tables, and each violation provoked: a judge that cannot find a fault is worth nothing.

use afterglow_domain::{DAY_MS, HOUR_MS};

use super::*;
use crate::account::{Layout, accounts};
use crate::graph_server::Fault;

/// An ordinary moment.
const T0: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(T0 + ms)
}

fn comment(live: bool) -> What {
    What::Comment { live, media: "m1".into(), text: "Lovely".into() }
}

struct Scene {
    world: World,
    accounts: Vec<Account>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Rules::default())
    }

    fn with(rules: Rules) -> Self {
        let accounts = accounts(Layout { brands: 2, ..Layout::default() }, 1);
        Self { world: World::new(accounts.clone(), rules), accounts }
    }

    fn fact(&self, person: &str, key: &str, ms: i64, what: What) -> Fact {
        Fact { account: self.accounts[0].id.clone(), person: ViewerId::new(person), key: key.into(), at: at(ms), what }
    }

    /// Something happens, and its webhook is answered 200 at once.
    fn happens(&mut self, person: &str, key: &str, ms: i64, what: What) {
        let fact = [self.fact(person, key, ms, what)];
        self.world.tell(&fact, at(ms));
        self.world.acknowledge(&fact, at(ms));
    }

    fn replies(&mut self, person: &str, key: &str, ms: i64) {
        self.happens(person, key, ms, What::StoryReply { text: "Love this!".into(), answer: Answer::Due });
    }

    fn call(&mut self, ms: i64, token: Option<&str>, body: &str, fault: Option<Fault>) -> GraphReply {
        let node = self.accounts[0].id.as_str().to_owned();
        self.world.send(SendCall { node: &node, token, body: body.as_bytes(), started: at(ms), fault })
    }

    fn post(&mut self, ms: i64, body: &str) -> GraphReply {
        let token = self.accounts[0].access_token.clone();
        self.call(ms, Some(token.expose_secret()), body, None)
    }

    /// Sends a text; gives `code/subcode`, or `ok`.
    fn text(&mut self, person: &str, ms: i64) -> String {
        let reply = self.post(ms, &format!(r#"{{"recipient":{{"id":"{person}"}},"message":{{"text":"Thank you!"}}}}"#));
        verdict(&reply)
    }

    fn private_reply(&mut self, comment: &str, ms: i64) -> String {
        let body = format!(r#"{{"recipient":{{"comment_id":"{comment}"}},"message":{{"text":"Thank you!"}}}}"#);
        verdict(&self.post(ms, &body))
    }

    fn names(&self) -> Vec<&'static str> {
        self.world.violations().iter().map(|v| v.violation.name()).collect()
    }
}

fn verdict(reply: &GraphReply) -> String {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    if reply.status == 200 {
        return "ok".into();
    }
    let error = &body["error"];
    for field in ["message", "type", "fbtrace_id"] {
        assert!(error[field].is_string(), "{body}");
    }
    assert_eq!(reply.status, 400, "{body}");
    format!("{}/{}", error["code"], error["error_subcode"])
}

#[test]
fn an_answer_within_the_rules() {
    let mut scene = Scene::new();
    scene.replies("p", "m1", 0);
    let body = r#"{"recipient":{"id":"p"},"message":{"text":"Thank you!","metadata":"send-1"}}"#;
    let reply = scene.post(MINUTE, body);
    let answer: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(answer["recipient_id"], "p");
    let delivered = reply.delivered.unwrap();
    assert_eq!(answer["message_id"], delivered.mid.as_str());
    assert_eq!(delivered.metadata.as_deref(), Some("send-1"));
    assert!(scene.world.violations().is_empty());
    let ledger = scene.world.ledger(usize::MAX);
    assert_eq!(ledger.messages[0].cause.as_deref(), Some("m1"));
    assert_eq!(ledger.totals.accepted, 1);
    assert!(scene.world.unanswered(at(DAY_MS), 0).is_empty());
}

#[test]
fn metas_edges_of_the_window() {
    for (age, answer, violations) in [
        (0, "ok", vec![]),
        (DAY_MS - 1, "ok", vec![]),
        (DAY_MS, "10/2534022", vec!["outside_window"]),
        (8 * DAY_MS, "10/2534022", vec!["outside_window"]),
    ] {
        let mut scene = Scene::new();
        scene.replies("p", "m1", 0);
        assert_eq!(scene.text("p", age), answer, "age {age}");
        assert_eq!(scene.names(), violations, "age {age}");
    }
}

#[test]
fn metas_edges_of_a_private_reply() {
    for (live, age, answer, violations) in [
        (false, 7 * DAY_MS - 1, "ok", vec![]),
        (false, 7 * DAY_MS, "100/2534025", vec!["comment_too_old"]),
        (true, 4 * HOUR_MS - 1, "ok", vec![]),
        (true, 4 * HOUR_MS, "100/2534025", vec!["comment_too_old"]),
    ] {
        let mut scene = Scene::new();
        scene.happens("p", "c1", 0, comment(live));
        assert_eq!(scene.private_reply("c1", age), answer, "live {live}, age {age}");
        assert_eq!(scene.names(), violations, "live {live}, age {age}");
    }
}

#[test]
fn a_comment_has_one_private_reply() {
    let mut scene = Scene::new();
    scene.happens("p", "c1", 0, comment(false));
    assert_eq!(scene.private_reply("c1", 1), "ok");
    assert_eq!(scene.private_reply("c1", 2), "100/2534025");
    assert_eq!(scene.private_reply("unknown", 3), "100/2534025");
    let own = scene.accounts[0].id.as_str().to_owned();
    scene.happens(&own, "c2", 0, comment(false));
    assert_eq!(scene.private_reply("c2", 4), "100/2534025");
    assert_eq!(scene.names(), ["answered_twice", "unknown_comment", "unknown_comment"]);
}

#[test]
fn a_commenter_has_no_open_window() {
    let mut scene = Scene::new();
    scene.happens("p", "c1", 0, comment(false));
    assert_eq!(scene.text("p", 1), "100/2534014");
    assert_eq!(scene.names(), ["outside_window", "no_cause"]);
}

#[test]
fn a_stranger_is_never_written_to() {
    let mut scene = Scene::new();
    assert_eq!(scene.text("stranger", 0), "100/2534014");
    assert_eq!(scene.names(), ["never_contacted"]);
}

#[test]
fn tokens() {
    let mut scene = Scene::new();
    scene.replies("p", "m1", 0);
    let body = r#"{"recipient":{"id":"p"},"message":{"text":"hi"}}"#;
    let other = scene.accounts[1].access_token.clone();
    assert_eq!(verdict(&scene.call(1, None, body, None)), "190/null");
    assert_eq!(verdict(&scene.call(2, Some("nobody's"), body, None)), "190/null");
    assert!(scene.names().is_empty(), "an expired token is no fault of the sender's");
    assert_eq!(verdict(&scene.call(3, Some(other.expose_secret()), body, None)), "190/null");
    assert_eq!(scene.names(), ["wrong_token"]);
}

#[test]
fn a_stop_wins_once_it_was_acknowledged() {
    for (acknowledged, start, asked, violations) in [
        (None, None, 5_000, vec![]),                         // Meta could not deliver it yet
        (Some(100), None, 1_100, vec![]),                    // within the grace
        (Some(100), None, 1_101, vec!["after_opt_out"]),     // just after it
        (Some(100), None, HOUR_MS, vec!["after_opt_out"]),   // for ever after
        (Some(100), Some(50), 5_000, vec![]),                // started again later
        (Some(100), Some(10), 5_000, vec!["after_opt_out"]), // in the same moment: stop wins
        (Some(100), Some(5), 5_000, vec!["after_opt_out"]),  // the start was earlier
    ] {
        let mut scene = Scene::new();
        scene.replies("p", "m1", 0);
        let stop = [scene.fact("p", "m2", 10, What::Said(Word::Stop))];
        scene.world.tell(&stop, at(10));
        if let Some(ms) = acknowledged {
            scene.world.acknowledge(&stop, at(ms));
            scene.world.acknowledge(&stop, at(ms + HOUR_MS)); // a copy changes nothing
        }
        if let Some(ms) = start {
            scene.happens("p", "m3", ms, What::Said(Word::Start));
        }
        assert_eq!(scene.text("p", asked), "ok", "Meta itself does not mind");
        assert_eq!(scene.names(), violations, "acknowledged {acknowledged:?}, start {start:?}, asked {asked}");
    }
}

#[test]
fn answering_twice() {
    let mut scene = Scene::new();
    scene.replies("p", "m1", 0);
    scene.replies("p", "m1", 1); // the same reply, told again
    assert_eq!(scene.text("p", 10), "ok");
    assert_eq!(scene.text("p", 20), "ok", "Meta itself does not mind");
    assert_eq!(scene.names(), ["no_cause"]);
    scene.replies("p", "m2", 30);
    assert_eq!(scene.text("p", 40), "ok");
    assert_eq!(scene.names(), ["no_cause"], "another reply may have its own answer");
    let again = r#"{"recipient":{"id":"p"},"message":{"text":"hi"},"reply_to":{"mid":"m1"}}"#;
    assert_eq!(verdict(&scene.post(50, again)), "ok");
    assert_eq!(scene.names(), ["no_cause", "answered_twice"]);
}

#[test]
fn only_story_replies_ask_for_an_answer_unless_the_rules_say_otherwise() {
    for (causes, violations) in [(Causes::StoryReplies, vec!["no_cause"]), (Causes::AnyContact, vec![])] {
        let mut scene = Scene::with(Rules { causes, ..Rules::default() });
        scene.happens("p", "m1", 0, What::Contact { text: Some("Hello".into()) });
        assert_eq!(scene.text("p", 10), "ok");
        assert_eq!(scene.names(), violations);
    }
    let mut scene = Scene::with(Rules { causes: Causes::AnyContact, ..Rules::default() });
    scene.happens("p", "m1", 0, What::Contact { text: Some("Hello".into()) });
    scene.text("p", 10);
    scene.text("p", 20);
    assert_eq!(scene.names(), ["no_cause"]);
}

#[test]
fn answering_a_reply_that_must_not_be_answered() {
    let mut scene = Scene::new();
    scene.happens("p", "m1", 0, What::StoryReply { text: "STOP".into(), answer: Answer::Never });
    scene.text("p", 10);
    assert_eq!(scene.names(), ["no_cause"]);
}

#[test]
fn metadata_names_a_send_once() {
    let body = r#"{"recipient":{"id":"p"},"message":{"text":"hi","metadata":"send-1"}}"#;
    for (fault, violations) in [
        (None, vec!["metadata_repeated", "no_cause"]),
        (Some(Fault::FalseFailure), vec!["metadata_repeated", "no_cause"]), // it was sent, whatever the answer said
        (Some(Fault::EmptyBody), vec!["metadata_repeated", "no_cause"]),
        (Some(Fault::Unavailable), vec![]), // it was not sent: trying again is right
        (Some(Fault::ResetBeforeAccepting), vec![]),
    ] {
        let mut scene = Scene::new();
        scene.replies("p", "m1", 0);
        let token = scene.accounts[0].access_token.clone();
        scene.call(1, Some(token.expose_secret()), body, fault);
        scene.post(2, body);
        assert_eq!(scene.names(), violations, "{fault:?}");
    }
}

#[test]
fn taken_over() {
    for (what, answer, violations) in [
        (What::Taken, "100/2534037", vec!["handed_over"]),
        (What::Standby, "100/2534037", vec!["standby_thread"]),
        (What::HumanWrote { text: "I am on it".into() }, "ok", vec!["handed_over"]),
    ] {
        let mut scene = Scene::new();
        scene.replies("p", "m1", 0);
        scene.happens("p", "t1", 10, what.clone());
        assert_eq!(scene.text("p", 5_000), answer, "{what:?}");
        assert_eq!(scene.names(), violations, "{what:?}");
        scene.happens("p", "t2", 6_000, What::Returned);
        assert_eq!(scene.text("p", 7_000), "ok", "{what:?}: given back");
    }
    let mut scene = Scene::new();
    scene.happens("p", "m1", 0, What::Standby);
    assert_eq!(scene.text("p", 5_000), "100/2534037");
    assert_eq!(scene.names(), ["standby_thread", "no_cause"]);
}

#[test]
fn the_rate() {
    let mut scene = Scene::new();
    for n in 0..102 {
        scene.replies(&format!("p{n}"), &format!("m{n}"), 0);
    }
    for n in 0..100 {
        assert_eq!(scene.text(&format!("p{n}"), 10 + n), "ok");
    }
    let body = r#"{"recipient":{"id":"p100"},"message":{"text":"hi"}}"#;
    let refused = scene.post(500, body);
    assert_eq!(verdict(&refused), "613/2534040");
    assert!(refused.usage.business.unwrap().contains(r#""call_count":100"#));
    assert_eq!(scene.names(), ["over_rate"]);
    assert_eq!(scene.text("p100", 1_010), "ok", "a second later there is room");
}

#[test]
fn quotas_rise_and_refuse() {
    let mut scene = Scene::with(Rules { account_calls_per_hour: 4, ..Rules::default() });
    let mut percents = Vec::new();
    for n in 0..5 {
        scene.replies(&format!("p{n}"), &format!("m{n}"), 0);
        let reply = scene.post(n * MINUTE, &format!(r#"{{"recipient":{{"id":"p{n}"}},"message":{{"text":"hi"}}}}"#));
        let usage: serde_json::Value = serde_json::from_str(&reply.usage.business.clone().unwrap()).unwrap();
        percents.push(usage[scene.accounts[0].id.as_str()][0]["call_count"].as_u64().unwrap());
        assert_eq!(verdict(&reply), if n < 4 { "ok" } else { "80002/null" });
    }
    assert_eq!(percents, [25, 50, 75, 100, 125]);
    assert_eq!(scene.names(), ["over_rate"]);
    let mut scene = Scene::with(Rules { app_calls_per_hour: 1, ..Rules::default() });
    scene.replies("p", "m", 0);
    assert_eq!((scene.text("p", 1), scene.text("p", 2)), ("ok".into(), "4/null".into()));
    let mut scene = Scene::with(Rules { private_replies_per_hour: 1, ..Rules::default() });
    scene.happens("p", "c1", 0, comment(false));
    scene.happens("p", "c2", 0, comment(false));
    assert_eq!((scene.private_reply("c1", 1), scene.private_reply("c2", 2)), ("ok".into(), "613/null".into()));
}

#[test]
fn malformed() {
    for (body, answer) in [
        ("{", "100/null"),
        (r#"{"recipient":{"id":"p"},"message":{"text":"hi","colour":"red"}}"#, "100/null"),
        (r#"{"recipient":{"id":"p"},"message":{"text":""}}"#, "100/2018032"),
        (&format!(r#"{{"recipient":{{"id":"p"}},"message":{{"text":"{}"}}}}"#, "x".repeat(1001)), "100/2534015"),
    ] {
        let mut scene = Scene::new();
        scene.replies("p", "m1", 0);
        assert_eq!(verdict(&scene.post(1, body)), answer, "{body}");
        assert_eq!(scene.names(), ["malformed"], "{body}");
    }
}

#[test]
fn the_human_agent_needs_metas_grant() {
    let body = r#"{"recipient":{"id":"p"},"messaging_type":"MESSAGE_TAG","tag":"HUMAN_AGENT","message":{"text":"hi"}}"#;
    for (granted, age, answer, violations) in [
        (false, 1, "200/null", vec!["human_agent_not_granted"]),
        (true, 3 * DAY_MS, "ok", vec![]),
        (true, 7 * DAY_MS, "10/2534022", vec!["outside_window"]),
    ] {
        let mut scene = Scene::new();
        let mut accounts = scene.accounts.clone();
        accounts[0].human_agent = granted;
        scene.world = World::new(accounts, Rules::default());
        scene.replies("p", "m1", 0);
        assert_eq!(verdict(&scene.post(age, body)), answer);
        assert_eq!(scene.names(), violations);
    }
}

#[test]
fn typing_is_no_message() {
    let mut scene = Scene::new();
    scene.replies("p", "m1", 0);
    let typing = r#"{"recipient":{"id":"p"},"sender_action":"typing_on"}"#;
    assert_eq!(scene.post(1, typing).status, 200);
    assert_eq!(scene.text("p", 2), "ok");
    assert!(scene.world.violations().is_empty());
    assert_eq!(scene.world.totals().accepted, 1);
}

#[test]
fn who_was_lost() {
    let mut scene = Scene::new();
    scene.replies("answered", "m1", 0);
    scene.replies("lost", "m2", 1);
    scene.replies("stopped before", "m3", 10);
    scene.happens("stopped before", "m4", 5, What::Said(Word::Stop));
    scene.replies("stopped soon after", "m5", 2);
    scene.happens("stopped soon after", "m6", 1_000, What::Said(Word::Stop));
    scene.replies("stopped much later", "m7", 3);
    scene.happens("stopped much later", "m8", HOUR_MS, What::Said(Word::Stop));
    scene.happens("came back", "m9", 1, What::Said(Word::Stop));
    scene.happens("came back", "m10", 2, What::Said(Word::Start));
    scene.replies("came back", "m11", 4);
    scene.happens("allowed", "m12", 5, What::StoryReply { text: "hi".into(), answer: Answer::Allowed });
    scene.replies("taken over", "m13", 6);
    scene.happens("taken over", "t1", 1_000, What::Taken);
    let unacknowledged =
        [scene.fact("never delivered", "m14", 7, What::StoryReply { text: "hi".into(), answer: Answer::Due })];
    scene.world.tell(&unacknowledged, at(7));
    scene.replies("refused", "m15", 8);
    assert_eq!(scene.text("answered", 100), "ok");
    let token = scene.accounts[0].access_token.clone();
    let body = r#"{"recipient":{"id":"refused"},"message":{"text":"hi"}}"#;
    scene.call(200, Some(token.expose_secret()), body, Some(Fault::Unavailable));

    let lost = |ms, patience| {
        let unanswered = scene.world.unanswered(at(ms), patience);
        unanswered.into_iter().map(|u| (u.person.as_str().to_owned(), u.tried)).collect::<Vec<_>>()
    };
    let names = |list: &[(String, Option<u64>)]| list.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>();
    let after = lost(2 * HOUR_MS, MINUTE);
    assert_eq!(names(&after), ["lost", "stopped much later", "came back", "refused"]);
    assert_eq!(after[3].1, Some(2), "an answer was tried");
    assert!(lost(MINUTE, MINUTE).is_empty(), "patience");
}

#[test]
fn conversations_can_be_read_back() {
    let mut scene = Scene::new();
    for n in 0..25 {
        scene.replies("p", &format!("m{n}"), n);
    }
    scene.text("p", 100);
    let lines = scene.world.conversation(&scene.accounts[0].id, "p").unwrap();
    assert_eq!(lines.len(), 20, "the most recent only");
    let last = lines.last().unwrap();
    assert!(last.ours && last.text == "Thank you!");
    assert_eq!(scene.world.message(&scene.accounts[0].id, &last.mid).unwrap().1, *last);
    assert!(scene.world.conversation(&scene.accounts[1].id, "p").is_none(), "brands are walls");
    assert!(scene.world.message(&scene.accounts[1].id, &last.mid).is_none());
}
