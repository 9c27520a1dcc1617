//! The feed of changes: what other systems are told of viewers, numbered without a gap; and what waits for each endpoint.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `changes` | marks become changes, and are read by their numbers |
//! | `endpoints` | where a brand wants them |
//! | `broker` | how far changes were published to the broker |
//! | `deliveries` | what waits for an endpoint: given, claimed, given up, sent again |
//! | `settlements` | what became of deliveries, and the log of attempts |

mod broker;
mod changes;
mod deliveries;
mod endpoints;
mod settlements;

pub use broker::BrokerPlace;
pub use changes::{FeedPage, FeedSubject, FeedTail, NumberedChange, RenderChange, RenderWeek};
pub use deliveries::{FeedDeadLetter, FeedDelivery};
pub use endpoints::{FeedEndpoint, FeedEndpointState, SealedSecret};
pub use settlements::{FeedAttempt, FeedOutcome, FeedSettlement};

pub(crate) use changes::{mark, mark_forgotten, mark_rows};
