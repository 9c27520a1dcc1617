//! Plays Meta: posts signed webhooks, answers the Graph API as strictly as Meta does, keeps a ledger of what it was asked,
//! and judges it.
//!
//! Two promises are measured here. *Nobody unwanted is ever messaged*: every request that breaks this is a
//! [`Violation`](world::Violation), whether Meta would have refused it or not. *Nobody who engaged is ever lost*:
//! [`Sim::unanswered`] lists the Story replies to which an answer was due and none came.
//!
//! The judge shares no code with the judged. It signs, reads and decides with its own few lines, and knows from the
//! scenario's labels, not from a matcher, who said stop.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `sim` | the running simulator |
//! | `report` | what became of the webhooks it posted |
//! | `echo` | what an account sent comes back as a webhook |
//! | `account` | brands' accounts with their secrets and tokens |
//! | `world` | Meta's side of the world and the judge: pure, time passed in |
//! | `graph_server` | the Graph API over HTTP, with faults |
//! | `webhooks` | payloads in Meta's shapes, signing, posting, retrying |
//! | `traffic` | lifelike traffic from a seed, with its true labels |

pub mod account;
mod echo;
mod graph_server;
mod report;
mod sim;
pub mod traffic;
pub mod webhooks;
pub mod world;

pub use graph_server::{Fault, Faults};
pub use report::TrafficReport;
pub use sim::{Pace, Sim, SimError, SimOptions, TimeSource};
