//! Viewers into a CRM's own records: requests to make, and what the replies mean. Pure; `egress` carries them.
//!
//! A viewer is found by an external id (`account/viewer`) in a field that the CRM's owner has set up as unique, so that
//! doing it twice does it once. Replies are large: give the client room (`max_body` of 4 MiB or more), since a reply that
//! was cut says nothing certain.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mapping` | which of a viewer's facts go to which field, checked |
//! | `value` | a fact as each CRM writes it |
//! | `batch` | what was asked, and what became of each record |
//! | `hubspot`, `salesforce`, `generic` | each one's requests and replies |
//! | `pace` | what the replies say about how much more is welcome |
//! | `ledger` | what was written, so that its echo is known and nothing is written twice |

mod batch;
mod generic;
mod hubspot;
mod ledger;
mod mapping;
mod pace;
mod salesforce;
mod value;

pub use batch::{BadToken, Batch, BatchOutcome, ItemOutcome};
pub use generic::Generic;
pub use hubspot::HubSpot;
pub use ledger::{Incoming, Written};
pub use mapping::{Mapping, Source};
pub use pace::{Pace, generic_pace, hubspot_pace, salesforce_pace};
pub use salesforce::{NotForSalesforce, Salesforce};
pub use value::Value;
