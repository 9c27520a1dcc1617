//! Drafts from a real HTTP server that misbehaves, and what the guard makes of obedient models.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod guarding;
mod injections;
mod misbehaving;
mod server;
