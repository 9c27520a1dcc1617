//! What goes wrong, by what the caller can do.

/// Publishing failed. Both mend themselves: answer 503, or publish again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// The bus cannot be reached, or is closing: nothing was taken.
    #[error("the bus is not reachable: {0}")]
    Unavailable(String),
    /// Not every message was confirmed; some may have been taken.
    #[error("the bus did not confirm every message: {0}")]
    NotConfirmed(String),
}

/// Consuming or asking failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus cannot be reached: try again.
    #[error("the bus is not reachable: {0}")]
    Unavailable(String),
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
    /// Another process has the embedded bus: stop it first, or use RabbitMQ.
    #[error("another process uses the embedded bus {0}: stop it first, or set AMQP_URL to share a broker")]
    InUse(String),
    /// The broker's queues are not as they should be: the message says how to mend it.
    #[error("the broker refuses the topology: {0}")]
    Topology(String),
}
