//! The broker goes away and comes back: webhooks are refused in time meanwhile, and none is lost.

use std::time::{Duration, Instant};

use afterglow_sim::Pace;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, client, get, in_production_form};

/// Passes connections on to the broker until it is cut.
async fn relay(listener: TcpListener, broker: u16, cut: CancellationToken) {
    while let Some(Ok((mut here, _))) = cut.run_until_cancelled(listener.accept()).await {
        let cut = cut.clone();
        tokio::spawn(async move {
            let Ok(mut there) = TcpStream::connect(("127.0.0.1", broker)).await else { return };
            cut.run_until_cancelled(tokio::io::copy_bidirectional(&mut here, &mut there)).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_refused_while_the_broker_is_away_and_taken_when_it_is_back() {
    in_production_form(case).await;
}

async fn case(mut installation: Installation) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = installation.environment.iter_mut().find(|(name, _)| name == "AMQP_URL").unwrap();
    let (head, rest) = url.1.rsplit_once(':').unwrap();
    let broker: u16 = rest.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    url.1 = format!("{head}:{port}");
    assert!(installation.take("ingest").terminate().await.success());
    let cut = CancellationToken::new();
    tokio::spawn(relay(listener, broker, cut.clone()));
    installation.spawn("ingest");
    installation.ready().await;

    cut.cancel();
    let ready = installation.ops_url("ingest", "/readyz");
    let begun = Instant::now();
    while get(&ready).await.is_some_and(|(status, _)| status == 200) {
        assert!(begun.elapsed() < PATIENCE, "still ready without a broker");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let webhook = installation.plan(9, 20).into_iter().find(|w| w.expect.interactions > 0).unwrap();
    let secret = &webhook.outgoing.secret;
    let signature = afterglow_meta::sign(secret, webhook.body());
    let begun = Instant::now();
    let request = client().post(installation.webhook_url()).header("X-Hub-Signature-256", signature);
    let answer = request.body(webhook.body().clone()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(begun.elapsed() < Duration::from_secs(5), "Meta waits no longer: {:?}", begun.elapsed());
    let (alive, _) = get(&installation.ops_url("ingest", "/healthz")).await.unwrap();
    assert_eq!(alive, 200, "a process is not killed because its broker is away");

    // Meta tries again and again; the broker comes back in the middle of it.
    let plan = installation.plan(10, 200);
    let expected: u64 = plan.iter().map(|webhook| u64::from(webhook.expect.interactions)).sum();
    let sim = installation.sim.clone();
    let url = installation.webhook_url();
    let traffic = tokio::spawn(async move { sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await });
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(relay(listener, broker, CancellationToken::new()));
    let report = traffic.await.unwrap();
    assert_eq!(report.not_accepted, 0, "{report:?}");
    let totals = installation.at_rest().await;
    assert_eq!(totals.accepted, expected + installation.sim.echoes().events);
    assert!(installation.sim.violations().is_empty() && installation.unanswered().is_empty());
}
