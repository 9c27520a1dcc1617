//! Meta's signature: `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256(app secret, raw body)>` (Meta, "Graph API
//! Webhooks, getting started", read in 2026). Written here anew: the judge shares no code with the judged.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header's value for this body.
pub fn signature(secret: &SecretString, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let digest = mac.map(|mac| mac.chain_update(body).finalize().into_bytes());
    // HMAC takes keys of any length (RFC 2104 §2), so there is always a digest.
    digest.map_or_else(|_| String::new(), |digest| format!("sha256={}", hex::encode(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_test_case_2() {
        assert_eq!(
            signature(&"Jefe".into(), b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
