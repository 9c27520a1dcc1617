//! Meta's wire: who signed a webhook, and what it says.
//!
//! Guarantees: a body reaches the parser only inside [`Verified`]; every event of a body becomes exactly one
//! interaction or one quarantined fragment; nothing panics, whatever the bytes.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `signature` | HMAC-SHA256 over the raw bytes, several rotating secrets, the handshake's token |
//! | `signed_request` | somebody removed the app, or wants their data deleted |
//! | `webhook/` | envelope → events → interactions |
//! | `webhook/lenient` | ids and times in all the forms that Meta writes |
//! | `graph/` | the Graph API: send, read back, what errors ask of us |
//! | `webhook/ids` | from which of Meta's ids an interaction's id is derived |

pub mod graph;
mod signature;
mod signed_request;
pub mod webhook;

pub use signature::{AppSecrets, SignatureError, Verified, sign, verify_token_matches};
pub use signed_request::{SignedRequest, SignedRequestError, read_signed_request, sign_request};
