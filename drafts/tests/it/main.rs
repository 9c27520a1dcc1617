//! Drafts from a real HTTP server that misbehaves, and what the guard makes of obedient models.

mod guarding;
mod injections;
mod misbehaving;
mod server;
