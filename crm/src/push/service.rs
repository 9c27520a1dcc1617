//! All connections of all brands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afterglow_domain::{BrandId, Clock, CrmConnection, CrmKind};
use afterglow_runtime::{Keyring, error_chain};
use afterglow_store::{CrmSettlement, CrmState, Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::crms::{Crm, token_context};
use super::writer::{Lease, Next, Writer};
use crate::egress::EgressClient;

/// Writes viewers into CRMs.
#[derive(Clone)]
pub struct PushService {
    /// Where changes and connections are.
    pub store: Store,
    /// Opens the connections' tokens.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Clock,
    /// How CRMs are called. Replies are large: it has to read at least 4 MiB of them.
    pub client: EgressClient,
    /// Names this process among those that share leases.
    pub holder: String,
    /// How often it is looked for what changed.
    pub poll: Duration,
    /// How long this process has a connection to itself, in ms; longer than one request may take.
    pub lease_ms: i64,
}

/// How long it takes at most until a connection that a document names, or no longer names, is noticed. Every brand's settings are
/// read for it, and there may be very many brands.
const DOCUMENTS: Duration = Duration::from_secs(2);

type Tasks = HashMap<(BrandId, String), JoinHandle<()>>;

impl PushService {
    /// Works until `stop`; then finishes the pages under way.
    pub async fn run(self, stop: CancellationToken) {
        // A task for each connection: one that is slow or ill holds up no other.
        let (mut tasks, mut connections, mut read) = (Tasks::new(), Vec::new(), None::<Instant>);
        while stop.run_until_cancelled(tokio::time::sleep(self.poll)).await.is_some() {
            tasks.retain(|_, task| !task.is_finished());
            if read.is_none_or(|read| read.elapsed() >= DOCUMENTS) {
                match self.connections().await {
                    Ok(named) => (connections, read) = (named, Some(Instant::now())),
                    Err(error) => tracing::warn!(error = %error_chain(&error), "CRMs wait"),
                }
            }
            self.start(&connections, &mut tasks, &stop);
        }
        for task in tasks.into_values() {
            let _ = task.await; // a page that panicked is asked for again by the next process
        }
    }

    /// All that documents name.
    async fn connections(&self) -> Result<Vec<(BrandId, CrmConnection)>, StoreError> {
        let brands = self.store.brands().await?.into_iter();
        let named = brands.flat_map(|brand| brand.settings.crm.into_iter().map(move |one| (brand.id.clone(), one)));
        Ok(named.collect())
    }

    fn start(&self, connections: &[(BrandId, CrmConnection)], tasks: &mut Tasks, stop: &CancellationToken) {
        for (brand, connection) in connections {
            tasks.entry((brand.clone(), connection.name.clone())).or_insert_with(|| {
                let (service, brand, connection, stop) =
                    (self.clone(), brand.clone(), connection.clone(), stop.clone());
                tokio::spawn(async move { service.serve(&brand, &connection, &stop).await })
            });
        }
    }

    async fn serve(&self, brand: &BrandId, connection: &CrmConnection, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.round(brand, connection).await {
                Ok(Next::More) => {}
                Ok(Next::Enough) => return,
                Err(error) => {
                    let name = &connection.name;
                    tracing::warn!(%brand, connection = name, error = %error_chain(&error), "a CRM waits");
                    return;
                }
            }
        }
    }

    /// Writes one page to one connection, if it is its turn.
    async fn round(&self, brand: &BrandId, connection: &CrmConnection) -> Result<Next, StoreError> {
        let now = (self.clock)();
        let name = token_context(brand, &connection.name);
        let lease = Lease { store: &self.store, name, holder: &self.holder, ms: self.lease_ms };
        if !lease.hold(now).await? {
            return Ok(Next::Enough); // another process does
        }
        let store = self.store.brand(brand);
        let state = store.crm_state(&connection.name).await?;
        let labels = [("brand", brand.to_string()), ("connection", connection.name.clone())];
        let paused = if state.paused.is_some() { 1.0 } else { 0.0 };
        metrics::gauge!("afterglow_crm_paused", &labels).set(paused);
        if state.paused.is_some() || state.not_before.is_some_and(|at| now < at) {
            return Ok(Next::Enough);
        }
        if connection.crm != CrmKind::Generic && state.token.is_none() {
            return Ok(Next::Enough); // until somebody gives it one: `feed crm list` says so
        }
        let made = self.token(brand, connection, &state).and_then(|token| Crm::new(connection, token));
        let (crm, mapping) = match made {
            Ok(made) => made,
            Err(why) => {
                tracing::error!(%brand, connection = connection.name, why, "a CRM cannot be written to");
                let paused =
                    CrmSettlement { paused: Some(why), token: state.token.clone(), ..CrmSettlement::default() };
                store.settle_crm(&connection.name, &paused).await?;
                return Ok(Next::Enough);
            }
        };
        let (clock, client) = (Arc::clone(&self.clock), &self.client);
        let now = move || clock();
        Writer { store, connection, crm, mapping, client, lease, now: &now }.page(&state).await
    }

    fn token(
        &self,
        brand: &BrandId,
        connection: &CrmConnection,
        state: &CrmState,
    ) -> Result<Option<secrecy::SecretString>, String> {
        let Some(sealed) = &state.token else { return Ok(None) };
        let opened = self.keyring.open(&sealed.0, &token_context(brand, &connection.name));
        opened.map(Some).map_err(|error| format!("its access token cannot be opened: {}", error_chain(&error)))
    }
}
