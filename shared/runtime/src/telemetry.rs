//! Logs and metrics.

use std::io::IsTerminal as _;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::{Log, LogFormat};
use crate::traces::SPANS;
use crate::{HttpClientError, Traces};

/// Upper bounds of histograms of durations, in seconds.
const SECONDS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Upper bounds of histograms of counts (names that end in `_size`).
const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// How often what histograms have gathered is added up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Telemetry cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` cannot be read.
    #[error("log.filter is not a filter such as `info,afterglow_responder=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `traces.endpoint` cannot be used.
    #[error("spans cannot be sent to traces.endpoint: is it http://HOST:4318?")]
    Traces(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Logs or metrics have been started before in this process.
    #[error("telemetry has been started already")]
    Twice,
}

impl TelemetryError {
    pub(crate) fn client(error: HttpClientError) -> Self {
        Self::Traces(error.into())
    }

    pub(crate) fn exporter(error: opentelemetry_otlp::ExporterBuildError) -> Self {
        Self::Traces(error.into())
    }
}

/// Starts logs on standard error, standard output being for what was asked for; and gives spans to `traces`, if they are sent.
pub fn start_logs(log: &Log, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match log.format {
        LogFormat::Pretty => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    // Spans have a target of their own, which logs leave out whatever their filter says.
    let filter = filter.add_directive(format!("{SPANS}=off").parse()?);
    let spans = traces.map(|traces| {
        let ours = Targets::new().with_target(SPANS, LevelFilter::TRACE);
        tracing_opentelemetry::layer().with_tracer(traces.tracer()).with_filter(ours)
    });
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).with(spans).try_init();
    started.map_err(|_| TelemetryError::Twice)
}

/// Adds up, for ever, what histograms have gathered. They keep every sample until then, or until somebody scrapes: where nobody
/// does, memory would grow with every event.
pub async fn keep_metrics(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Starts metrics; the handle renders them for Prometheus. [`keep_metrics`] has to run beside it.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let builder = PrometheusBuilder::new();
    let builder =
        [("_seconds", &SECONDS[..]), ("_size", &SIZES[..])].into_iter().fold(builder, |builder, (end, at)| {
            // Fails for an empty list of bounds alone.
            builder.set_buckets_for_metric(Matcher::Suffix(end.into()), at).unwrap_or_else(|_| PrometheusBuilder::new())
        });
    builder.install_recorder().map_err(|_| TelemetryError::Twice)
}
