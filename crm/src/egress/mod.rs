//! Requests to addresses that somebody else chose.
//!
//! A brand types the address of its endpoint, and Afterglow calls it from inside the operator's network. Without care
//! that is a server-side request forgery (OWASP, "Server Side Request Forgery Prevention Cheat Sheet"): the address may
//! be, or may come to be, one of the operator's own. Four things stand against it:
//!
//! - the URL is judged before the call: https, no user name, and a literal address by the same table as a resolved one;
//! - every address a name resolves to is judged when the connection is made, and the connection goes to those
//!   addresses and no others, so that a name cannot change its mind in between (DNS rebinding);
//! - no redirect is followed, and no proxy from the environment is used, which would resolve names itself;
//! - the reply is read up to a cap and within a total time-out.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `address` | which addresses may be called: pure |
//! | `resolver` | names to addresses, each judged |
//! | `client` | a request and its reply |

mod address;
mod client;
mod resolver;

pub use address::{AddressPolicy, RefusedAddress, RefusedUrl};
pub use client::{EgressClient, EgressError, EgressSettings, Reply, Request};
