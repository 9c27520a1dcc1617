//! The limits: what the parts of ingest cost alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterglow_bus::{Bus, Lane};
use afterglow_meta::AppSecrets;
use anyhow::ensure;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::time::Instant;

const CHANNELS: u32 = 16;
const IN_FLIGHT: u32 = 64;

pub(crate) fn plain() -> Router {
    Router::new().route("/webhooks/meta", post(|_: Bytes| async { StatusCode::OK }))
}

pub(crate) fn signed(secrets: AppSecrets) -> Router {
    let secrets = Arc::new(secrets);
    let check = move |headers: HeaderMap, body: Bytes| {
        let header = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
        let good = secrets.verify(header, body).is_ok();
        async move { if good { StatusCode::OK } else { StatusCode::FORBIDDEN } }
    };
    Router::new().route("/webhooks/meta", post(check))
}

/// A webhook of `events` Story replies.
pub(crate) fn body(events: u32) -> String {
    let item = |n: u32| {
        format!(
            r#"{{"sender":{{"id":"{}"}},"recipient":{{"id":"17841405726653026"}},"timestamp":1569262485349,"message":{{"mid":"aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDA1NzI2NjUzMDI2OjM0MDI4MjM2Njg0MTcx{n:08}","text":"Love this! Where can I get one?","reply_to":{{"story":{{"url":"https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=17900000000000001","id":"17900000000000001"}}}}}}}}"#,
            1_234_567_890_123_456_u64 + u64::from(n)
        )
    };
    let items: Vec<String> = (0..events).map(item).collect();
    format!(
        r#"{{"object":"instagram","entry":[{{"id":"17841405726653026","time":1569262486134,"messaging":[{}]}}]}}"#,
        items.join(",")
    )
}

/// Confirmed publishes a second to the quorum queue that ingest uses, by the client library alone.
pub(crate) async fn publishes(url: &str, span: Duration) -> anyhow::Result<f64> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let confirmed = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CHANNELS {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for _ in 0..IN_FLIGHT {
            let (channel, confirmed) = (channel.clone(), Arc::clone(&confirmed));
            tasks.push(tokio::spawn(async move {
                let payload = vec![b'x'; 900]; // as long as an interaction of `body`
                while started.elapsed() < span {
                    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                    let properties = BasicProperties::default().with_delivery_mode(2);
                    let lane = Lane::Interactions.as_str().into();
                    let exchange = "afterglow-bench".into();
                    let confirm = channel.basic_publish(exchange, lane, options, &payload, properties).await?.await?;
                    if confirm.is_ack() {
                        confirmed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok::<(), lapin::Error>(())
            }));
        }
    }
    for task in tasks {
        task.await??;
    }
    let elapsed = started.elapsed().as_secs_f64();
    // The last channels may still be closing, which the client library reports as an error of this call.
    let _ = connection.close(200, "measured".into()).await;
    let count = u32::try_from(confirmed.load(Ordering::Relaxed))?;
    ensure!(count > 0, "the broker confirmed nothing");
    Ok(f64::from(count) / elapsed)
}

/// Empties the queue, so that no round begins behind the backlog of another.
pub(crate) async fn drain(bus: &dyn Bus) -> anyhow::Result<()> {
    let mut consumer = bus.consume(Lane::Interactions, 5000).await?;
    let settler = consumer.settler();
    while bus.depth(Lane::Interactions).await?.ready > 0 {
        let next = consumer.next_batch(5000, Duration::from_millis(20));
        if let Ok(batch) = tokio::time::timeout(Duration::from_secs(1), next).await {
            settler.ack(&batch?.iter().map(|delivery| delivery.tag).collect::<Vec<_>>()).await?;
        }
    }
    Ok(())
}
