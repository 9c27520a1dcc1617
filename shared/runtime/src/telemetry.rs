//! Logs and metrics.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::settings::{Log, LogFormat};

/// Upper bounds of histograms of durations, in seconds.
const SECONDS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Upper bounds of histograms of counts (names that end in `_size`).
const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Telemetry cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` cannot be read.
    #[error("log.filter is not a filter such as `info,afterglow_responder=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logs or metrics have been started before in this process.
    #[error("telemetry has been started already")]
    Twice,
}

/// Starts logs on standard error; standard output is for what was asked for.
pub fn start_logs(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Pretty => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    started.map_err(|_| TelemetryError::Twice)
}

/// Starts metrics; the handle renders them for Prometheus.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let builder = PrometheusBuilder::new();
    let builder =
        [("_seconds", &SECONDS[..]), ("_size", &SIZES[..])].into_iter().fold(builder, |builder, (end, at)| {
            // Fails for an empty list of bounds alone.
            builder.set_buckets_for_metric(Matcher::Suffix(end.into()), at).unwrap_or_else(|_| PrometheusBuilder::new())
        });
    builder.install_recorder().map_err(|_| TelemetryError::Twice)
}
