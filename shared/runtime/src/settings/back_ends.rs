//! Where state, messages and keys are: the database, the broker, what seals.

use serde::{Deserialize, Serialize};

use super::lists::comma_list;
use crate::secret::{Address, Secret};

/// `[database]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`; none: SQLite in the data directory. Also `DATABASE_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Connections of one process at most.
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 10 }
    }
}

/// `[bus]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bus {
    /// With what the names of exchanges and queues begin; two installations share a broker by having two of them.
    pub prefix: String,
    /// For how many hours RabbitMQ keeps all that came in, to be put back on its lanes when a database was restored to an
    /// earlier moment; 0: not at all. A change asks for the queue `….journal` to be deleted first.
    pub journal_hours: u32,
    /// `amqp://…` or `amqps://…`; none: the embedded bus in the data directory. Also `AMQP_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
}

impl Default for Bus {
    fn default() -> Self {
        Self { prefix: "afterglow".into(), journal_hours: 0, url: None }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// `name:base64 of 32 bytes`; the first seals, all open. None: a key file in the data directory, made when it is
    /// first needed. In the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub ring: Vec<Secret>,
    /// Under which people who asked to be forgotten are recognised: any 16 bytes or more, never changed. None: made in
    /// the data directory, with SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgetting: Option<Secret>,
}
