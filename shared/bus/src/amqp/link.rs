//! The connection, made anew when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;

use super::publisher::Publisher;
use super::topology::{Names, declare};
use super::unavailable;
use crate::BusError;

/// How long a caller waits for a connection before it is told that there is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection with its channels.
pub(super) struct Link {
    connection: Connection,
    publishing: Channel,
    pub(super) publisher: Publisher,
}

impl Link {
    fn is_alive(&self) -> bool {
        self.connection.status().connected() && self.publishing.status().connected()
    }

    /// A channel of one's own.
    pub(super) async fn channel(&self) -> Result<Channel, BusError> {
        self.connection.create_channel().await.map_err(unavailable)
    }
}

/// Gives out the current link.
pub(super) struct Links {
    url: String,
    pub(super) names: Names,
    service: String,
    journal_hours: u32,
    current: Mutex<Option<Arc<Link>>>,
    closed: AtomicBool,
}

impl Links {
    pub(super) fn new(url: &str, names: Names, service: &str, journal_hours: u32) -> Self {
        Self {
            url: url.to_owned(),
            names,
            service: service.to_owned(),
            journal_hours,
            current: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The link, made if there is none. Fails within [`CONNECT_TIMEOUT`].
    pub(super) async fn get(&self) -> Result<Arc<Link>, BusError> {
        let give_up = |_| BusError::Unavailable("no connection to the broker in time".into());
        tokio::time::timeout(CONNECT_TIMEOUT, self.get_or_connect()).await.map_err(give_up)?
    }

    async fn get_or_connect(&self) -> Result<Arc<Link>, BusError> {
        let mut current = self.current.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(BusError::Closed);
        }
        if let Some(link) = current.as_ref().filter(|link| link.is_alive()) {
            return Ok(Arc::clone(link));
        }
        *current = None;
        let backoff = ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(50));
        // A wrong topology does not mend itself by trying again.
        let is_passing = |error: &BusError| matches!(error, BusError::Unavailable(_));
        let link = Arc::new((|| self.connect()).retry(backoff).when(is_passing).await?);
        *current = Some(Arc::clone(&link));
        Ok(link)
    }

    /// The link for a consumer, which waits as long as it takes.
    pub(super) async fn wait(&self) -> Result<Arc<Link>, BusError> {
        let backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times();
        let is_passing = |error: &BusError| matches!(error, BusError::Unavailable(_));
        (|| self.get()).retry(backoff).when(is_passing).await
    }

    async fn connect(&self) -> Result<Link, BusError> {
        let connection = connect(&self.url, &self.service).await?;
        let control = connection.create_channel().await.map_err(unavailable)?;
        declare(&control, &self.names, self.journal_hours).await?;
        let publishing = connection.create_channel().await.map_err(unavailable)?;
        publishing.confirm_select(ConfirmSelectOptions::default()).await.map_err(unavailable)?;
        let publisher = Publisher::start(publishing.clone());
        Ok(Link { connection, publishing, publisher })
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(link) = self.current.lock().await.take() {
            say_goodbye(&link.connection).await;
        }
    }
}

/// A connection, named after the service in the broker's lists.
pub(super) async fn connect(url: &str, service: &str) -> Result<Connection, BusError> {
    let name = format!("afterglow-{service}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connect(url, properties).await.map_err(unavailable)
}

/// Ends a connection as the broker likes it. It may be gone already; then there is nothing to say goodbye to.
pub(super) async fn say_goodbye(connection: &Connection) {
    let _ = connection.close(200, "service stops".into()).await;
}
