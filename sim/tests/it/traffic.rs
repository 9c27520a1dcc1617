//! Posting, retrying, and the whole circle of reply and answer.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use afterglow_domain::ViewerId;
use afterglow_sim::traffic::{Extent, PlannedWebhook, TrafficOptions, Truth};
use afterglow_sim::world::What;
use afterglow_sim::{Pace, Sim};
use tokio_util::sync::CancellationToken;

use crate::receiver::{Manner, Receiver};
use crate::{START, options, send};

fn plan(sim: &Sim, events: u64) -> Vec<PlannedWebhook> {
    TrafficOptions::new(sim.accounts().to_vec(), 4, START, 200.0, Extent::Events(events)).plan().collect()
}

#[tokio::test]
async fn everything_is_posted_signed_and_counted() {
    let sim = Sim::start(options()).await.unwrap();
    let (receiver, url) = Receiver::start([]).await;
    let plan = plan(&sim, 1_000);
    let truth = Truth::of(plan.clone());
    let report = sim.run_traffic(&url, plan.clone(), Pace::Fast, &CancellationToken::new()).await;
    assert_eq!(report.events, 1_000);
    assert_eq!(report.webhooks_posted, truth.webhooks);
    assert_eq!(report.deliveries, truth.webhooks);
    assert_eq!((report.retries, report.not_accepted, report.events_in_doubt, report.cancelled), (0, 0, 0, false));
    assert!(truth.unparseable > 0, "the plan holds bodies that are answered 400");
    let taken = receiver.taken();
    assert_eq!(taken.len() as u64, truth.webhooks);
    let mut wanted: HashMap<_, u32> = HashMap::new();
    for webhook in &plan {
        *wanted.entry(webhook.body().clone()).or_default() += 1;
    }
    for (body, signature) in &taken {
        assert_eq!(*signature, afterglow_sim::webhooks::signature(&sim.accounts()[0].app.secret, body));
        *wanted.get_mut(body).unwrap() -= 1;
    }
    assert!(wanted.values().all(|n| *n == 0), "byte for byte");
    assert_eq!(sim.totals().answers_due, truth.answers_due.len() as u64);
}

#[tokio::test]
async fn what_is_not_taken_is_posted_again() {
    let sim = Sim::start(options()).await.unwrap();
    let failures = [503, 500, 404, 302, 429].map(Manner::Answer);
    let (receiver, url) = Receiver::start(failures).await;
    let plan = plan(&sim, 50);
    let report = sim.run_traffic(&url, plan.clone(), Pace::Fast, &CancellationToken::new()).await;
    assert_eq!(report.events, 50);
    assert_eq!(report.retries, 5);
    assert_eq!(report.not_accepted, 0);
    assert_eq!(receiver.taken().len(), plan.len() + 5);
}

#[tokio::test]
async fn meta_gives_up_at_last_and_says_so() {
    let mut options = options();
    options.poster.retry.pauses.truncate(2);
    let sim = Sim::start(options).await.unwrap();
    let (receiver, url) = Receiver::start([Manner::Answer(503); 1000]).await;
    let plan = plan(&sim, 50);
    let report = sim.run_traffic(&url, plan.clone(), Pace::Fast, &CancellationToken::new()).await;
    assert_eq!((report.events, report.events_not_accepted), (0, 50));
    assert_eq!(report.not_accepted, plan.len() as u64);
    assert_eq!(report.refusals[&503], plan.len() as u64);
    assert_eq!(receiver.taken().len(), plan.len() * 3);
}

#[tokio::test]
async fn a_400_for_good_json_is_no_delivery() {
    let mut options = options();
    options.poster.retry.pauses.clear();
    let sim = Sim::start(options).await.unwrap();
    let (_receiver, url) = Receiver::start([Manner::Answer(400)]).await;
    let good = plan(&sim, 50).into_iter().find(|w| !w.outgoing.unparseable).unwrap();
    let report = sim.run_traffic(&url, [good], Pace::Fast, &CancellationToken::new()).await;
    assert_eq!((report.deliveries, report.not_accepted), (0, 1));
}

#[tokio::test]
async fn what_was_swallowed_is_in_doubt_and_comes_again() {
    let mut options = options();
    options.poster.timeout = Duration::from_millis(200);
    let sim = Sim::start(options).await.unwrap();
    let (receiver, url) = Receiver::start([Manner::Swallow]).await;
    let one = plan(&sim, 50).into_iter().take(1);
    let report = sim.run_traffic(&url, one, Pace::Fast, &CancellationToken::new()).await;
    assert_eq!((report.deliveries, report.retries, report.attempts_in_doubt), (1, 1, 1));
    assert_eq!(report.events_in_doubt, report.events);
    assert_eq!(receiver.taken().len(), 2);
}

#[tokio::test]
async fn a_stop_counts_from_its_acknowledgement() {
    let sim = Sim::start(options()).await.unwrap();
    let (_receiver, url) = Receiver::start([]).await;
    let plan = plan(&sim, 4_000);
    let truth = Truth::of(plan.clone());
    sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    let started_again = |m: &afterglow_sim::traffic::Moment| truth.starts.iter().any(|s| s.person == m.person);
    let stop = truth.stops.iter().find(|m| !started_again(m)).unwrap();
    let account = sim.accounts().iter().find(|a| a.id == stop.account).unwrap().clone();
    // The grace is a second: wait until it is over, then do what must not be done.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        send(&sim, &account, stop.person.as_str(), "late").await.unwrap();
        if sim.violations().iter().any(|v| v.violation.name() == "after_opt_out") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{:?}", sim.violations());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// People who at any time in the plan said stop, or perhaps, or were taken over.
fn fenced(plan: &[PlannedWebhook]) -> HashSet<ViewerId> {
    let facts = plan.iter().flat_map(|w| &w.outgoing.facts);
    let fences = facts.filter(|f| {
        matches!(f.what, What::Said(_) | What::Taken | What::Returned | What::HumanWrote { .. } | What::Standby)
    });
    fences.map(|f| f.person.clone()).collect()
}

/// A sender that answers exactly the replies that are due, and nobody who stops while it works, breaks no promise and
/// loses nobody.
#[tokio::test]
async fn the_whole_circle() {
    let mut options = options();
    options.rules.messages_per_second = 1_000_000;
    let sim = Sim::start(options).await.unwrap();
    let (_receiver, url) = Receiver::start([]).await;
    let plan = plan(&sim, 2_000);
    let (truth, fenced) = (Truth::of(plan.clone()), fenced(&plan));
    sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    let lost = sim.unanswered(0);
    assert!(lost.len() > 100, "nobody was answered yet: {}", lost.len());
    let mut sent = 0;
    for reply in lost.iter().filter(|reply| !fenced.contains(&reply.person)) {
        assert!(truth.answers_due.iter().any(|m| m.key == reply.reply));
        let account = sim.accounts().iter().find(|a| a.id == reply.account).unwrap().clone();
        assert_eq!(send(&sim, &account, reply.person.as_str(), &reply.reply).await.unwrap().status(), 200);
        sent += 1;
    }
    assert!(sim.unanswered(0).iter().all(|reply| fenced.contains(&reply.person)));
    assert!(sim.violations().is_empty(), "{:?}", sim.violations().first());
    sim.wait_idle().await;
    assert_eq!(sim.echoes().events, sent);
    sim.stop().await;
}

#[tokio::test]
async fn a_run_can_be_cut_short() {
    let sim = Sim::start(options()).await.unwrap();
    let (_receiver, url) = Receiver::start([]).await;
    let cancel = CancellationToken::new();
    let plan = TrafficOptions::new(sim.accounts().to_vec(), 4, START, 200.0, Extent::Millis(3_600_000)).plan();
    let run = sim.run_traffic(&url, plan, Pace::Planned, &cancel);
    let watch = async {
        while sim.totals().people == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (report, ()) = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(run, watch) }).await.unwrap();
    assert!(report.cancelled && report.webhooks_posted > 0);
    assert!(report.webhooks_posted < 5_000, "planned pace is no rush");
    sim.wait_idle().await;
    sim.stop().await;
}
