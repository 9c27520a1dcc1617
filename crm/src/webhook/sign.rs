//! The signature of Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use afterglow_domain::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::secret::{Secrets, SigningSecret};

/// Which event: the same at every attempt, so that the receiver can tell what it has seen.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in whole seconds since 1970: the receiver refuses what is old.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// A signature per valid secret, separated by spaces.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// An id that cannot be sent or would make the signature ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's id has visible ASCII without full stops, not {0:?}")]
pub struct BadId(pub String);

/// The three headers for `body`, signed by every secret that is valid at `now`.
///
/// The id may not contain a full stop, which separates the parts of what is signed.
pub fn signed_headers(secrets: &Secrets, id: &str, now: Timestamp, body: &[u8]) -> Result<HeaderMap, BadId> {
    let bad = || BadId(id.to_owned());
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(bad());
    }
    let seconds = now.millis().div_euclid(1000);
    let signatures: Vec<String> = secrets.valid_at(now).map(|secret| signature(secret, id, seconds, body)).collect();
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ID, HeaderValue::from_str(id).map_err(|_| bad())?);
    headers.insert(TIMESTAMP, HeaderValue::from(seconds));
    headers.insert(SIGNATURE, HeaderValue::from_str(&signatures.join(" ")).map_err(|_| bad())?);
    Ok(headers)
}

fn signature(secret: &SigningSecret, id: &str, seconds: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length, so there is no error to handle: without a key there would be no signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.bytes()) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn headers(secrets: &Secrets, id: &str, now: i64, body: &[u8]) -> HeaderMap {
        signed_headers(secrets, id, Timestamp::from_millis(now), body).unwrap()
    }

    #[test]
    fn the_published_vector() {
        // standard-webhooks/standard-webhooks, libraries/rust/src/lib.rs, `test_sign`.
        let secrets = Secrets::new(SigningSecret::parse(SECRET).unwrap());
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let headers = headers(&secrets, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553_999, body);
        assert_eq!(headers[SIGNATURE], "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        assert_eq!(headers[TIMESTAMP], "1649367553");
        assert_eq!(headers[ID], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
    }

    #[test]
    fn the_reference_library_accepts_either_secret_of_a_rotation() {
        let now = afterglow_runtime::now_ms(); // the library compares with the wall clock
        let [old, new, other] = [1, 2, 3].map(|byte| SigningSecret::from_bytes(vec![byte; 32]).unwrap());
        let rotated = Secrets::new(old.clone()).rotate(new.clone(), Timestamp::from_millis(now + 1000));
        let headers = headers(&rotated, "id-1", now, b"{}");
        for (secret, body, accepted) in
            [(&old, b"{}", true), (&new, b"{}", true), (&other, b"{}", false), (&new, b"[]", false)]
        {
            let library = Webhook::new(&secret.reveal()).unwrap();
            assert_eq!(library.verify(body, &headers).is_ok(), accepted, "{:?}", secret.bytes()[0]);
        }
    }

    #[test]
    fn ids_that_could_forge_the_border_are_refused() {
        let secrets = Secrets::new(SigningSecret::parse(SECRET).unwrap());
        for id in ["", "a.b", "a b", "a\nb", "ä"] {
            let signed = signed_headers(&secrets, id, Timestamp::from_millis(0), b"");
            assert_eq!(signed.err(), Some(BadId(id.to_owned())));
        }
    }
}
