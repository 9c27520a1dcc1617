//! `afterglow ingest|scorer|responder|console|crm|all`: the services.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `parts` | what the services of a process share |
//! | `ingest`, `scorer`, `responder`, `console`, `crm` | each service, made of the settings |
//! | `listen` | listening, and serving until the end |

mod console;
mod crm;
mod ingest;
mod listen;
mod parts;
mod responder;
mod scorer;

use std::process::ExitCode;
use std::time::Duration;

use afterglow_runtime::{Settings, Traces, error_chain, signals, start_logs};
use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

pub(crate) use listen::listen;
pub(crate) use parts::{Parts, Running};

use crate::ops::Ops;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Ingest,
    Scorer,
    Responder,
    Console,
    Crm,
}

impl Service {
    pub(crate) const ALL: [Service; 5] =
        [Service::Ingest, Service::Scorer, Service::Responder, Service::Console, Service::Crm];

    /// Whether it works beside a process that has the embedded bus to itself.
    const fn needs_no_bus(self) -> bool {
        matches!(self, Service::Console | Service::Crm)
    }

    const fn name(self) -> &'static str {
        match self {
            Service::Ingest => "ingest",
            Service::Scorer => "scorer",
            Service::Responder => "responder",
            Service::Console => "console",
            Service::Crm => "crm",
        }
    }
}

/// Runs services until SIGTERM or SIGINT.
#[tokio::main]
pub(crate) async fn run(which: &[Service], settings: Settings) -> anyhow::Result<ExitCode> {
    let name = if let [one] = which { one.name() } else { "all" };
    let traces = Traces::start(&settings.traces, name)?;
    start_logs(&settings.log, traces.as_ref())?;
    let metrics = afterglow_runtime::start_metrics()?;
    if settings.bus.url.is_none() && which.len() < Service::ALL.len() && !which.iter().all(|one| one.needs_no_bus()) {
        bail!(
            "services in processes of their own share a broker: set AMQP_URL=amqp://… (or bus.url). \
             `afterglow all` runs every service in one process, without a broker"
        );
    }
    let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
    let answers = which.iter().any(|service| matches!(service, Service::Ingest | Service::Console));
    let linger = Duration::from_millis(if answers { settings.ops.linger_ms } else { 0 });
    signals(&leaving, &stop, linger).context("cannot listen for signals")?;
    let ops = Ops::serve(&settings, metrics).await?;
    let Some(opened) = leaving.run_until_cancelled(Parts::open(which, settings, ops)).await else {
        return Ok(ExitCode::SUCCESS); // asked to stop while it waited
    };
    let mut parts = opened?;
    parts.leaving = leaving;
    let running = parts.start(which, &stop).await?;
    running.services.wait().await.map_err(|ended| anyhow::anyhow!(error_chain(&ended)))?;
    parts.close().await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    tracing::info!("stopped in order");
    Ok(ExitCode::SUCCESS)
}
