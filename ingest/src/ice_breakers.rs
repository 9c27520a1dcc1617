//! Keeps the ice breakers that a brand's document names on its accounts.

use std::collections::HashMap;

use afterglow_domain::{BrandId, BrandSettings, IceBreaker, Language};
use afterglow_meta::graph::{GraphAccount, GraphClient, IceBreakerQuestion, IceBreakers, ReadError};
use afterglow_runtime::error_chain;
use afterglow_store::{Account, StoreError};
use afterglow_tokens::{TokenError, Tokens};
use tokio_util::sync::CancellationToken;

use crate::Rounds;

const ROUND: &str = "ice-breakers";

/// Compares accounts' ice breakers with what brands want, and sets them.
pub struct IceBreakerKeeper {
    /// Through the accounts.
    pub rounds: Rounds,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// In whose name.
    pub tokens: Tokens,
}

#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("no access token")]
    Token(#[from] TokenError),
    #[error("Meta refuses or does not answer")]
    Read(#[from] ReadError),
}

impl IceBreakerKeeper {
    /// Looks at once and then regularly, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.rounds.make(ROUND, &stop, || self.all()).await;
    }

    async fn all(&self) -> Result<(), StoreError> {
        let brands = self.rounds.store.brands().await?;
        let wanted = brands.iter().filter_map(|brand| {
            let wanted = brand.settings.ice_breakers.as_deref()?;
            Some((&brand.id, by_locale(wanted, &brand.settings)))
        });
        let wanted: HashMap<&BrandId, Vec<IceBreakers>> = wanted.collect();
        for account in self.rounds.accounts().await? {
            let Some(wanted) = wanted.get(&account.brand) else { continue };
            if !self.rounds.is_ours(ROUND).await? {
                return Ok(()); // another process looks
            }
            if let Err(error) = self.account(&account, wanted).await {
                metrics::counter!("afterglow_ice_breaker_failures_total").increment(1);
                tracing::error!(
                    account = %account.id,
                    error = %error_chain(&error),
                    "the account's ice breakers cannot be set: is it connected, with all permissions?"
                );
            }
        }
        Ok(())
    }

    async fn account(&self, account: &Account, wanted: &[IceBreakers]) -> Result<(), KeepError> {
        let token = self.tokens.of(&account.id).await?;
        let asking = GraphAccount { id: &account.id, login: token.login, token: &token.secret };
        let mut present = self.graph.ice_breakers(&asking).await?;
        present.sort_by(|a, b| a.locale.cmp(&b.locale));
        if present == wanted {
            return Ok(());
        }
        self.graph.set_ice_breakers(&asking, wanted).await?;
        tracing::info!(account = %account.id, locales = wanted.len(), "ice breakers are set");
        Ok(())
    }
}

/// What Meta is told, by locale. Where a question lacks a language, its own words stand.
fn by_locale(wanted: &[IceBreaker], settings: &BrandSettings) -> Vec<IceBreakers> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let questions = |language: Option<Language>| {
        let question = |one: &IceBreaker| IceBreakerQuestion {
            question: language.and_then(|language| one.languages.get(&language)).unwrap_or(&one.question).clone(),
            payload: one.payload.clone(),
        };
        wanted.iter().map(question).collect()
    };
    let mut all = vec![IceBreakers { locale: "default".into(), call_to_actions: questions(None) }];
    for language in Language::ALL {
        let translated = wanted.iter().any(|one| one.languages.contains_key(&language));
        if translated && language != settings.language {
            all.push(IceBreakers { locale: locale(language).into(), call_to_actions: questions(Some(language)) });
        }
    }
    all.sort_by(|a, b| a.locale.cmp(&b.locale));
    all
}

/// Meta's name of a language (Meta, "Supported locales", read 2026).
const fn locale(language: Language) -> &'static str {
    match language {
        Language::English => "en_US",
        Language::Dutch => "nl_NL",
        Language::German => "de_DE",
        Language::French => "fr_FR",
        Language::Spanish => "es_ES",
        Language::Portuguese => "pt_PT",
        Language::Italian => "it_IT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_questions_and_the_rest_the_brands_own() {
        let one = |question: &str, dutch: Option<&str>| IceBreaker {
            question: question.into(),
            languages: dutch.map(|text| (Language::Dutch, text.to_owned())).into_iter().collect(),
            payload: "P".into(),
        };
        let settings = BrandSettings::default();
        let told = by_locale(&[one("Prices?", Some("Prijzen?")), one("Hours?", None)], &settings);
        let told: Vec<_> = told
            .iter()
            .map(|one| {
                let words: Vec<_> = one.call_to_actions.iter().map(|q| q.question.as_str()).collect();
                (one.locale.as_str(), words)
            })
            .collect();
        assert_eq!(told, [("default", vec!["Prices?", "Hours?"]), ("nl_NL", vec!["Prijzen?", "Hours?"])]);
        assert!(by_locale(&[], &settings).is_empty());
    }
}
