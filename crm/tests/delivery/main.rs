//! What leaves for the systems beside, against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod egress;
mod memory_queue;
mod server;
mod webhook;
