//! Meta's errors, in Meta's envelope.
//!
//! Codes: Meta, "Messenger Platform error codes" (updated 2026-06-25) and "Graph API rate limiting", as read in 2026:
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/error-codes>,
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>.

use serde::Serialize;

/// An error that Meta answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// Graph error code.
    pub code: u32,
    /// Graph error subcode, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subcode: Option<u32>,
    /// The text of the error.
    #[serde(skip)]
    pub message: &'static str,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $subcode:expr, $message:literal;)*) => {
        impl Refusal {
            $($(#[$doc])* pub const $name: Self =
                Self { status: $status, code: $code, subcode: $subcode, message: $message };)*
        }
    };
}

refusals! {
    /// No token, or one that Meta does not know.
    BAD_TOKEN = 400, 190, None, "Invalid OAuth access token - Cannot parse access token";
    /// The token's time is over.
    EXPIRED_TOKEN = 400, 190, Some(463), "Error validating access token: Session has expired";
    /// The person took the token back.
    REVOKED_TOKEN = 400, 190, Some(460), "Error validating access token: The session has been invalidated because the user changed their password";
    /// A token that is younger than a day cannot be refreshed.
    TOKEN_TOO_YOUNG = 400, 100, None, "Sessions can only be refreshed when they are at least 24 hours old";
    /// A code that is unknown, used or too old.
    BAD_CODE = 400, 100, Some(36_009), "This authorization code has been used.";
    /// The path is none of Meta's.
    BAD_PATH = 400, 2500, None, "Unknown path components";
    /// The object does not exist, or the token may not see it.
    NO_OBJECT = 400, 100, Some(33), "Unsupported request. Object does not exist or cannot be loaded";
    /// A parameter is wrong, or unknown.
    BAD_PARAMETER = 400, 100, None, "(#100) Invalid parameter";
    /// The message is empty.
    EMPTY_MESSAGE = 400, 100, Some(2_018_032), "(#100) Invalid data: message cannot be empty";
    /// The message is too long, or has a part that Instagram does not take.
    BAD_MESSAGE = 400, 100, Some(2_534_015), "(#100) Invalid message data";
    /// No such person for this account.
    NO_PERSON = 400, 100, Some(2_534_014), "(#100) No matching Instagram user";
    /// The comment is unknown, too old, or has had its private reply.
    BAD_COMMENT = 400, 100, Some(2_534_025), "(#100) The comment is invalid for private reply";
    /// Another app owns the thread.
    NOT_OWNER = 400, 100, Some(2_534_037), "(#100) This app is not the thread owner";
    /// Outside the window.
    WINDOW = 400, 10, Some(2_534_022), "(#10) This message is sent outside of allowed window.";
    /// Fewer than five viewers: Meta does not tell.
    TOO_FEW_VIEWERS = 400, 10, None, "(#10) Not enough viewers for the media to show insights";
    /// The feature was not granted.
    NOT_APPROVED = 400, 200, None, "(#200) The app is not approved for this feature";
    /// Too many messages a second for the account.
    TOO_FAST = 400, 613, Some(2_534_040), "(#613) Calls to this api have exceeded the rate limit.";
    /// Too many calls of this kind for the account.
    TOO_MANY = 400, 613, None, "(#613) Calls to this api have exceeded the rate limit.";
    /// The account's hourly quota is used up.
    ACCOUNT_QUOTA = 400, 80002, None, "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again.";
    /// The app's hourly quota is used up.
    APP_QUOTA = 400, 4, None, "(#4) Application request limit reached";
    /// A fault of Meta's own: the answer says no, though the message was sent.
    FALSE_FAILURE = 500, 1, Some(1_357_046), "An unknown error has occurred.";
    /// A fault of Meta's own, before anything was done.
    UNAVAILABLE = 503, 2, None, "An unexpected error has occurred. Please retry your request later.";
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    code: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_subcode: Option<u32>,
    fbtrace_id: &'a str,
}

impl Refusal {
    /// The body that Meta sends: `{"error":{message,type,code,error_subcode,fbtrace_id}}`.
    pub fn body(&self, trace: &str) -> String {
        let error = Inner {
            message: self.message,
            kind: "OAuthException",
            code: self.code,
            error_subcode: self.subcode,
            fbtrace_id: trace,
        };
        serde_json::to_string(&Envelope { error }).unwrap_or_default() // strings and numbers always serialise
    }
}
