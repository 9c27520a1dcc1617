//! What is told to whoever wants to hear it: a topic exchange that others bind queues of their own to.
//!
//! Lanes know who takes from them; here nobody need be there. A message that no queue takes is counted, not refused: whoever binds
//! later reads what was before elsewhere.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ExchangeKind};
use tokio::sync::Mutex;

use super::link::{connect, say_goodbye};
use super::unavailable;
use crate::{BusError, PublishError};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a publish waits for its confirms. Nobody waits for it in turn, and queues of others may be slow.
const CONFIRM: Duration = Duration::from_secs(8);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The routing key, words with dots between them. At most 255 bytes.
    pub key: String,
    /// By which receivers know it. At most 255 bytes.
    pub id: String,
    /// The message's type. At most 255 bytes.
    pub kind: String,
    /// The body's media type. At most 255 bytes.
    pub content_type: &'static str,
    /// What is told.
    pub body: Bytes,
}

/// A topic exchange that is published to.
pub struct Broadcast {
    url: String,
    exchange: String,
    service: String,
    current: Mutex<Option<(Connection, Channel)>>,
}

impl Broadcast {
    /// At `url`, to the exchange of this name; `service` names the connection in the broker's lists. It connects when something is
    /// told, and again whenever the connection was lost.
    pub fn new(url: &str, exchange: &str, service: &str) -> Self {
        let (url, exchange, service) = (url.to_owned(), exchange.to_owned(), service.to_owned());
        Self { url, exchange, service, current: Mutex::default() }
    }

    /// Publishes all, in order, and waits until the broker has confirmed each: `Ok` says that every one is on disk in every queue that
    /// wanted it, and how many no queue wanted. After an error some may have been taken: tell all of it again.
    ///
    /// # Errors
    /// `NotConfirmed` also if a queue refuses, as one that is full may.
    pub async fn publish(&self, notices: &[Notice]) -> Result<usize, PublishError> {
        let mut current = self.current.lock().await;
        let alive = current
            .as_ref()
            .filter(|(connection, channel)| connection.status().connected() && channel.status().connected());
        let channel = if let Some((_, channel)) = alive {
            channel.clone()
        } else {
            *current = None;
            let late = |_| PublishError::Unavailable("no connection to the broker in time".into());
            let connected = tokio::time::timeout(CONNECT, self.connect()).await.map_err(late)?;
            let opened = connected.map_err(|error| PublishError::Unavailable(error.to_string()))?;
            let channel = opened.1.clone();
            *current = Some(opened);
            channel
        };
        let late = |_| PublishError::NotConfirmed(format!("no confirm within {} s", CONFIRM.as_secs()));
        let told = tokio::time::timeout(CONFIRM, self.tell(&channel, notices)).await.map_err(late).flatten();
        if told.is_err() {
            *current = None; // with confirms that may still come, which nobody waits for
        }
        told
    }

    async fn connect(&self) -> Result<(Connection, Channel), BusError> {
        let connection = connect(&self.url, &self.service).await?;
        let channel = connection.create_channel().await.map_err(unavailable)?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(self.name(), ExchangeKind::Topic, options, FieldTable::default())
            .await
            .map_err(|error| BusError::Topology(format!("the exchange {}: {error}", self.exchange)))?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(unavailable)?;
        Ok((connection, channel))
    }

    fn name(&self) -> ShortString {
        self.exchange.as_str().into()
    }

    async fn tell(&self, channel: &Channel, notices: &[Notice]) -> Result<usize, PublishError> {
        let lost = |error: lapin::Error| PublishError::NotConfirmed(error.to_string());
        // Mandatory: what no queue takes comes back, and is counted.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        // Polled in order for the first time, and so written in order.
        let written = notices.iter().map(|notice| {
            let properties = BasicProperties::default()
                .with_delivery_mode(2) // persistent: on disk before it is confirmed
                .with_message_id(notice.id.as_str().into())
                .with_type(notice.kind.as_str().into())
                .with_content_type(notice.content_type.into());
            channel.basic_publish(self.name(), notice.key.as_str().into(), options, &notice.body, properties)
        });
        let mut unwanted = 0;
        for confirm in try_join_all(written).await.map_err(lost)? {
            let confirmation = confirm.await.map_err(lost)?;
            if !confirmation.is_ack() {
                return Err(PublishError::NotConfirmed("a queue refused a message: is it full?".into()));
            }
            unwanted += usize::from(confirmation.take_message().is_some());
        }
        Ok(unwanted)
    }

    /// Says goodbye to the broker.
    pub async fn close(&self) {
        if let Some((connection, _)) = self.current.lock().await.take() {
            say_goodbye(&connection).await;
        }
    }
}
