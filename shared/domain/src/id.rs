//! Names of brands, accounts and viewers, and ids that are derived from content.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A customer of the ops team, by its slug (`lumen-shop`).
    BrandId
}
text_id! {
    /// One Instagram professional account or Facebook Page, by Meta's id.
    AccountId
}
text_id! {
    /// What to say and when, by the name that the brand gave it.
    PlayId
}
text_id! {
    /// One person as one account sees them: an IGSID (Instagram) or PSID (Messenger).
    ViewerId
}

/// A viewer's full name in storage: the same person is a different viewer to each account.
/// Ordered, because viewers are locked in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ViewerKey {
    /// The account that sees the viewer.
    pub account: AccountId,
    /// The viewer's scoped id.
    pub viewer: ViewerId,
}

impl fmt::Display for ViewerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.viewer)
    }
}

/// An id made from content: the same content gives the same id on every machine and in every year.
///
/// The first 128 bits of SHA-256 over the parts, each preceded by its length so that `["ab","c"]` and `["a","bc"]`
/// differ, written as a UUID of version 8 (RFC 9562 §5.8, "vendor-specific").
pub trait DerivedId: Sized {
    /// Wraps the UUID.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The UUID.
    fn uuid(&self) -> Uuid;

    /// Derives the id. `parts[0]` names the kind of thing, so that two kinds never share an id.
    fn derive(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let digest = hasher.finalize();
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl DerivedId for $name {
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(&self) -> Uuid {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

derived_id! {
    /// Names an interaction; two deliveries of one thing share it.
    InteractionId
}
derived_id! {
    /// Names an intent: hash of (play, step, causing interaction).
    IntentId
}
derived_id! {
    /// Names a send: hash of (intent). Travels to Meta as the message's metadata where the API takes one.
    SendId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_across_versions_of_the_program() {
        // Changing this value would make every stored event look new once more.
        let id = InteractionId::derive(&["message", "17841405726653026", "mid.1"]);
        assert_eq!(id.to_string(), "577970a0-2940-88f4-a02b-4abeade196c3");
    }

    #[test]
    fn the_border_between_parts_counts() {
        assert_ne!(InteractionId::derive(&["ab", "c"]), InteractionId::derive(&["a", "bc"]));
    }
}
