//! The service behind the feed: numbers what changed, gives it to endpoints, and delivers it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `render` | what is known of a viewer as the change that is told: pure |
//! | `queue` | the deliveries as the store keeps them |
//! | `service` | the loops |
//! | `weekly` | the week, told once when it is over |
//! | `broker` | changes to the broker's topic exchange |
//! | `asyncapi` | that exchange's description |

mod asyncapi;
mod broker;
mod queue;
mod render;
mod service;
mod weekly;

pub use asyncapi::asyncapi;
pub use broker::{BrokerError, BrokerFeed, EXCHANGE, notice, routing_key};
pub use queue::{StoreQueue, secret_context};
pub use render::render;
pub use service::{FeedService, FeedSettings};
pub use weekly::tell_week;
