use afterglow_domain::{
    BrandId, Channel, Click, Conversion, DerivedId as _, InteractionId, Message, Observation, ReplyTo, Source, ViewerId,
};

use super::*;

/// Monday, 2 November 2026, 08:00 UTC.
const T: Timestamp = Timestamp::from_millis(1_793_606_400_000);

fn happened(n: i64, viewer: Option<&str>, after_ms: i64, body: Body) -> Interaction {
    Interaction {
        id: InteractionId::derive(&["x", &n.to_string()]),
        brand: BrandId::new("lumen"),
        account: AccountId::new("1"),
        viewer: viewer.map(ViewerId::new),
        username: None,
        channel: Channel::Instagram,
        source: Source::Webhook,
        occurred: T.plus(after_ms),
        received: T.plus(after_ms),
        standby: false,
        body,
        raw: None,
    }
}

fn sample(n: i64, story: &str, posted_ms: i64, age_ms: i64, metrics: &[(&str, Option<i64>)]) -> Interaction {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let body = StoryInsights { media_id: story.into(), posted: Some(T.plus(posted_ms)), metrics };
    happened(n, None, posted_ms + age_ms, Body::StoryInsights(body))
}

fn reply(n: i64, viewer: &str, after_ms: i64, story: &str) -> Interaction {
    let to = ReplyTo::Story { id: story.into(), url: None };
    let message = Message { mid: format!("m{n}"), text: Some("wow".into()), reply_to: Some(to), ..Message::default() };
    happened(n, Some(viewer), after_ms, Body::StoryReply(message))
}

fn message(n: i64, viewer: &str, after_ms: i64) -> Interaction {
    let message = Message { mid: format!("m{n}"), text: Some("how much".into()), ..Message::default() };
    happened(n, Some(viewer), after_ms, Body::Message(message))
}

fn sale(n: i64, viewer: &str, after_ms: i64, link: Option<&str>) -> Interaction {
    let sale = Conversion {
        external_id: n.to_string(),
        goal: "purchase".into(),
        value_minor: Some(1_000),
        currency: Some("EUR".into()),
        link: link.map(ToOwned::to_owned),
    };
    happened(n, Some(viewer), after_ms, Body::Conversion(sale))
}

fn shown(happened: &[Interaction], now: Timestamp) -> Vec<StoryFunnel> {
    let links = HashMap::from([("shop".to_owned(), "b".to_owned())]);
    let labels = HashMap::from([
        ("a".to_owned(), StoryLabel::Teaser),
        ("b".to_owned(), StoryLabel::Value),
        ("c".to_owned(), StoryLabel::Cta),
    ]);
    let period = (T.minus(DAY_MS), T.plus(7 * DAY_MS));
    let zone = "Europe/Amsterdam";
    funnel(&FunnelGround { happened, links: &links, labels: &labels, zone, period, now })
}

const LATE: Timestamp = T.plus(40 * DAY_MS);

#[test]
fn frames_follow_the_order_of_the_day_and_exits_are_shares_of_views() {
    let navigation = [
        ("reach", Some(100)),
        ("views", Some(200)),
        ("navigation", Some(150)),
        ("navigation_tap_exit", Some(30)),
        ("navigation_swipe_forward", Some(20)),
    ];
    let half = [("reach", Some(50)), ("views", Some(60)), ("navigation", Some(40)), ("navigation_tap_exit", Some(30))];
    let log = [
        sample(1, "b", HOUR_MS, 23 * HOUR_MS, &half),
        sample(2, "a", 0, HOUR_MS, &[("reach", Some(3)), ("views", Some(4))]),
        sample(3, "a", 0, 23 * HOUR_MS + 1, &navigation),
        // Another day in Amsterdam, though the same in UTC.
        sample(4, "c", 15 * HOUR_MS + HOUR_MS / 2, 23 * HOUR_MS, &half),
    ];
    let stories = shown(&log, LATE);
    let order: Vec<_> = stories.iter().map(|s| (s.story.as_str(), s.day.as_str(), s.frame)).collect();
    assert_eq!(order, [("a", "2026-11-02", 1), ("b", "2026-11-02", 2), ("c", "2026-11-03", 1)]);
    assert_eq!(stories[0].exits.to_string(), "25.0 % (50 of 200)");
    assert_eq!(stories[0].completion.to_string(), "75.0 % (150 of 200)");
    assert_eq!(stories[1].exits.to_string(), "50.0 % (30 of 60)", "who did not swipe is left out by Meta: 0");
    let series = series_of(&stories);
    assert_eq!(series[0].carried.to_string(), "50.0 % (50 of 100)");
    assert_eq!(series[0].lost_most.unwrap().0, 2);
    assert!(!series[0].is_complete, "no call to action that day");
}

#[test]
fn what_is_unknown_says_why() {
    let log = [
        sample(1, "few", 0, 23 * HOUR_MS, &[("reach", None), ("views", None), ("navigation", None)]),
        sample(2, "cut", 0, 2 * HOUR_MS, &[("reach", Some(9))]),
        reply(3, "mila", HOUR_MS, "unread"),
    ];
    let stories = shown(&log, LATE);
    let of = |id: &str| stories.iter().find(|story| story.story == id).unwrap();
    assert_eq!((of("few").stage, of("few").reach.unknown()), (StoryStage::Kept, Some(StoryUnknown::Withheld)));
    assert_eq!(of("few").exits.unknown(), Some(StoryUnknown::Withheld), "not 0");
    assert_eq!((of("cut").stage, of("cut").views.unknown()), (StoryStage::CutShort, Some(StoryUnknown::NotTold)));
    assert_eq!((of("unread").stage, of("unread").reach.unknown()), (StoryStage::Unread, Some(StoryUnknown::NotRead)));
    assert_eq!(shown(&log, T.plus(3 * HOUR_MS))[0].stage, StoryStage::Live);
    let csv = funnel_to_csv(&stories);
    let cut = csv.lines().find(|line| line.starts_with("\"cut\"")).unwrap();
    assert!(cut.contains(",9,,,,") && cut.contains("views: not told by Meta"), "{cut}");
}

#[test]
fn what_follows_belongs_to_the_story_that_was_touched_last() {
    let tap = |n, viewer, after_ms| {
        let seen = Observation { story_id: Some("c".into()), ..Observation::default() };
        happened(n, Some(viewer), after_ms, Body::StickerTap(seen))
    };
    let click = happened(9, Some("jo"), 3 * HOUR_MS, Body::LinkClick(Click { link: "shop".into() }));
    let anybodys = happened(10, None, 3 * HOUR_MS, Body::LinkClick(Click { link: "shop".into() }));
    let log = [
        reply(1, "mila", HOUR_MS, "a"),
        reply(2, "mila", 2 * HOUR_MS, "a"),
        message(3, "mila", 3 * HOUR_MS),
        tap(4, "mila", 4 * HOUR_MS),
        message(5, "mila", 8 * DAY_MS),
        sale(6, "mila", 9 * DAY_MS, None),
        sale(7, "mila", 9 * DAY_MS + 1, Some("shop")),
        message(8, "stranger", HOUR_MS),
        click,
        anybodys,
        sale(11, "jo", 31 * DAY_MS + 4 * HOUR_MS, None),
    ];
    let stories = shown(&log, LATE);
    let of = |id: &str| &stories.iter().find(|story| story.story == id).unwrap().followed;
    let a = Followed { replies: 2, repliers: 1, dms: 1, ..Followed::default() };
    assert_eq!(*of("a"), a);
    let revenue = BTreeMap::from([("EUR".to_owned(), 1_000)]);
    // The message came more than 7 days after the tap, the sale within 30.
    assert_eq!(*of("c"), Followed { taps: 1, sold: 1, sales: 1, revenue, ..Followed::default() });
    // In any order, and twice, it is the same.
    let mut turned: Vec<Interaction> = log.iter().rev().chain(&log).cloned().collect();
    turned.rotate_left(5);
    assert_eq!(shown(&turned, LATE), stories);
}

#[test]
fn heat_is_by_the_brands_hours() {
    let log = [
        sample(1, "a", 0, 23 * HOUR_MS, &[("reach", Some(100))]),
        sample(2, "b", HOUR_MS / 2, 23 * HOUR_MS, &[("reach", None)]),
        reply(3, "mila", HOUR_MS, "unread"),
    ];
    let stories = shown(&log, LATE);
    let (heat, unknown) = heat_of(&stories, "Europe/Amsterdam");
    assert_eq!(heat[0][9], Heat { stories: 2, known: 1, reach: 100, replies: 0 }, "Monday at nine");
    assert_eq!((unknown, heat.iter().flatten().map(|cell| cell.stories).sum::<u64>()), (1, 2));
}
