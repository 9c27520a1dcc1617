//! Codes and tokens that are given out while the simulator runs.
//!
//! Meta, "Business Login for Instagram" and "Access tokens", as read in 2026: a code is good for an hour and for one use; a
//! short-lived token for an hour, a long-lived one for 60 days; it can be refreshed when it is a day old and not yet dead.
//! Page tokens that come from a long-lived token have no end of their own.

use std::collections::HashMap;

use afterglow_domain::{AccountId, DAY_MS, HOUR_MS, Timestamp};

use super::refusal::Refusal;
use super::{World, digest};

/// How long a long-lived token is good, in ms.
const LONG_MS: i64 = 60 * DAY_MS;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Short,
    Long,
    Page,
}

#[derive(Debug)]
struct Issued {
    account: AccountId,
    kind: Kind,
    at: Timestamp,
    until: Option<Timestamp>,
    revoked: bool,
}

#[derive(Debug)]
struct Code {
    account: AccountId,
    redirect_uri: String,
    until: Timestamp,
}

/// A token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token.
    pub token: String,
    /// For which account.
    pub account: AccountId,
    /// How long it is good, in seconds; `None` for ever.
    pub expires_in: Option<i64>,
}

/// A code or a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRefusal {
    /// The code is unknown, was used, is too old, or was given for another redirect address.
    Code,
    /// As the Graph API refuses.
    Graph(Refusal),
}

/// What was given out.
#[derive(Debug, Default)]
pub(super) struct Grants {
    codes: HashMap<String, Code>,
    issued: HashMap<[u8; 32], Issued>,
    count: u64,
}

impl Grants {
    pub(super) fn account_of(&self, token: &str) -> Option<&AccountId> {
        self.issued.get(&digest(token)).map(|issued| &issued.account)
    }

    /// Why a token that was good is so no more.
    pub(super) fn dead(&self, token: &str, now: Timestamp) -> Option<Refusal> {
        let issued = self.issued.get(&digest(token))?;
        if issued.revoked {
            Some(Refusal::REVOKED_TOKEN)
        } else {
            issued.until.is_some_and(|until| now >= until).then_some(Refusal::EXPIRED_TOKEN)
        }
    }

    fn name(&mut self, prefix: &str, account: &AccountId) -> String {
        use std::fmt::Write as _;
        self.count += 1;
        let mut name = prefix.to_owned();
        for byte in digest(&format!("{prefix}/{account}/{}", self.count)) {
            let _ = write!(name, "{byte:02x}"); // writing to a String does not fail
        }
        name
    }

    fn issue(&mut self, account: &AccountId, kind: Kind, now: Timestamp) -> Grant {
        let token = self.name("IGSIMO", account);
        let lives_ms = match kind {
            Kind::Short => Some(HOUR_MS),
            Kind::Long => Some(LONG_MS),
            Kind::Page => None,
        };
        let until = lives_ms.map(|ms| now.plus(ms));
        self.issued.insert(digest(&token), Issued { account: account.clone(), kind, at: now, until, revoked: false });
        Grant { token, account: account.clone(), expires_in: lives_ms.map(|ms| ms / 1000) }
    }
}

impl World {
    /// The owner of `account` agrees: a code for whoever listens at `redirect_uri`.
    pub fn grant_code(&mut self, account: &AccountId, redirect_uri: &str, now: Timestamp) -> String {
        let code = self.grants.name("AQsim", account);
        let redirect_uri = redirect_uri.to_owned();
        self.grants
            .codes
            .insert(code.clone(), Code { account: account.clone(), redirect_uri, until: now.plus(HOUR_MS) });
        code
    }

    /// A short-lived token for a code; the code is used up, whatever comes of it.
    pub fn redeem_code(&mut self, code: &str, redirect_uri: &str, now: Timestamp) -> Result<Grant, GrantRefusal> {
        let known = self.grants.codes.remove(code).ok_or(GrantRefusal::Code)?;
        if known.redirect_uri != redirect_uri || now >= known.until {
            return Err(GrantRefusal::Code);
        }
        Ok(self.grants.issue(&known.account, Kind::Short, now))
    }

    /// A long-lived token for a short-lived one.
    pub fn exchange_token(&mut self, token: &str, now: Timestamp) -> Result<Grant, GrantRefusal> {
        let account = self.living(token, now)?.account.clone();
        Ok(self.grants.issue(&account, Kind::Long, now))
    }

    /// A Page token for a long-lived one.
    pub fn page_token(&mut self, token: &str, now: Timestamp) -> Result<Grant, GrantRefusal> {
        let account = self.living(token, now)?.account.clone();
        Ok(self.grants.issue(&account, Kind::Page, now))
    }

    /// Another long-lived token for one that is a day old.
    pub fn refresh_token(&mut self, token: &str, now: Timestamp) -> Result<Grant, GrantRefusal> {
        let issued = self.living(token, now)?;
        if issued.kind != Kind::Long {
            return Err(GrantRefusal::Graph(Refusal::BAD_TOKEN));
        }
        if now.since(issued.at) < DAY_MS {
            return Err(GrantRefusal::Graph(Refusal::TOKEN_TOO_YOUNG));
        }
        let account = issued.account.clone();
        Ok(self.grants.issue(&account, Kind::Long, now))
    }

    /// Makes tokens that were given out older than they are, so that nobody has to wait a day for what Meta does only then.
    pub fn age_tokens(&mut self, account: &AccountId, ms: i64) {
        for issued in self.grants.issued.values_mut().filter(|issued| issued.account == *account) {
            issued.at = issued.at.minus(ms);
            issued.until = issued.until.map(|until| until.minus(ms));
        }
    }

    /// The owner takes back every token that was given out for `account`.
    pub fn revoke_tokens(&mut self, account: &AccountId) {
        for issued in self.grants.issued.values_mut().filter(|issued| issued.account == *account) {
            issued.revoked = true;
        }
    }

    fn living(&self, token: &str, now: Timestamp) -> Result<&Issued, GrantRefusal> {
        if let Some(refusal) = self.grants.dead(token, now) {
            return Err(GrantRefusal::Graph(refusal));
        }
        self.grants.issued.get(&digest(token)).ok_or(GrantRefusal::Graph(Refusal::BAD_TOKEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Layout, accounts};
    use crate::world::Rules;

    #[test]
    fn codes_work_once_and_tokens_as_long_as_meta_says() {
        let accounts = accounts(Layout::default(), 1);
        let id = accounts[0].id.clone();
        let mut world = World::new(accounts, Rules::default());
        let at = |ms: i64| Timestamp::from_millis(1_800_000_000_000 + ms);
        let code = world.grant_code(&id, "https://a/cb", at(0));
        assert_eq!(world.redeem_code(&code, "https://b/cb", at(1)), Err(GrantRefusal::Code));
        assert_eq!(world.redeem_code(&code, "https://a/cb", at(1)), Err(GrantRefusal::Code), "used up by the attempt");
        let code = world.grant_code(&id, "https://a/cb", at(0));
        assert_eq!(world.redeem_code(&code, "https://a/cb", at(HOUR_MS)), Err(GrantRefusal::Code));
        let code = world.grant_code(&id, "https://a/cb", at(0));
        let short = world.redeem_code(&code, "https://a/cb", at(1)).unwrap();
        assert!(world.read_call("me", Some(&short.token), at(2), false).is_ok());
        assert_eq!(
            world.read_call("me", Some(&short.token), at(1 + HOUR_MS), false).unwrap_err(),
            Refusal::EXPIRED_TOKEN
        );
        let long = world.exchange_token(&short.token, at(2)).unwrap();
        assert_eq!(long.expires_in, Some(60 * 86_400));
        let young = world.refresh_token(&long.token, at(DAY_MS));
        assert_eq!(young, Err(GrantRefusal::Graph(Refusal::TOKEN_TOO_YOUNG)));
        let fresh = world.refresh_token(&long.token, at(2 + DAY_MS)).unwrap();
        assert!(world.read_call("me", Some(&fresh.token), at(60 * DAY_MS + 1_000), false).is_ok());
        assert_eq!(
            world.refresh_token(&fresh.token, at(62 * DAY_MS)),
            Err(GrantRefusal::Graph(Refusal::EXPIRED_TOKEN))
        );
        let page = world.page_token(&long.token, at(3)).unwrap();
        assert!(world.read_call("me", Some(&page.token), at(400 * DAY_MS), false).is_ok());
        world.revoke_tokens(&id);
        assert_eq!(world.read_call("me", Some(&page.token), at(3), false).unwrap_err(), Refusal::REVOKED_TOKEN);
    }
}
