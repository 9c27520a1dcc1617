//! Signals, services, and how they end.
//!
//! A process stops in order: `/readyz` says so, and requests are taken on for a while (`ops.linger_ms`), so that whoever
//! deals them out can notice; then the token is cancelled, each service takes nothing new, finishes what it has and
//! returns; then the process exits 0. A service that ends by itself, or fails, takes the others down with it: half a process is
//! worse than none, and Kubernetes starts a whole one.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The error of a service, whatever it is.
type ServiceError = Box<dyn std::error::Error + Send + Sync>;

/// How the services ended, if not as they should.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// A service failed, or ended without having been asked to.
    #[error("the {service} stopped")]
    Failed {
        /// Which one.
        service: &'static str,
        /// Why.
        source: ServiceError,
    },
    /// Services did not finish in time after they had been asked to.
    #[error("not finished {after:?} after the request to stop: {services}")]
    Stuck {
        /// How long they were given.
        after: Duration,
        /// Which ones.
        services: String,
    },
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it ended without having been asked to")]
    Early,
    #[error("it panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Cancels `leaving` on SIGTERM or SIGINT, and `stop` after `linger`. A second one ends the process at once, with status 130.
pub fn signals(leaving: &CancellationToken, stop: &CancellationToken, linger: Duration) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (leaving, stop) = (leaving.clone(), stop.clone());
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !first {
                std::process::exit(130);
            }
            tracing::info!(?linger, "stopping: finishing what was begun");
            leaving.cancel();
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(linger).await;
                stop.cancel();
            });
        }
    });
    Ok(())
}

/// Does `work` at once and then again, `every` so often after it was done, until `stop`, which also cuts it short; never if
/// `every` is zero.
pub async fn regularly<W: Future<Output = ()>>(every: Duration, stop: &CancellationToken, work: impl Fn() -> W) {
    if every.is_zero() {
        return stop.cancelled().await;
    }
    while stop.run_until_cancelled(work()).await.is_some() {
        if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
            return;
        }
    }
}

/// The services of one process.
#[derive(Debug)]
pub struct Services {
    stop: CancellationToken,
    drain: Duration,
    names: Vec<&'static str>,
    running: JoinSet<(&'static str, Result<(), ServiceError>)>,
}

impl Services {
    /// No services yet. They are to end when `stop` is cancelled, within `drain`.
    pub fn new(stop: CancellationToken, drain: Duration) -> Self {
        Self { stop, drain, names: Vec::new(), running: JoinSet::new() }
    }

    /// Starts a service. It must return soon after the token is cancelled.
    pub fn spawn<E>(&mut self, name: &'static str, service: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<ServiceError> + 'static,
    {
        self.names.push(name);
        self.running.spawn(async move {
            // In a task of its own, so that a panic has a name.
            match tokio::spawn(async move { service.await.map_err(Into::into) }).await {
                Ok(ended) => (name, ended),
                Err(panic) => (name, Err(Fault::Panicked(panic).into())),
            }
        });
    }

    /// Starts a service that cannot fail: it loops until the token is cancelled, and soon returns.
    pub fn spawn_loop(&mut self, name: &'static str, service: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            service.await;
            Ok::<(), Infallible>(())
        });
    }

    /// Waits until every service has ended.
    pub async fn wait(mut self) -> Result<(), Ended> {
        let mut failed = None;
        while !self.running.is_empty() {
            let joined = if self.stop.is_cancelled() {
                match tokio::time::timeout(self.drain, self.running.join_next()).await {
                    Ok(joined) => joined,
                    Err(_) => return Err(Ended::Stuck { after: self.drain, services: self.names.join(", ") }),
                }
            } else {
                tokio::select! {
                    joined = self.running.join_next() => joined,
                    () = self.stop.cancelled() => continue,
                }
            };
            let Some(Ok((service, ended))) = joined else { continue };
            self.names.retain(|name| *name != service);
            let ended = match ended {
                Ok(()) if !self.stop.is_cancelled() => Err(Fault::Early.into()),
                other => other,
            };
            if let Err(source) = ended {
                tracing::error!(service, error = %source, "a service stopped; the others are asked to");
                failed.get_or_insert(Ended::Failed { service, source });
                self.stop.cancel();
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> (Services, CancellationToken) {
        let stop = CancellationToken::new();
        (Services::new(stop.clone(), Duration::from_secs(1)), stop)
    }

    async fn until(stop: CancellationToken) -> Result<(), Fault> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn all_end_well_when_asked() {
        let (mut services, stop) = services();
        services.spawn("a", until(stop.clone()));
        services.spawn("b", until(stop.clone()));
        stop.cancel();
        assert!(services.wait().await.is_ok());
    }

    #[tokio::test]
    async fn one_that_ends_early_takes_the_others_down() {
        let (mut services, stop) = services();
        services.spawn("a", until(stop.clone()));
        services.spawn("b", async { Ok::<(), Fault>(()) });
        assert!(matches!(services.wait().await, Err(Ended::Failed { service: "b", .. })));
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_has_a_name() {
        let (mut services, _stop) = services();
        services.spawn("a", async {
            assert!(std::hint::black_box(false), "as the test wants it");
            Ok::<(), Fault>(())
        });
        assert!(matches!(services.wait().await, Err(Ended::Failed { service: "a", .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_done_at_once_and_again_until_the_end() {
        let (stop, done) = (CancellationToken::new(), std::sync::atomic::AtomicU32::new(0));
        let work = || async {
            if done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
                stop.cancel();
            }
        };
        regularly(Duration::from_mins(1), &stop, work).await;
        assert_eq!(done.into_inner(), 3);
        regularly(Duration::ZERO, &stop, || async { panic!("never") }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_is_named() {
        let (mut services, stop) = services();
        services.spawn("a", std::future::pending::<Result<(), Fault>>());
        services.spawn("b", until(stop.clone()));
        stop.cancel();
        assert!(matches!(services.wait().await, Err(Ended::Stuck { services, .. }) if services == "a"));
    }
}
