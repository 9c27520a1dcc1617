//! `afterglow responder`: judges, sends, and has replies drafted.

use std::sync::Arc;
use std::time::Duration;

use afterglow_drafts::{BreakerSettings, Drafter, EndpointSettings, Prices};
use afterglow_responder::{Policy, Responder, ResponderOptions, decide, runtime_sleep};
use afterglow_runtime::Services;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::installation::{graph, keyring};

impl Parts {
    pub(super) fn start_responder(&self, services: &mut Services, stop: &CancellationToken) -> anyhow::Result<()> {
        let responder = &self.settings.responder;
        let timeout = Duration::from_millis(responder.send_timeout_ms);
        let responder = Responder::new(ResponderOptions {
            store: self.store.clone(),
            bus: self.bus()?,
            graph: graph(&self.settings)?,
            keyring: Arc::new(keyring(&self.settings)?),
            clock: Arc::clone(&self.clock),
            holder: self.holder(),
            policy: Policy::default(),
            concurrency: responder.concurrency,
            sweep_every: Duration::from_millis(responder.sweep_ms),
            send_timeout: timeout,
            sends_per_second: responder.sends_per_second,
            echo_patience: Duration::from_millis(responder.echo_patience_ms),
            fate_patience: Duration::from_millis(responder.fate_patience_ms),
            drafter: drafter(&self.settings.drafts)?.map(Arc::new),
            gate: decide,
            sleep: runtime_sleep(),
        });
        services.spawn("responder", responder.run(stop.clone()));
        Ok(())
    }
}

/// Asks a model for drafts, if an endpoint is set.
fn drafter(drafts: &afterglow_runtime::Drafts) -> anyhow::Result<Option<Drafter>> {
    let Some(url) = &drafts.url else { return Ok(None) };
    let mut endpoint = EndpointSettings::new(url, &drafts.model);
    endpoint.api_key.clone_from(&drafts.api_key);
    endpoint.timeout = Duration::from_millis(drafts.timeout_ms);
    let prices = Prices { input: drafts.input_price_micros, output: drafts.output_price_micros };
    let drafter = Drafter::new(endpoint, prices, BreakerSettings::default()).context("drafts.url cannot be used")?;
    Ok(Some(drafter))
}
