//! What was found in a message, and what should become of it.

use serde::{Deserialize, Serialize};

use crate::{Level, list::Label};

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Calls somebody names.
    Insult,
    /// Attacks a group of people for what they are.
    Hate,
    /// Announces or wishes harm.
    Threat,
    /// Urges somebody to hurt themselves.
    SelfHarm,
    /// Sexual words or demands towards the brand or a person.
    Sexual,
    /// Money, prizes or accounts as bait.
    Scam,
    /// Advertises something else under the brand's name.
    Promotion,
    /// A link that hides or pretends where it leads.
    Link,
    /// Many people are named at once.
    Mentions,
    /// The same text again, or very many messages.
    Repetition,
    /// A part of the message could not be judged.
    Unjudged,
}

/// The two things that moderation looks for, and the case that it could not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Against people.
    Abuse,
    /// For somebody's own ends.
    Spam,
    /// Could not be told.
    Unjudged,
}

impl Category {
    /// The name as lists write it and records show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insult => "insult",
            Self::Hate => "hate",
            Self::Threat => "threat",
            Self::SelfHarm => "self_harm",
            Self::Sexual => "sexual",
            Self::Scam => "scam",
            Self::Promotion => "promotion",
            Self::Link => "link",
            Self::Mentions => "mentions",
            Self::Repetition => "repetition",
            Self::Unjudged => "unjudged",
        }
    }

    /// Whether this is abuse or spam.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Insult | Self::Hate | Self::Threat | Self::SelfHarm | Self::Sexual => Kind::Abuse,
            Self::Scam | Self::Promotion | Self::Link | Self::Mentions | Self::Repetition => Kind::Spam,
            Self::Unjudged => Kind::Unjudged,
        }
    }
}

impl Label for Category {
    const ALL: &'static [Self] =
        &[Self::Insult, Self::Hate, Self::Threat, Self::SelfHarm, Self::Sexual, Self::Scam, Self::Promotion];

    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// One reason against a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub category: Category,
    /// How grave it is.
    pub severity: Level,
    /// Which rule found it: `list:line pattern`, or the name of a rule that is no pattern, such as `link.shortener`.
    pub rule: String,
    /// What it found, as the rule read it. It is the viewer's text: store it only where messages are stored.
    pub excerpt: String,
}

/// What should become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Nothing speaks against it.
    Pass,
    /// A person should look before anything is done with it.
    Review,
    /// It may be hidden at once, and nothing should answer it.
    Hide,
}

/// The judgement on one message, with all its reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Every reason, the gravest first; empty if there is none.
    pub findings: Vec<Finding>,
}

impl Verdict {
    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self { findings }
    }

    /// The gravest finding's severity.
    pub fn severity(&self) -> Option<Level> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// The gravest finding's kind; abuse beats spam where both weigh the same, because people come first.
    pub fn kind(&self) -> Option<Kind> {
        let gravest = self.findings.iter().filter(|finding| Some(finding.severity) == self.severity());
        gravest.map(|finding| finding.category.kind()).min()
    }

    /// What should become of the message: high severity hides it, any other asks for a person.
    pub fn disposition(&self) -> Disposition {
        match self.severity() {
            None => Disposition::Pass,
            Some(Level::Low | Level::Medium) => Disposition::Review,
            Some(Level::High) => Disposition::Hide,
        }
    }
}
