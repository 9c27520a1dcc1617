//! The feed of changes: what other systems are told of viewers, numbered without a gap; and what waits for each endpoint.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `marks` | of whom something changed |
//! | `numbering` | marks become changes, and each gets its number |
//! | `changes` | changes read by their numbers, and removed when they are old |
//! | `endpoints` | where a brand wants them |
//! | `broker` | how far changes were published to the broker |
//! | `deliveries` | what waits for an endpoint: given, claimed, given up, sent again |
//! | `settlements` | what became of deliveries, and the log of attempts |

mod broker;
mod changes;
mod deliveries;
mod endpoints;
mod marks;
mod numbering;
mod settlements;

pub use broker::BrokerPlace;
pub use changes::{FeedPage, FeedTail, NumberedChange};
pub use deliveries::{FeedDeadLetter, FeedDelivery};
pub use endpoints::{FeedEndpoint, FeedEndpointState, SealedSecret};
pub use numbering::{FeedSubject, RenderChange, RenderWeek};
pub use settlements::{FeedAttempt, FeedOutcome, FeedSettlement};

pub(crate) use marks::{mark, mark_forgotten, mark_rows};
