//! `signed_request`: how Meta tells that somebody removed the app, or wants their data deleted.
//!
//! base64url(HMAC-SHA256) `.` base64url(JSON); the signature is over the encoded payload as it stands (Meta, "Data Deletion
//! Request Callback", read in 2026).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::signature::{AppSecrets, sign};

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Whom it concerns, as the app knows them.
    pub user_id: String,
    /// When it was made, epoch seconds.
    pub issued_at: Option<i64>,
}

/// The request is not Meta's, or not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedRequestError {
    /// It is not two parts of base64url, or holds no `user_id`.
    #[error("not a signed request")]
    Malformed,
    /// No app secret gives this signature.
    #[error("the signature matches none of the app secrets")]
    Mismatch,
}

#[derive(Deserialize)]
struct Payload {
    algorithm: String,
    #[serde(default)]
    user_id: Value,
    #[serde(default)]
    issued_at: Option<i64>,
}

/// Reads a signed request; its payload is looked at only after the signature was found good.
pub fn read_signed_request(secrets: &AppSecrets, text: &str) -> Result<SignedRequest, SignedRequestError> {
    let (signature, payload) = text.split_once('.').ok_or(SignedRequestError::Malformed)?;
    let decode =
        |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|_| SignedRequestError::Malformed);
    let header = format!("sha256={}", hex::encode(decode(signature)?));
    let verified = secrets.verify(Some(&header), Bytes::copy_from_slice(payload.as_bytes()));
    let verified = verified.map_err(|_| SignedRequestError::Mismatch)?;
    let json = decode(std::str::from_utf8(verified.get()).map_err(|_| SignedRequestError::Malformed)?)?;
    let payload: Payload = serde_json::from_slice(&json).map_err(|_| SignedRequestError::Malformed)?;
    if !payload.algorithm.eq_ignore_ascii_case("HMAC-SHA256") {
        return Err(SignedRequestError::Malformed);
    }
    let user_id = match payload.user_id {
        Value::String(id) if !id.is_empty() => id,
        Value::Number(id) => id.to_string(),
        _ => return Err(SignedRequestError::Malformed),
    };
    Ok(SignedRequest { user_id, issued_at: payload.issued_at })
}

/// What Meta would send for `payload`.
pub fn sign_request(secret: &SecretString, payload: &str) -> String {
    let encoded = URL_SAFE_NO_PAD.encode(payload);
    let signature = sign(secret, encoded.as_bytes());
    let bytes = hex::decode(signature.trim_start_matches("sha256=")).unwrap_or_default();
    format!("{}.{encoded}", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> AppSecrets {
        AppSecrets::new(&[SecretString::from("newer"), SecretString::from("secret")])
    }

    #[test]
    fn what_meta_signs_is_read_and_nothing_else() {
        let payload = r#"{"algorithm":"HMAC-SHA256","expires":1291840400,"issued_at":1291836800,"user_id":"218471"}"#;
        let signed = sign_request(&SecretString::from("secret"), payload);
        let read = read_signed_request(&secrets(), &signed).unwrap();
        assert_eq!(read, SignedRequest { user_id: "218471".into(), issued_at: Some(1_291_836_800) });
        let number = sign_request(&SecretString::from("newer"), r#"{"algorithm":"hmac-sha256","user_id":218471}"#);
        assert_eq!(read_signed_request(&secrets(), &number).unwrap().user_id, "218471");
        for at in 0..signed.len() {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).unwrap();
            // The last digit of a part may hold bits that no byte needs: there two texts are the same bytes.
            let read = read_signed_request(&secrets(), &tampered);
            assert!(read.is_err() || read == read_signed_request(&secrets(), &signed), "byte {at}");
        }
        let forged = sign_request(&SecretString::from("somebody else's"), payload);
        assert_eq!(read_signed_request(&secrets(), &forged), Err(SignedRequestError::Mismatch));
        for payload in ["{}", r#"{"algorithm":"none","user_id":"1"}"#, r#"{"algorithm":"HMAC-SHA256"}"#, "not json"] {
            let signed = sign_request(&SecretString::from("secret"), payload);
            assert_eq!(read_signed_request(&secrets(), &signed), Err(SignedRequestError::Malformed), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-zA-Z0-9_.=-]{0,80}") {
            let _ = read_signed_request(&secrets(), &text);
        }
    }
}
