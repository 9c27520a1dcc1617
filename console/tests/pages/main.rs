//! The pages, from a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod doors;
mod site;
mod work;
