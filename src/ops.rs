//! Health and metrics of a process, from its very beginning.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use afterglow_bus::{Bus, BusError, Lane};
use afterglow_runtime::{Gauges, Health, Settings, keep_metrics, ops_router, serve_http};
use afterglow_store::StoreError;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::serve::listen;

/// How often it is looked whether what a process waits for has come.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Health and metrics, served from the very beginning: who waits for a database says so.
pub(crate) struct Ops {
    health: Health,
    /// Of which lanes it is told how much waits there, once it is open.
    bus: Arc<OnceLock<Arc<dyn Bus>>>,
}

impl Ops {
    pub(crate) async fn serve(settings: &Settings, metrics: PrometheusHandle) -> anyhow::Result<Self> {
        let ops = Self { health: Health::default(), bus: Arc::default() };
        ops.health.waits(Some("starting".into()));
        let listener = listen(settings.ops.listen, "ops.listen").await?;
        tracing::info!(address = %listener.local_addr()?, "health and metrics");
        tokio::spawn(keep_metrics(metrics.clone()));
        tokio::spawn(crate::allocators::give_back_regularly());
        // Serves on while the others drain: probes go on until the process ends.
        let router = ops_router(ops.health.clone(), metrics, gauges(Arc::clone(&ops.bus)));
        let http = settings.http.clone();
        tokio::spawn(async move { serve_http(listener, router, &http, CancellationToken::new()).await });
        Ok(ops)
    }

    /// Opens something, again and again as long as it fails for want of what may come: a database that starts or fails over, a
    /// schema that is about to be migrated, a broker. `/readyz` and the log say what is waited for.
    pub(crate) async fn patiently<T, F>(&self, open: impl Fn() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        loop {
            match open().await {
                Err(error) if may_come(&error) => {
                    tracing::warn!(reason = format!("{error:#}"), "waiting");
                    self.health.waits(Some(format!("{error:#}")));
                }
                opened => return opened,
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Everything is open.
    pub(crate) fn begun(self, bus: Option<&Arc<dyn Bus>>) -> Health {
        if let Some(bus) = bus {
            let _ = self.bus.set(Arc::clone(bus)); // it is set once
        }
        self.health.waits(None);
        self.health
    }
}

fn may_come(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let store = cause.downcast_ref::<StoreError>();
        let passing = store.is_some_and(|e| e.is_retryable() || matches!(e, StoreError::SchemaOlder { .. }));
        passing || matches!(cause.downcast_ref::<BusError>(), Some(BusError::Unavailable(_)))
    })
}

/// How much waits on each lane.
fn gauges(bus: Arc<OnceLock<Arc<dyn Bus>>>) -> Gauges {
    Arc::new(move || {
        let bus = bus.get().cloned();
        Box::pin(async move {
            let Some(bus) = bus else { return };
            for lane in Lane::ALL {
                let Ok(depth) = bus.depth(lane).await else { continue };
                #[expect(clippy::cast_precision_loss, reason = "a queue's length, to be looked at")]
                for (state, n) in [("ready", depth.ready as f64), ("dead", depth.dead as f64)] {
                    metrics::gauge!("afterglow_bus_messages", "lane" => lane.as_str(), "state" => state).set(n);
                }
            }
        })
    })
}
