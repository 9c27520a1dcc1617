//! `/healthz`, `/readyz` and `/metrics`, for Kubernetes and Prometheus.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

/// How long one check may take. Kubernetes' own default time-out is 1 s.
const CHECK_TIMEOUT: Duration = Duration::from_millis(800);

/// Asks a dependency whether it is there; the error says what is wrong, without secrets.
pub type ReadyCheck = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Whether this process lives and can work. Cloning shares what is known.
#[derive(Clone, Default)]
pub struct Health {
    draining: Arc<AtomicBool>,
    waits: Arc<RwLock<Option<String>>>,
    checks: Arc<RwLock<Vec<(&'static str, ReadyCheck)>>>,
}

impl Health {
    /// Adds a dependency without which the process cannot work.
    pub fn check<F, R>(&self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: ReadyCheck = Arc::new(move || Box::pin(check()));
        self.checks.write().unwrap_or_else(PoisonError::into_inner).push((name, check));
    }

    /// The process has not begun, and waits for something: what, and how it is mended. `None` when it has begun.
    pub fn waits(&self, what: Option<String>) {
        *self.waits.write().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// From now on the process is not ready: it finishes what it has.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining".into());
        }
        if let Some(what) = self.waits.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(what);
        }
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut problems = Vec::new();
        for (name, check) in &checks {
            match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => problems.push(format!("{name}: {problem}")),
                Err(_) => problems.push(format!("{name}: no answer in {CHECK_TIMEOUT:?}")),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

/// Reads what is only worth reading when somebody asks, such as the depth of queues, into gauges.
pub type Gauges = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The routes. `/healthz` asks nothing of others: a process must not be killed because its database is away. `gauges` is
/// awaited before metrics are rendered, for at most as long as a check.
pub fn ops_router(health: Health, metrics: PrometheusHandle, gauges: Gauges) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(async move || {
                let _ = tokio::time::timeout(CHECK_TIMEOUT, gauges()).await; // the last values will do
                metrics.run_upkeep();
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
            }),
        )
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    match health.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {problem}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_while_every_dependency_is_and_nobody_asked_to_stop() {
        let there = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&there);
        let health = Health::default();
        health.waits(Some("the schema is old".into()));
        assert_eq!(health.ready().await, Err("the schema is old".into()));
        health.waits(None);
        health.check("store", move || {
            let there = asked.load(Ordering::Relaxed);
            async move { if there { Ok(()) } else { Err("away".into()) } }
        });
        assert_eq!(health.ready().await, Ok(()));
        there.store(false, Ordering::Relaxed);
        assert_eq!(health.ready().await, Err("store: away".into()));
        there.store(true, Ordering::Relaxed);
        health.clone().drain();
        assert_eq!(health.ready().await, Err("draining".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_hangs_is_not_ready() {
        let health = Health::default();
        health.check("bus", std::future::pending::<Result<(), String>>);
        assert_eq!(health.ready().await, Err("bus: no answer in 800ms".into()));
    }
}
