//! What others than Meta tell: people of the brand, tracked links, a shop, another system.

use serde::{Deserialize, Serialize};

/// Something a person of the brand saw and recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// The Story, where it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story_id: Option<String>,
    /// Quick tags of the operator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// A click on a tracked link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Click {
    /// The link's code.
    pub link: String,
}

/// A goal reached outside Instagram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversion {
    /// The shop's own id of it.
    pub external_id: String,
    /// `purchase`, `lead`, …
    pub goal: String,
    /// Value in minor units of `currency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_minor: Option<i64>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The tracked link that led there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What somebody noted of a viewer in another system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// The other system's own id of it.
    pub external_id: String,
    /// The note; not the viewer's words.
    pub text: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}
