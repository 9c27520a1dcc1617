//! Signed webhooks out: what changed of a brand's viewers, to where the brand wants it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `event` | a change as a CloudEvent |
//! | `secret` | what signs, and how it is replaced |
//! | `sign` | the headers of Standard Webhooks |
//! | `verdict` | what a reply means |
//! | `schedule` | when to try again |
//! | `breaker` | who fails again and again is left alone for a while |
//! | `rate` | how often an endpoint is called |
//! | `log` | one attempt, as people are shown it |
//! | `queue` | what waits to be delivered: the seam to storage |
//! | `settling` | what became of attempts, written down several at once |
//! | `lane` | one endpoint's deliveries |
//! | `deliverer` | a lane for each endpoint with something due |

mod breaker;
mod deliverer;
mod event;
mod lane;
mod log;
mod queue;
mod rate;
mod schedule;
mod secret;
mod settling;
mod sign;
mod verdict;

pub use breaker::{Admission, Breaker};
pub use deliverer::{Deliverer, DelivererSettings};
pub(crate) use event::Envelope;
pub use event::{CONTENT_TYPE, Change, ChangeEvent, ChangeId};
pub use log::Attempt;
pub use queue::{DeadReason, Delivery, DeliveryQueue, Endpoint, EndpointId, QueueError, Settled, Settlement};
pub use rate::{Meter, Rate};
pub use schedule::{MAX_ATTEMPTS, next_attempt};
pub use secret::{SecretError, Secrets, SigningSecret};
pub use sign::{BadId, ID, SIGNATURE, TIMESTAMP, signed_headers};
pub use verdict::{Verdict, retry_after_ms, verdict};
