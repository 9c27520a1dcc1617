//! Decides whether an intent may be spoken, and speaks: the one way out.
//!
//! Guarantees: nothing is sent that the gate did not allow on what is known under the lock of the viewer's fence, and nothing
//! once that lock's epoch has moved; one interaction has one answer; a send whose fate is unknown is never repeated; every
//! verdict is recorded with its reasons and with what it rested on.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `policy` | the gate: a pure function of (intent, facts, now) |
//! | `safety` | when a play or an account does harm: a sequential test; pure |
//! | `words` | what an intent would say, and what speaks against saying it; pure |
//! | `service` | the loops around it |

mod policy;
mod safety;
mod service;
mod words;

pub use policy::{POLICY_VERSION, Policy, TEXT_MAX_BYTES, decide, text_for};
pub use safety::{Alarm, Harm, alarm, evidence};
pub use service::{Gate, Responder, ResponderError, ResponderOptions, Sleep, runtime_sleep};
pub use words::prepare;
