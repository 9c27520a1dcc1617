//! The accounts that the simulated Meta hosts: ids, secrets and tokens, all derived from a seed.

use std::fmt::Write as _;

use afterglow_domain::{AccountId, BrandId};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// Through which login an account was connected: it decides the shape of comments and which fields exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Business Login for Instagram: comments are flat, no `story_insights`, no `mentions`.
    Instagram,
    /// Facebook Login for Business: `changes`, with `mentions` and `story_insights`.
    Facebook,
}

/// A developer's app at Meta. Its secret signs the webhooks of every account that is connected to it.
#[derive(Debug, Clone)]
pub struct App {
    /// The app id, as echoes carry it.
    pub id: String,
    /// The app secret.
    pub secret: SecretString,
}

/// One Instagram professional account of a brand.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its owner.
    pub brand: BrandId,
    /// The professional account's id: `entry.id`, and the path of the Send API.
    pub id: AccountId,
    /// Its public name.
    pub username: String,
    /// The app it is connected to.
    pub app: App,
    /// The token that may act for it.
    pub access_token: SecretString,
    /// How it was connected.
    pub login: Login,
    /// The brand answers Story replies: a reply that gets no answer is a person lost.
    pub autoresponder: bool,
    /// Meta granted the account the Human Agent feature.
    pub human_agent: bool,
}

/// How to lay out brands.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Number of brands, at least 1.
    pub brands: u32,
    /// Accounts per brand, at least 1.
    pub accounts_per_brand: u32,
    /// Number of apps; accounts are dealt out to them in turn. At least 1.
    pub apps: u32,
    /// Every n-th brand keeps its autoresponder off, so that answers nobody asked for are noticed; 0 for none.
    pub silent_every: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self { brands: 2, accounts_per_brand: 1, apps: 1, silent_every: 0 }
    }
}

/// Lays out the accounts. The same layout and seed give the same ids and secrets.
pub fn accounts(layout: Layout, seed: u64) -> Vec<Account> {
    let apps: Vec<App> = (0..layout.apps.max(1))
        .map(|n| App {
            id: format!("{}", 910_000_000_000_000 + u64::from(n)),
            secret: secret(seed, "app", n, 32).into(),
        })
        .collect();
    let mut accounts = Vec::new();
    for brand in 0..layout.brands.max(1) {
        for _ in 0..layout.accounts_per_brand.max(1) {
            let n = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
            accounts.push(Account {
                brand: BrandId::new(format!("brand-{}", brand + 1)),
                id: AccountId::new(format!("{}", 17_841_400_000_000_000 + u64::from(n))),
                username: format!("brand{}.shop{}", brand + 1, n + 1),
                app: apps[accounts.len() % apps.len()].clone(),
                access_token: format!("IGSIM{}", secret(seed, "token", n, 64)).into(),
                login: if n.is_multiple_of(2) { Login::Instagram } else { Login::Facebook },
                autoresponder: layout.silent_every == 0 || !(brand + 1).is_multiple_of(layout.silent_every),
                human_agent: false,
            });
        }
    }
    accounts
}

fn secret(seed: u64, what: &str, n: u32, digits: usize) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(format!("afterglow-sim/{seed}/{what}/{n}")) {
        let _ = write!(text, "{byte:02x}"); // writing to a String does not fail
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_accounts_and_another_seed_other_secrets() {
        let layout = Layout { brands: 3, accounts_per_brand: 2, apps: 2, silent_every: 3 };
        let (a, b, c) = (accounts(layout, 1), accounts(layout, 1), accounts(layout, 2));
        assert_eq!(a.len(), 6);
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.access_token.expose_secret(), b.access_token.expose_secret());
        }
        assert_ne!(a[0].access_token.expose_secret(), c[0].access_token.expose_secret());
        assert_ne!(a[0].access_token.expose_secret(), a[1].access_token.expose_secret());
        assert_eq!(a.iter().map(|a| a.autoresponder).collect::<Vec<_>>(), [true, true, true, true, false, false]);
        assert!(!format!("{:?}", a[0]).contains(a[0].access_token.expose_secret()));
    }
}
