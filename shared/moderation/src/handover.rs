//! Whether a message needs a person.
//!
//! Graded, because both mistakes cost: a complaint that a machine answers loses a customer, and a queue full of "what
//! does it cost?" hides the complaint. Lists name the topics, and what is routine; the rest is counted from the text's
//! form. A longer message in which nothing is known asks for a look, because lists never know every way to say a thing.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::{
    Language, Layer, Level, Lexicon, List, ListErrors, Message,
    fold::{readings, same_text_key},
    list::Label,
};

/// What a message is about that a person should handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Asks for a person, or is tired of the machine.
    Human,
    /// Is dissatisfied.
    Complaint,
    /// Wants money back, or paid wrongly.
    Refund,
    /// Concerns an order that exists: where it is, change, cancel, exchange.
    Order,
    /// Haggles.
    Price,
    /// Lawyers, courts, consumer rights.
    Legal,
    /// Health: allergies, pregnancy, side effects.
    Medical,
    /// Somebody was or may be harmed by a product.
    Safety,
    /// Somebody may be in danger from themselves.
    Crisis,
    /// Personal data.
    Privacy,
    /// Press, partners, jobs.
    Business,
    /// Small talk, praise, and questions that every shop is asked every day. Lists name it; no reason ever bears it.
    Routine,
    /// Nothing in it is known, neither as routine nor as anything else.
    Unrecognised,
    /// Several questions at once.
    ManyQuestions,
    /// A long message.
    Long,
    /// Written in no script that the lists know.
    OtherScript,
    /// Whoever would answer is not sure enough.
    LowConfidence,
}

impl Topic {
    /// The name as lists write it and records show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Complaint => "complaint",
            Self::Refund => "refund",
            Self::Order => "order",
            Self::Price => "price",
            Self::Legal => "legal",
            Self::Medical => "medical",
            Self::Safety => "safety",
            Self::Crisis => "crisis",
            Self::Privacy => "privacy",
            Self::Business => "business",
            Self::Routine => "routine",
            Self::Unrecognised => "unrecognised",
            Self::ManyQuestions => "many_questions",
            Self::Long => "long",
            Self::OtherScript => "other_script",
            Self::LowConfidence => "low_confidence",
        }
    }
}

impl Label for Topic {
    const ALL: &'static [Self] = &[
        Self::Human,
        Self::Complaint,
        Self::Refund,
        Self::Order,
        Self::Price,
        Self::Legal,
        Self::Medical,
        Self::Safety,
        Self::Crisis,
        Self::Privacy,
        Self::Business,
        Self::Routine,
    ];

    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// How much a message needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A machine may answer.
    No,
    /// A person should look before a machine answers.
    Perhaps,
    /// A person should answer.
    Yes,
    /// A person should answer now.
    Urgent,
}

/// One reason for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What it is about.
    pub topic: Topic,
    /// How much it weighs.
    pub level: Level,
    /// Which rule says so: `list:line pattern`, or the name of a rule that is no pattern.
    pub rule: String,
    /// What it found, as the rule read it; the viewer's text.
    pub excerpt: String,
}

/// The grade and every reason for it, the weightiest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The grade.
    pub need: Need,
    /// Why; empty for [`Need::No`].
    pub reasons: Vec<Reason>,
}

/// How sure whoever would answer is of the answer, and how sure it has to be; both 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confidence {
    /// How sure it is.
    pub is: u8,
    /// How sure it has to be.
    pub floor: u8,
}

/// Questions from which a person should look, and from which a person should answer.
const QUESTIONS: (usize, usize) = (2, 3);
/// Words from which a message in which nothing is known may hold something that matters.
const TELLING_WORDS: usize = 4;
/// Words from which a message counts as long.
const LONG_WORDS: usize = 60;

/// Compiled once, since it takes some 30 ms and 5 MB.
static BUILT_IN: LazyLock<Result<Arc<Layer<Topic>>, ListErrors>> =
    LazyLock::new(|| Layer::compile(&built_in()).map(Arc::new));

/// Decides for one brand which messages need a person.
#[derive(Debug)]
pub struct Handover {
    lexicon: Lexicon<Topic>,
}

impl Handover {
    /// The built-in lists of every language, with a brand's lists on top.
    pub fn new(brand: &[List<'_>]) -> Result<Self, ListErrors> {
        Ok(Self { lexicon: Lexicon::on(BUILT_IN.clone()?, brand)? })
    }

    /// Whether `message` needs a person; `confidence` is that of the answer at hand, if there is one.
    pub fn assess(&self, message: &Message<'_>, confidence: Option<Confidence>) -> Assessment {
        let found = self.lexicon.search(&readings(message.text), message.language);
        let (routine, telling): (Vec<_>, Vec<_>) = found.hits.into_iter().partition(|hit| hit.label == Topic::Routine);
        let mut reasons: Vec<Reason> = telling
            .into_iter()
            .map(|hit| Reason { topic: hit.label, level: hit.level, rule: hit.rule, excerpt: hit.excerpt })
            .collect();
        reasons.extend(from_form(message.text));
        if reasons.is_empty() && routine.is_empty() && !found.innocent {
            reasons.extend(unrecognised(message.text));
        }
        reasons.extend(confidence.filter(|c| c.is < c.floor).map(|c| Reason {
            topic: Topic::LowConfidence,
            level: Level::Low,
            rule: "confidence.low".to_owned(),
            excerpt: format!("{} of {}", c.is, c.floor),
        }));
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        Assessment { need: need(&reasons), reasons }
    }
}

/// What no list knows is a hint, unless it is too short to say much.
fn unrecognised(text: &str) -> Option<Reason> {
    let words = same_text_key(text).split_whitespace().count();
    (words >= TELLING_WORDS).then(|| Reason {
        topic: Topic::Unrecognised,
        level: Level::Low,
        rule: "form.unrecognised".to_owned(),
        excerpt: format!("{words} words"),
    })
}

fn need(reasons: &[Reason]) -> Need {
    let Some(first) = reasons.first() else { return Need::No };
    match first.level {
        Level::High => Need::Urgent,
        Level::Medium => Need::Yes,
        // Two hints of different kinds are more than a hint
        Level::Low if reasons.iter().any(|other| other.topic != first.topic) => Need::Yes,
        Level::Low => Need::Perhaps,
    }
}

fn from_form(text: &str) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |topic, level, rule: &str, excerpt| {
        reasons.push(Reason { topic, level, rule: rule.to_owned(), excerpt });
    };
    let questions = questions(text);
    if questions >= QUESTIONS.0 {
        let level = if questions >= QUESTIONS.1 { Level::Medium } else { Level::Low };
        add(Topic::ManyQuestions, level, "form.questions", format!("{questions} questions"));
    }
    let words = text.split_whitespace().count();
    if words >= LONG_WORDS {
        add(Topic::Long, Level::Low, "form.long", format!("{words} words"));
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let latin = text.chars().filter(|c| c.is_alphabetic() && is_latin(*c)).count();
    if letters >= 4 && latin * 2 < letters {
        add(Topic::OtherScript, Level::Low, "form.other_script", format!("{} of {letters} letters", letters - latin));
    }
    reasons
}

/// Stretches of at least two words that end in a question mark.
fn questions(text: &str) -> usize {
    let mut parts: Vec<&str> = text.split('?').collect();
    parts.pop(); // behind the last question mark
    parts.iter().filter(|part| same_text_key(part).split_whitespace().count() >= 2).count()
}

/// Latin letters (Unicode blocks from Basic Latin to Latin Extended-B), and letter-like signs that fold to them.
fn is_latin(c: char) -> bool {
    c <= '\u{24f}' || matches!(c, '\u{1e00}'..='\u{1eff}' | '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
}

fn built_in() -> [List<'static>; 7] {
    macro_rules! list {
        ($language:ident $name:literal) => {
            List {
                name: $name,
                language: Some(Language::$language),
                text: include_str!(concat!("../lists/", $name, ".txt")),
            }
        };
    }
    [
        list!(English "handover.en"),
        list!(Dutch "handover.nl"),
        list!(German "handover.de"),
        list!(French "handover.fr"),
        list!(Spanish "handover.es"),
        list!(Portuguese "handover.pt"),
        list!(Italian "handover.it"),
    ]
}
