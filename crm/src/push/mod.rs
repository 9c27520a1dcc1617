//! The service that writes viewers into CRMs' own records: follows the feed, writes what is new to a record, and keeps to each
//! CRM's pace.
//!
//! Guarantee: every change of the feed is written, refused with its reason, or waits; the cursor moves past a page when all
//! of it is settled. A crash between a write and its note writes the same once more, which changes nothing: records are upserted.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `told` | what a page of the feed says of each viewer: pure |
//! | `crms` | one door to the three kinds of CRM |
//! | `writer` | one connection's page: asks, reads, settles |
//! | `service` | all connections of all brands |

mod crms;
mod service;
mod told;
mod writer;

pub use crms::token_context;
pub use service::PushService;
