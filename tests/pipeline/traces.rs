//! What one webhook led to can be followed over the bus and all processes; and a collector that is away hinders nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterglow_sim::Pace;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, PATIENCE, in_both_forms};

in_both_forms!(a_webhook_is_followed_to_its_answer, a_collector_that_is_away_hinders_nobody);

/// A collector: what came in, by service.
type Spans = Arc<Mutex<Vec<(String, Span)>>>;

async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let take = async |State(spans): State<Spans>, headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let name = format!("{:?}", name.value);
            let of_resource = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.lock().unwrap().extend(of_resource.map(|span| (name.clone(), span)));
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), spans)
}

/// Every process again, told where spans go.
async fn restart(installation: &mut Installation, endpoint: &str) {
    for (name, value) in [("ENDPOINT", endpoint), ("SAMPLE_PERCENT", "100")] {
        installation.environment.push((format!("AFTERGLOW_TRACES__{name}"), value.into()));
    }
    for service in installation.services() {
        assert!(installation.take(service).terminate().await.success());
        installation.spawn(service);
    }
    installation.ready().await;
}

async fn a_webhook_is_followed_to_its_answer(mut installation: Installation) {
    let (endpoint, spans) = collector().await;
    restart(&mut installation, &endpoint).await;
    let plan = installation.plan(31, 120);
    let names: Vec<String> = plan.iter().map(|w| String::from_utf8_lossy(w.body()).into_owned()).collect();
    let url = installation.webhook_url();
    installation.sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    installation.at_rest().await;
    // What is left is sent at the end.
    for service in installation.services() {
        assert!(installation.take(service).terminate().await.success());
    }
    let spans = spans.lock().unwrap().clone();
    let by_id: HashMap<&[u8], &Span> = spans.iter().map(|(_, span)| (span.span_id.as_slice(), span)).collect();
    let mut followed = 0;
    for (_, send) in spans.iter().filter(|(_, span)| span.name == "send") {
        // What the sweep found follows nobody.
        let Some(answer) = by_id.get(send.parent_span_id.as_slice()) else { continue };
        let Some(webhook) = by_id.get(answer.parent_span_id.as_slice()) else { continue };
        assert_eq!((answer.name.as_str(), webhook.name.as_str()), ("answer", "webhook"));
        assert!(send.trace_id == webhook.trace_id && answer.trace_id == webhook.trace_id);
        followed += 1;
    }
    assert!(followed > 5, "{followed} of {} spans", spans.len());
    let folds: Vec<&Span> = spans.iter().map(|(_, span)| span).filter(|span| span.name == "fold").collect();
    assert!(folds.iter().all(|fold| by_id[fold.parent_span_id.as_slice()].name == "webhook"), "{folds:?}");
    assert!(spans.iter().any(|(_, span)| span.name == "stop"), "a stop is followed too");
    // No words of anybody's.
    let shown = format!("{spans:?}");
    assert!(names.iter().any(|body| body.contains("\"text\"")), "the traffic has words");
    for account in installation.sim.accounts() {
        let secret = secrecy::ExposeSecret::expose_secret(&account.access_token);
        assert!(!shown.contains(secret));
    }
}

async fn a_collector_that_is_away_hinders_nobody(mut installation: Installation) {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap(); // takes connections, and never answers
    restart(&mut installation, &format!("http://{}", nobody.local_addr().unwrap())).await;
    let plan = installation.plan(32, 120);
    let expected: u64 = plan.iter().map(|webhook| u64::from(webhook.expect.interactions)).sum();
    let url = installation.webhook_url();
    installation.sim.run_traffic(&url, plan, Pace::Fast, &CancellationToken::new()).await;
    let totals = installation.at_rest().await;
    assert_eq!(totals.accepted, expected + installation.sim.echoes().events);
    assert!(installation.unanswered().is_empty());
    for service in installation.services() {
        let begun = Instant::now();
        assert!(installation.take(service).terminate().await.success());
        assert!(begun.elapsed() < PATIENCE.min(Duration::from_secs(10)), "{service} ends in time");
    }
}
