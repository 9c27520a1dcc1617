//! What leaves for the systems beside, against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asyncapi;
mod consumers;
mod egress;
mod hostile;
mod hubspot_sim;
mod memory_queue;
mod salesforce_sim;
mod server;
mod upsert;
mod webhook;
