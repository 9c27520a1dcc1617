//! Spans, sent by OTLP to a collector: what one webhook led to, over the bus and all processes.
//!
//! Off unless `traces.endpoint` is set; then a span costs nothing. OTLP over HTTP with protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/>), by our one kind of HTTP client. A collector that is away costs spans, and
//! nothing else: they are sent in batches by a thread of their own, from a queue that drops what it cannot hold.
//!
//! Spans carry ids and counts; no names, no texts, no secrets.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::settings::Traces as Wanted;
use crate::{TelemetryError, TraceContext, http_client};

/// The target of spans: `trace_span!(target: SPANS, …)`. Of its own, so that logs do not carry them.
pub const SPANS: &str = "afterglow_spans";
/// How long one batch of spans may take to be sent.
const SEND: Duration = Duration::from_secs(5);
/// How long the end of a process waits for the last spans.
const END: Duration = Duration::from_secs(2);

/// Sends spans until it is stopped.
#[derive(Debug, Clone)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts, if a collector is named. Needs the runtime that is to send.
    pub fn start(wanted: &Wanted, service: &str) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = &wanted.endpoint else { return Ok(None) };
        let client = Client {
            http: http_client(SEND).map_err(TelemetryError::client)?,
            runtime: tokio::runtime::Handle::current(),
        };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(SEND)
            .build()
            .map_err(TelemetryError::exporter)?;
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.namespace", "afterglow"),
                KeyValue::new("service.name", service.to_owned()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        // Whoever began a trace decides; over the bus as over HTTP.
        let share = f64::from(wanted.sample_percent.min(100)) / 100.0;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("afterglow")
    }

    /// Sends what is left.
    pub async fn stop(self) {
        // Waits for a thread: not on one of ours.
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Makes a span a child of the step that a `traceparent` names, in whatever process that was.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(context) = traceparent.and_then(TraceContext::parse) {
        let _ = span.set_parent(Context::new().with_remote_span_context(remote(context))); // fails when nobody listens
    }
}

/// Names a step beside the parent that led to a span: of a batch there are many.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(context) = TraceContext::parse(traceparent) {
        span.add_link(remote(context));
    }
}

/// The step that a span is, to be carried on; `None` while spans are off.
pub fn step_of(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = context.span().span_context().clone();
    let sampled = u8::from(span.is_sampled());
    let text = format!("00-{:032x}-{:016x}-{sampled:02x}", span.trace_id(), span.span_id());
    span.is_valid().then(|| TraceContext::parse(&text)).flatten()
}

fn remote(context: TraceContext) -> SpanContext {
    let flags = if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, span) = context.ids();
    SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, true, TraceState::default())
}

/// Our HTTP client, as the exporter's thread asks for it: the thread has no runtime, so the runtime that started it sends.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let response = http.execute(request.try_into()?).await?;
            let (status, body) = (response.status(), response.bytes().await?);
            let mut answer = http::Response::new(body);
            *answer.status_mut() = status;
            Ok::<_, HttpError>(answer)
        });
        sent.await?
    }
}
