//! Lists of settings: in the environment one text with commas.

use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

/// A list, or one text with commas, as the environment has it.
pub(super) fn comma_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        List(Vec<String>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => {
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        Either::List(list) => list,
    })
}

pub(super) fn comma_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    Ok(comma_texts(deserializer)?.iter().map(|text| Secret::from(text.as_str())).collect())
}
