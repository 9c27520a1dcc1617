//! What was written to a CRM, so that nothing is written twice and its echo is not taken for news.
//!
//! A CRM that tells of changes tells of ours as well; taken for news they would be written back, and told again. The
//! ledger keeps a digest of each field's last written value, not the value.

use std::collections::BTreeMap;

use afterglow_domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::value::Value;

/// The digests of what was last written to one record of one CRM.
///
/// To be stored by (connection, external id), in the transaction that notes the write's success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(BTreeMap<String, u64>);

/// What a change that a CRM tells of is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// The echo of what was written: nothing to do.
    Own,
    /// Somebody else's.
    Foreign,
}

impl Written {
    /// Those of `fields` that differ from what was last written; all of them for a record that is not known. Empty if
    /// there is nothing to write.
    pub fn changed<'a>(&self, fields: &'a BTreeMap<String, Value>) -> BTreeMap<&'a str, &'a Value> {
        fields
            .iter()
            .filter(|(field, value)| self.0.get(*field) != Some(&digest(field, &canonical(value))))
            .map(|(field, value)| (field.as_str(), value))
            .collect()
    }

    /// Notes that `fields` were written.
    pub fn note(&mut self, fields: &BTreeMap<String, Value>) {
        let digests = fields.iter().map(|(field, value)| (field.clone(), digest(field, &canonical(value))));
        self.0.extend(digests);
    }

    /// What a change of `field` to `value`, as the CRM writes it, is. CRMs trim text, order options anew, cut moments to
    /// seconds and write numbers their own way; what means the same is the same. A value that somebody set to exactly
    /// what was written is an echo for every purpose.
    pub fn incoming(&self, field: &str, value: &str) -> Incoming {
        let Some(written) = self.0.get(field) else { return Incoming::Foreign };
        let own = readings(value).iter().any(|reading| digest(field, reading) == *written);
        if own { Incoming::Own } else { Incoming::Foreign }
    }

    /// Somebody else's value stands in `field` now: the next write has to write it again.
    pub fn overwritten(&mut self, field: &str) {
        self.0.remove(field);
    }
}

/// One way of writing for what a CRM may write in several.
fn canonical(value: &Value) -> String {
    match value {
        Value::Time(at) => seconds(*at),
        Value::List(_) => sorted(&value.to_hubspot()),
        Value::Text(text) => text.trim().to_owned(),
        Value::Milli(_) | Value::Empty => value.to_hubspot(),
    }
}

/// What `text` may mean, each as [`canonical`] writes it. That a text could be read as something else is no danger: the
/// digest tells which of them was written.
fn readings(text: &str) -> Vec<String> {
    let text = text.trim();
    let moment = Timestamp::parse(text).or_else(|| text.parse().ok().map(Timestamp::from_millis));
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string());
    [Some(text.to_owned()), Some(sorted(text)), moment.map(seconds), number].into_iter().flatten().collect()
}

fn seconds(at: Timestamp) -> String {
    format!("@{}", at.millis().div_euclid(1000))
}

fn sorted(options: &str) -> String {
    let mut options: Vec<&str> = options.split(';').collect();
    options.sort_unstable();
    options.join(";")
}

/// 64 bits: a false match would need a CRM's user to set one of some 2⁶⁴ values by chance.
fn digest(field: &str, value: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update((field.len() as u64).to_be_bytes());
    hasher.update(field);
    hasher.update(value);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, Value> {
        pairs.iter().map(|(field, text)| ((*field).into(), Value::Text((*text).into()))).collect()
    }

    #[test]
    fn only_what_differs_is_written() {
        let (mut written, record) = (Written::default(), fields(&[("a", "1"), ("b", "2")]));
        assert_eq!(written.changed(&record).len(), 2);
        written.note(&record);
        assert!(written.changed(&record).is_empty());
        let next = fields(&[("a", "1"), ("b", "3"), ("c", "4")]);
        assert_eq!(written.changed(&next).into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn echoes_are_known_and_other_peoples_changes_stand_out() {
        let mut written = Written::default();
        written.note(&fields(&[("segment", "hot "), ("score", "1.5")]));
        for (field, value, expected) in [
            ("segment", "hot", Incoming::Own),
            ("segment", "warm", Incoming::Foreign),
            ("score", "1.5", Incoming::Own),
            ("owner", "hot", Incoming::Foreign),
        ] {
            assert_eq!(written.incoming(field, value), expected, "{field}={value}");
        }
        written.overwritten("segment");
        assert_eq!(written.changed(&fields(&[("segment", "hot")])).len(), 1);
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let mut written = Written::default();
        written.note(&BTreeMap::from([
            ("score".to_owned(), Value::Milli(10_500)),
            ("seen".to_owned(), Value::Time(Timestamp::from_millis(1_569_262_485_349))),
            ("tags".to_owned(), Value::List(vec!["hot lead".into(), "a".into()])),
            ("gone".to_owned(), Value::Empty),
        ]));
        for (field, value, expected) in [
            ("score", "10.5", Incoming::Own),
            ("score", "10.50", Incoming::Own),
            ("score", "10.501", Incoming::Foreign),
            ("seen", "1569262485349", Incoming::Own),
            ("seen", "2019-09-23T18:14:45.000+0000", Incoming::Own),
            ("seen", "2019-09-23T18:14:46.000+0000", Incoming::Foreign),
            ("tags", "a;hot lead", Incoming::Own),
            ("tags", "a", Incoming::Foreign),
            ("gone", "", Incoming::Own),
            ("gone", "x", Incoming::Foreign),
        ] {
            assert_eq!(written.incoming(field, value), expected, "{field}={value}");
        }
    }

    proptest! {
        /// Two systems that each pass on what they take for news: with the ledger it ends after one round.
        #[test]
        fn no_loop(texts in prop::collection::vec("[a-z ]{0,6}", 1..10)) {
            let mut written = Written::default();
            for text in &texts {
                let record = fields(&[("f", text)]);
                written.note(&record);
                prop_assert_eq!(written.incoming("f", text), Incoming::Own);
                prop_assert!(written.changed(&record).is_empty());
            }
        }

        /// What is stored and read again judges alike.
        #[test]
        fn kept_in_storage(text in "\\PC{0,12}") {
            let mut written = Written::default();
            written.note(&fields(&[("f", &text)]));
            let json = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(serde_json::from_str::<Written>(&json).unwrap(), written);
        }
    }
}
