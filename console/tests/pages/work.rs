//! What people see, write and change.

use afterglow_domain::{Body, BrandId, Message, ReplyTo};
use axum::http::StatusCode;

use crate::site::{AGENT, NOW, Site, VIEWER, fold, said};

#[tokio::test]
async fn a_viewer_is_shown_as_things_stand_and_inert() {
    let page = Site::new().await.page("/b/lumen/v/account-of-lumen/mila").await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"), "words are words");
    assert!(page.contains("&lt;b&gt;mila") && !page.contains("<b>mila"));
    assert!(page.contains("better words") && page.contains("(edited)") && !page.contains("first words"));
    assert!(page.contains("taken back") && !page.contains("I regret this"), "what was taken back is not shown");
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let site = Site::new().await;
    site.store.close().await;
    let (status, text, _) = site.get("/", "localhost").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("afterglow doctor"), "{status} {text}");
}

#[tokio::test]
async fn what_was_typed_is_kept_when_it_cannot_be_sent() {
    let site = Site::new().await;
    let long = "ä".repeat(501);
    let (status, page, _) =
        site.post_as(AGENT, &format!("{VIEWER}/reply"), &format!("csrf=the-csrf-token&form=1&text={long}")).await;
    assert!(status == StatusCode::OK && page.contains(&long) && page.contains("1002 bytes"));
    let lumen = BrandId::new("lumen");
    assert!(site.store.due_intents(NOW.plus(1), 9, 1).await.unwrap().is_empty());
    let (status, _, headers) =
        site.post_as(AGENT, &format!("{VIEWER}/reply"), "csrf=the-csrf-token&form=1&text=Hello+there").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let due = site.store.due_intents(NOW.plus(1), 9, 1).await.unwrap();
    assert_eq!(due[0].person.as_ref().unwrap().text, "Hello there");
    let (_, page, _) =
        site.get_as(AGENT, headers["location"].to_str().unwrap().split('#').next().unwrap(), "localhost").await;
    assert!(page.contains("on its way"), "its fate is shown");
    assert_eq!(site.store.brand(&lumen).audit(9).await.unwrap()[0].action, "reply");
    // Another person does not answer over the one who attends.
    let (_, page, _) =
        site.post_as("owner@example.org", &format!("{VIEWER}/reply"), "csrf=the-csrf-token&form=2&text=me+too").await;
    assert!(page.contains("attends to them just now") && page.contains("me too"));
}

#[tokio::test]
async fn two_who_edit_rules_get_a_conflict_not_a_loss() {
    let site = Site::new().await;
    let owner = "owner@example.org";
    let post = |version: i64, name: &str| {
        let document = format!("brand: lumen%0Aname: {name}%0Atime_zone: UTC%0A");
        format!("csrf=the-csrf-token&do=apply&version={version}&document={document}")
    };
    assert_eq!(site.post_as(owner, "/b/lumen/rules", &post(0, "First")).await.0, StatusCode::SEE_OTHER);
    let (status, page, _) = site.post_as(owner, "/b/lumen/rules", &post(0, "Second")).await;
    assert!(
        status == StatusCode::OK && page.contains("came into force while you wrote") && page.contains("-name: First"),
        "{page}"
    );
    assert!(page.contains("name: Second"), "what was typed is kept");
    assert_eq!(site.post_as(owner, "/b/lumen/rules", &post(1, "Second")).await.0, StatusCode::SEE_OTHER);
    let (_, page, _) = site
        .post_as(owner, "/b/lumen/rules", "csrf=the-csrf-token&do=check&version=2&document=brand: lumen%0Asegments: 7")
        .await;
    assert!(page.contains("Nothing was put in force") && page.contains("line 2"));
}

#[tokio::test]
async fn a_roll_out_is_one_word_and_a_version() {
    let site = Site::new().await;
    let owner = "owner@example.org";
    let text = "brand: lumen\nname: Lumen\nplays:\n  - name: thanks\n    on: { kinds: [story_reply] }\n    rollout: shadow # tried\n    say: thanks\nsnippets:\n  thanks: { text: \"Thank you{% if username is defined %}, {{ username }}{% endif %}!\" }\n";
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", "the-csrf-token"), ("do", "apply"), ("version", "0"), ("document", text)])
        .finish();
    assert_eq!(site.post_as(owner, "/b/lumen/rules", &form).await.0, StatusCode::SEE_OTHER);
    assert!(site.page("/b/lumen/rules").await.contains("Roll-out of thanks"));
    let set = |version: i64, rollout: &str| {
        format!("csrf=the-csrf-token&version={version}&play=thanks&rollout={}", rollout.replace('%', "%25"))
    };
    assert_eq!(site.post_as(AGENT, "/b/lumen/rollout", &set(1, "on")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(site.post_as(owner, "/b/lumen/rollout", &set(1, "pilot 20%")).await.0, StatusCode::SEE_OTHER);
    let lumen = BrandId::new("lumen");
    let documents = site.store.brand(&lumen).documents().await.unwrap();
    assert_eq!(documents[0].text, text.replace("rollout: shadow", "rollout: pilot 20%"));
    let brand = site.store.brand(&lumen).brand().await.unwrap().unwrap();
    assert_eq!(brand.settings.plays[0].rollout.to_string(), "pilot 20%", "in force");
    let (status, page, _) = site.post_as(owner, "/b/lumen/rollout", &set(1, "on")).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("came into force meanwhile"));
    let (status, _, _) = site.post_as(owner, "/b/lumen/rollout", &set(2, "half")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.store.brand(&lumen).documents().await.unwrap().len(), 2, "nothing more came into force");
    // What a person begins with is what the viewer will read, not the template; and a name is words.
    let page = site.page(VIEWER).await;
    assert!(page.contains("Thank you, &lt;b&gt;mila&lt;/b&gt;!") && !page.contains("{% if"), "{page}");
}

#[tokio::test]
async fn one_answers_a_storys_first_minutes() {
    let site = Site::new().await;
    let story = Body::StoryReply(Message {
        mid: "m7".into(),
        reply_to: Some(ReplyTo::Story { id: "story-1".into(), url: None }),
        ..Message::default()
    });
    site.store.apply_interactions(&[said("lumen", "mila", 9, story)], NOW, 1_000, fold).await.unwrap();
    let watch = |what: &str, story: &str| format!("csrf=the-csrf-token&do={what}&story={story}");
    assert!(site.page("/b/lumen/stories").await.contains("I answer"));
    let post = async |who: &str, form: String| site.post_as(who, "/b/lumen/stories/watch", &form).await;
    assert_eq!(post("analyst@example.org", watch("take", "story-1")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(post(AGENT, watch("take", "story-2")).await.0, StatusCode::NOT_FOUND, "no such Story");
    assert_eq!(post(AGENT, watch("take", "story-1")).await.0, StatusCode::SEE_OTHER);
    let (_, page, _) = post("owner@example.org", watch("take", "story-1")).await;
    assert!(page.contains("agent@example.org was first"));
    post("owner@example.org", watch("leave", "story-1")).await;
    assert!(site.page("/b/lumen/stories").await.contains(AGENT), "it is theirs to leave");
    post(AGENT, watch("leave", "story-1")).await;
    assert!(!site.page("/b/lumen/stories").await.contains(AGENT));
}

#[tokio::test]
async fn hypotheses_are_noted_moved_and_who_did_it_is_known() {
    let site = Site::new().await;
    let form = "csrf=the-csrf-token&do=add&text=Questions+are+answered+more+often&evidence=30+of+200";
    let (status, _, _) = site.post_as("analyst@example.org", "/b/lumen/experiments", form).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "who only looks does not note");
    let (status, _, _) = site.post_as("other@example.org", "/b/lumen/experiments", form).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "another brand's manager is told of nothing");
    let (status, _, _) = site.post_as("owner@example.org", "/b/lumen/experiments", form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let brand = BrandId::new("lumen");
    let known = site.store.brand(&brand).hypotheses().await.unwrap();
    assert_eq!((known.len(), known[0].by.as_str()), (1, "owner@example.org"));
    let set = format!("csrf=the-csrf-token&do=set&id={}&status=decided&result=They+are", known[0].id);
    assert_eq!(site.post_as("owner@example.org", "/b/lumen/experiments", &set).await.0, StatusCode::SEE_OTHER);
    let strange = format!("csrf=the-csrf-token&do=set&id={}&status=testing&experiment=none", known[0].id);
    assert_eq!(
        site.post_as("owner@example.org", "/b/lumen/experiments", &strange).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let page = site.page("/b/lumen/experiments").await;
    assert!(page.contains("Decided (1)") && page.contains("They are") && page.contains("30 of 200"));
    let audit = site.page("/b/lumen/audit").await;
    assert!(audit.contains("hypothesis add") && audit.contains("hypothesis set"), "{audit}");
    assert!(!site.page("/b/umbra/experiments").await.contains("They are"), "another brand's board is its own");
}

#[tokio::test]
async fn stories_are_labelled_and_what_is_unknown_is_said() {
    let site = Site::new().await;
    let to = ReplyTo::Story { id: "story-7".into(), url: None };
    let reply = Message { mid: "m7".into(), text: Some("wow".into()), reply_to: Some(to), ..Message::default() };
    let happened = [said("lumen", "mila", 7, Body::StoryReply(reply))];
    site.store.apply_interactions(&happened, NOW, 1_000, fold).await.unwrap();
    let page = site.page("/b/lumen/insights/stories").await;
    assert!(page.contains("story-7") && page.contains("unknown: not read while it was live"), "{page}");
    let label = "csrf=the-csrf-token&story=story-7&label=teaser";
    let path = "/b/lumen/insights/stories";
    assert_eq!(site.post_as("analyst@example.org", path, label).await.0, StatusCode::FORBIDDEN);
    assert_eq!(site.post_as("owner@example.org", path, label).await.0, StatusCode::SEE_OTHER);
    let wrong = "csrf=the-csrf-token&story=story-7&label=finale";
    assert_eq!(site.post_as("owner@example.org", path, wrong).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let csv = site.page("/b/lumen/insights/stories?format=csv").await;
    assert!(csv.lines().nth(1).unwrap().starts_with("\"story-7\",") && csv.contains(",teaser,"), "{csv}");
    assert!(!site.page("/b/umbra/insights/stories").await.contains("story-7"));
}
