//! Settings that must not be shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// What stands in a secret's place wherever settings are shown.
const REDACTED: &str = "[redacted]";

/// A setting that is never shown, nor logged.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself, still wrapped.
    pub const fn get(&self) -> &SecretString {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// A URL that may hold a password: shown without it, and without its query, which may hold another.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Address(SecretString);

impl Address {
    /// The whole URL.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The URL with its password and query replaced.
    pub fn redacted(&self) -> String {
        let url = self.expose();
        let (rest, query) = url.split_once('?').map_or((url, false), |(rest, _)| (rest, true));
        let shown = match rest.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                match authority.rsplit_once('@') {
                    Some((user, host)) => {
                        let name = user.split_once(':').map_or(user, |(name, _)| name);
                        let password = if user.contains(':') { ":[redacted]" } else { "" };
                        format!("{scheme}://{name}{password}@{host}{path}")
                    }
                    None => format!("{scheme}://{authority}{path}"),
                }
            }
            None => rest.to_owned(),
        };
        if query { format!("{shown}?{REDACTED}") } else { shown }
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db:5432/afterglow", "postgres://ann:[redacted]@db:5432/afterglow"),
            ("postgres://ann@db/afterglow?password=s3cret", "postgres://ann@db/afterglow?[redacted]"),
            ("amqp://guest:p%40ss@rabbit:5672/%2f", "amqp://guest:[redacted]@rabbit:5672/%2f"),
            ("amqp://u:a@b@host", "amqp://u:[redacted]@host"),
            ("sqlite:/var/lib/afterglow.db", "sqlite:/var/lib/afterglow.db"),
        ] {
            assert_eq!(Address::from(url).redacted(), shown);
            assert_eq!(format!("{:?}", Address::from(url)), shown);
        }
        assert_eq!(format!("{:?}", Secret::from("s3cret")), REDACTED);
    }
}
