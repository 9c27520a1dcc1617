//! How an account was connected.

use serde::{Deserialize, Serialize};

/// Through which of Meta's logins an account was connected; it decides the Graph host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// Business Login for Instagram: `graph.instagram.com`.
    Instagram,
    /// Facebook Login for Business: `graph.facebook.com`.
    Facebook,
}

impl Login {
    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Login::Instagram => "instagram",
            Login::Facebook => "facebook",
        }
    }
}
