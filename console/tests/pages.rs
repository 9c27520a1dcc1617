//! The pages, from a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use afterglow_console::{Console, Token, router};
use afterglow_domain::{
    AccountId, Body, BrandId, BrandSettings, Channel, DerivedId, Interaction, InteractionId, Login, Message,
    MessageEdit, ReplyTo, Scoring, Segment, Source, Timestamp, Unsend, ViewerId,
};
use afterglow_scorer::ViewerState;
use afterglow_store::{Account, Brand, FoldInput, FoldOutput, Role, Store, StoreOptions, ViewerRow};
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

struct Site {
    router: axum::Router,
    store: Store,
    _folder: tempfile::TempDir,
}

fn said(brand: &str, viewer: &str, n: i64, body: Body) -> Interaction {
    Interaction {
        id: InteractionId::derive(&[brand, viewer, &n.to_string()]),
        brand: BrandId::new(brand),
        account: AccountId::new(format!("account-of-{brand}")),
        viewer: Some(ViewerId::new(viewer)),
        username: Some(format!("<b>{viewer}</b>")),
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: NOW.minus(60_000 - n),
        received: NOW.minus(60_000 - n),
        standby: false,
        body,
        raw: None,
    }
}

fn message(mid: &str, text: &str) -> Body {
    Body::Message(Message { mid: mid.into(), text: Some(text.into()), ..Message::default() })
}

fn fold(input: FoldInput<'_>) -> FoldOutput {
    let row = |viewer: afterglow_store::ViewerFold<'_>| {
        let mut state = ViewerState::default();
        viewer.new.iter().for_each(|interaction| state.apply(interaction, &Scoring::default()));
        ViewerRow {
            key: viewer.key,
            brand: viewer.brand,
            username: viewer.new[0].username.clone(),
            segment: Segment::Hot,
            score_rank: 1.0,
            last_contact: state.contact,
            first_seen: NOW,
            last_seen: NOW,
            needs_reply_since: state.needs_reply_since(),
            rules_version: "test".into(),
            tags: Vec::new(),
            due: None,
            triage: None,
            review: None,
            state: serde_json::to_string(&state).unwrap(),
        }
    };
    FoldOutput { viewers: input.viewers.into_iter().map(row).collect(), outbox: Vec::new(), exposures: Vec::new() }
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(None, folder.path(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        for brand in ["lumen", "umbra"] {
            let settings = BrandSettings::default();
            let (id, time_zone) = (BrandId::new(brand), "UTC".into());
            let row = Brand {
                id: id.clone(),
                name: brand.to_uppercase(),
                time_zone,
                settings,
                document_version: 0,
                created: NOW,
            };
            store.upsert_brand(&row).await.unwrap();
            let account = Account {
                id: AccountId::new(format!("account-of-{brand}")),
                brand: id,
                channel: Channel::Instagram,
                login: Login::Instagram,
                username: None,
                token_sealed: None,
                token_expires: None,
                paused_reason: None,
                created: NOW,
            };
            store.upsert_account(&account).await.unwrap();
        }
        let happened = [
            said("lumen", "mila", 1, message("m1", "<script>alert(1)</script>")),
            said("lumen", "mila", 2, message("m2", "first words")),
            said("lumen", "mila", 3, message("m3", "I regret this")),
            said(
                "lumen",
                "mila",
                4,
                Body::MessageEdit(MessageEdit { mid: "m2".into(), text: Some("better words".into()), num_edit: 1 }),
            ),
            said("lumen", "mila", 5, Body::Unsend(Unsend { mid: "m3".into() })),
            said("umbra", "jonas", 1, message("m9", "for umbra alone")),
        ];
        store.apply_interactions(&happened, NOW, 1_000, fold).await.unwrap();
        for (person, brand, role) in [
            ("owner@example.org", None, Role::Owner),
            ("agent@example.org", Some("lumen"), Role::Agent),
            ("analyst@example.org", Some("lumen"), Role::Analyst),
            ("other@example.org", Some("umbra"), Role::Manager),
        ] {
            store.put_person(person, person, NOW).await.unwrap();
            store.grant(person, brand.map(BrandId::new).as_ref(), Some(role)).await.unwrap();
            let hash = Token::hash_of(person);
            assert!(store.open_session(&hash, person, "the-csrf-token", NOW, 60_000).await.unwrap());
        }
        let console = Console::new(store.clone(), Arc::new(|| NOW));
        Self { router: router(console), store, _folder: folder }
    }

    async fn ask(&self, request: Request<HttpBody>) -> (StatusCode, String, axum::http::HeaderMap) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap(), headers)
    }

    async fn get_as(&self, who: &str, path: &str, host: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        let cookie = format!("theme=dark; afterglow_session={who}");
        self.ask(Request::get(path).header("Host", host).header("Cookie", cookie).body(HttpBody::empty()).unwrap())
            .await
    }

    async fn get(&self, path: &str, host: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        self.get_as("owner@example.org", path, host).await
    }

    async fn post_as(&self, who: &str, path: &str, form: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        let request = Request::post(path)
            .header("Host", "localhost")
            .header("Cookie", format!("afterglow_session={who}"))
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded");
        self.ask(request.body(HttpBody::from(form.to_owned())).unwrap()).await
    }

    async fn page(&self, path: &str) -> String {
        let (status, text, _) = self.get(path, "localhost:8080").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        text
    }
}

#[tokio::test]
async fn a_viewer_is_shown_as_things_stand_and_inert() {
    let page = Site::new().await.page("/b/lumen/v/account-of-lumen/mila").await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"), "words are words");
    assert!(page.contains("&lt;b&gt;mila") && !page.contains("<b>mila"));
    assert!(page.contains("better words") && page.contains("(edited)") && !page.contains("first words"));
    assert!(page.contains("taken back") && !page.contains("I regret this"), "what was taken back is not shown");
}

#[tokio::test]
async fn brands_are_walls() {
    let site = Site::new().await;
    let home = site.page("/").await;
    assert!(home.contains("LUMEN") && home.contains("UMBRA"), "the operator of the whole sees all brands");
    let lumen = site.page("/b/lumen?show=hot").await;
    assert!(lumen.contains("mila") && !lumen.contains("jonas") && !lumen.contains("UMBRA"));
    for path in ["/b/umbra/v/account-of-lumen/mila", "/b/lumen/v/account-of-umbra/jonas", "/b/nobody", "/nowhere"] {
        assert_eq!(site.get(path, "localhost").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nobody_reads_it_from_elsewhere() {
    let site = Site::new().await;
    let (status, text, headers) = site.get("/b/lumen", "evil.example:8080").await;
    assert!(status == StatusCode::FORBIDDEN && !text.contains("mila"));
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let (_, _, headers) = site.get("/", "127.0.0.1:8080").await;
    assert_eq!(headers["cache-control"], "no-store");
    for name in
        ["content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options", "cache-control"]
    {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let site = Site::new().await;
    site.store.close().await;
    let (status, text, _) = site.get("/", "localhost").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("afterglow doctor"), "{status} {text}");
}

const AGENT: &str = "agent@example.org";
const VIEWER: &str = "/b/lumen/v/account-of-lumen/mila";

#[tokio::test]
async fn nobody_comes_in_without_a_session() {
    let site = Site::new().await;
    for who in ["", "nobody", "AGENT@example.org"] {
        let (status, text, headers) = site.get_as(who, "/b/lumen", "localhost").await;
        assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/sign-in"));
        assert!(!text.contains("mila"));
    }
    let (status, _, _) = site.post_as("nobody", &format!("{VIEWER}/reply"), "text=hi&csrf=").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// Every route of a brand, with another brand's session: none of them is there.
#[tokio::test]
async fn brands_are_walls_on_every_route() {
    let site = Site::new().await;
    let gets = [
        "",
        "/held",
        "/moderation",
        "/stories",
        "/rules",
        "/decisions",
        "/audit",
        "/live",
        "/daily-log",
        "/v/account-of-lumen/mila",
    ];
    for path in gets.map(|path| format!("/b/lumen{path}")).iter().chain(&["/ops".into(), "/people".into()]) {
        let (status, text, _) = site.get_as("other@example.org", path, "localhost").await;
        assert!(status == StatusCode::NOT_FOUND && !text.contains("mila"), "{path}: {status}");
    }
    let viewer = "v/account-of-lumen/mila";
    let id = "00000000-0000-8000-8000-000000000000";
    let posts = [
        "label",
        "observe",
        "rules",
        "rules/1",
        "switches",
        "rollout",
        "stories/watch",
        &format!("held/{id}/approve"),
        &format!("held/{id}/refuse"),
        &format!("moderation/{id}"),
        &format!("{viewer}/reply"),
        &format!("{viewer}/claim"),
        &format!("{viewer}/let-go"),
        &format!("{viewer}/take-over"),
        &format!("{viewer}/give-back"),
    ]
    .map(|path| format!("/b/lumen/{path}"));
    for path in posts.iter().chain(&[
        "/people".into(),
        format!("/ops/quarantine/{id}"),
        "/ops/dead-letters/interactions".into(),
    ]) {
        let form = "csrf=the-csrf-token&text=hi&form=1&viewer=account-of-lumen/mila&label=vip&do=on&reason=why";
        let (status, _, _) = site.post_as("other@example.org", path, form).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    // By one's own brand's address one does not reach another's viewer either.
    let (status, _, _) = site
        .post_as("other@example.org", "/b/umbra/v/account-of-lumen/mila/reply", "csrf=the-csrf-token&text=hi&form=1")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let lumen = BrandId::new("lumen");
    assert!(site.store.brand(&lumen).audit(9).await.unwrap().is_empty(), "nothing was done");
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let site = Site::new().await;
    let path = format!("{VIEWER}/take-over");
    assert_eq!(site.post_as(AGENT, &path, "").await.0, StatusCode::CONFLICT);
    assert_eq!(site.post_as(AGENT, &path, "csrf=guessed").await.0, StatusCode::CONFLICT);
    let request = Request::post(&path).header("Host", "localhost").header("Sec-Fetch-Site", "cross-site");
    let request = request.header("Cookie", format!("afterglow_session={AGENT}"));
    let (status, _, _) = site.ask(request.body(HttpBody::from("csrf=the-csrf-token")).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (lumen, key) = (
        BrandId::new("lumen"),
        afterglow_domain::ViewerKey { account: AccountId::new("account-of-lumen"), viewer: ViewerId::new("mila") },
    );
    assert!(!site.store.brand(&lumen).viewer(&key, 9).await.unwrap().unwrap().handed_over);
    assert_eq!(site.post_as(AGENT, &path, "csrf=the-csrf-token").await.0, StatusCode::SEE_OTHER);
    assert!(site.store.brand(&lumen).viewer(&key, 9).await.unwrap().unwrap().handed_over);
}

#[tokio::test]
async fn roles_bound_what_one_may() {
    let site = Site::new().await;
    let form = "csrf=the-csrf-token&text=hello&form=1&reason=why&do=on&document=x";
    for (who, path, expected) in [
        ("analyst@example.org", format!("{VIEWER}/reply"), StatusCode::FORBIDDEN),
        ("analyst@example.org", "/b/lumen/switches".into(), StatusCode::FORBIDDEN),
        (AGENT, "/b/lumen/switches".into(), StatusCode::FORBIDDEN),
        (AGENT, "/b/lumen/rules".into(), StatusCode::FORBIDDEN),
        (AGENT, "/people".into(), StatusCode::NOT_FOUND),
        (AGENT, format!("{VIEWER}/reply"), StatusCode::SEE_OTHER),
        ("owner@example.org", "/b/lumen/switches".into(), StatusCode::SEE_OTHER),
    ] {
        assert_eq!(site.post_as(who, &path, form).await.0, expected, "{who} {path}");
    }
    let (_, page, _) = site.get_as("analyst@example.org", VIEWER, "localhost").await;
    assert!(page.contains("mila") && !page.contains("/reply"), "who only looks is shown no form");
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
async fn one_signs_in_by_a_password_or_a_link_once() {
    let site = Site::new().await;
    let hash = afterglow_console::hash_password("correct horse battery").unwrap();
    site.store.set_password(AGENT, &hash).await.unwrap();
    let (status, page, _) = site.post_as("", "/sign-in", "person=agent@example.org&password=wrong").await;
    assert!(status == StatusCode::UNAUTHORIZED && page.contains("value=\"agent@example.org\""));
    let (status, _, headers) =
        site.post_as("", "/sign-in", "person=Agent@example.org&password=correct+horse+battery").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(site.get_as(secret, "/b/lumen", "localhost").await.0, StatusCode::OK);
    for _ in 0..5 {
        site.post_as("", "/sign-in", "person=agent@example.org&password=wrong").await;
    }
    let (status, _, _) = site.post_as("", "/sign-in", "person=agent@example.org&password=correct+horse+battery").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "not even the right one");
    let token = Token::new().unwrap();
    site.store.put_sign_in_link(&token.hash(), AGENT, NOW.plus(1)).await.unwrap();
    let path = format!("/sign-in/link/{}", token.secret());
    assert_eq!(site.get_as("", &path, "localhost").await.0, StatusCode::OK, "looking uses nothing up");
    assert_eq!(site.post_as("", &path, "").await.0, StatusCode::SEE_OTHER);
    assert_eq!(site.post_as("", &path, "").await.0, StatusCode::UNAUTHORIZED);
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
async fn programs_read_one_brand_with_a_token() {
    let site = Site::new().await;
    let token = Token::new().unwrap();
    let lumen = BrandId::new("lumen");
    let made = afterglow_store::ApiToken {
        brand: lumen.clone(),
        name: "warehouse".into(),
        created: NOW,
        created_by: "ada".into(),
    };
    assert!(site.store.put_api_token(&token.hash(), &made).await.unwrap());
    assert!(!site.store.put_api_token(b"other", &made).await.unwrap(), "one of a name");
    let ask = async |path: &str, secret: &str| {
        let request =
            Request::get(path).header("Host", "afterglow.svc").header("Authorization", format!("Bearer {secret}"));
        let (status, text, headers) = site.ask(request.body(HttpBody::empty()).unwrap()).await;
        (status, serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default(), headers)
    };
    let base = "/v1/brands/lumen";
    let (status, page, _) = ask(&format!("{base}/viewers?limit=1"), token.secret()).await;
    assert_eq!((status, page["viewers"][0]["viewer"].as_str()), (StatusCode::OK, Some("mila")));
    let next = page["next"].as_str().unwrap();
    let (_, page, _) = ask(&format!("{base}/viewers?cursor={next}"), token.secret()).await;
    assert!(page["viewers"].as_array().unwrap().is_empty() && page["next"].is_null());
    let one = format!("{base}/viewers/account-of-lumen/mila");
    let (_, explained, _) = ask(&format!("{one}/explain"), token.secret()).await;
    let sum: f64 = explained["contributions"].as_array().unwrap().iter().map(|c| c["now"].as_f64().unwrap()).sum();
    assert!((sum + explained["rest"].as_f64().unwrap() - explained["score"].as_f64().unwrap()).abs() < 1e-6);
    for path in ["/triage", "/decisions", "/daily-log", "/viewers/account-of-lumen/mila/interactions"] {
        assert_eq!(ask(&format!("{base}{path}"), token.secret()).await.0, StatusCode::OK, "{path}");
    }
    for (path, secret, expected) in [
        (one.as_str(), "guessed", StatusCode::UNAUTHORIZED),
        (one.as_str(), "owner@example.org", StatusCode::UNAUTHORIZED), // a session is no token
        ("/v1/brands/umbra/viewers", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers/account-of-umbra/jonas", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers/account-of-umbra/jonas/explain", token.secret(), StatusCode::NOT_FOUND),
        ("/v1/brands/lumen/viewers?cursor=nonsense", token.secret(), StatusCode::BAD_REQUEST),
        ("/v1/brands/lumen/daily-log?date=yesterday", token.secret(), StatusCode::BAD_REQUEST),
        ("/v1/nowhere", token.secret(), StatusCode::NOT_FOUND),
    ] {
        let (status, problem, headers) = ask(path, secret).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
        assert!(problem["title"].is_string() && problem["status"] == status.as_u16());
    }
    let (_, others, _) = ask("/v1/brands/lumen/viewers/account-of-umbra/jonas/interactions", token.secret()).await;
    assert_eq!(others.as_array().map(Vec::len), Some(0), "another brand's words");
    site.store.brand(&lumen).revoke_api_token("warehouse").await.unwrap();
    assert_eq!(ask(&one, token.secret()).await.0, StatusCode::UNAUTHORIZED, "at once");
}

/// `schemas/openapi.json` is what the code says; `AFTERGLOW_BLESS=1` writes it.
#[test]
fn the_description_is_the_one_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/openapi.json");
    let current = serde_json::to_string_pretty(&afterglow_console::openapi()).unwrap() + "\n";
    if std::env::var_os("AFTERGLOW_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), current, "run the test with AFTERGLOW_BLESS=1");
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
