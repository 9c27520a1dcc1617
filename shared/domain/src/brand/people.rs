//! When a person takes over, and what becomes of what nobody wants to read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HOUR_MS, Language};

/// When a conversation goes to a person by itself, and when automation may speak in it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HandoverRules {
    /// From which need on: `never`, `urgent` (somebody may be in danger), `yes` (asks for a person, complains, wants money
    /// back, …), `perhaps` (nothing in the message is known). What a play was made to answer (its keywords or payloads fit) goes to
    /// it all the same unless the need is `yes` or more.
    pub when: NeedsPerson,
    /// Words and phrases that always do, whole, in upper or lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Hours without a word of the person's after which automation may speak again, 1 to 720.
    pub idle_hours: u32,
}

/// How much a message has to need a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NeedsPerson {
    /// Any message of which nothing is known.
    Perhaps,
    /// It asks for a person, complains, or is about money, law, health or an order.
    Yes,
    /// Somebody may be in danger.
    Urgent,
    /// None does.
    Never,
}

impl Default for HandoverRules {
    fn default() -> Self {
        Self { when: NeedsPerson::Yes, keywords: Vec::new(), idle_hours: 24 }
    }
}

impl HandoverRules {
    /// How long automation is silent after a person's last word, in ms.
    pub fn idle_ms(&self) -> i64 {
        i64::from(self.idle_hours.clamp(1, 720)) * HOUR_MS
    }
}

/// What becomes of spam and abuse. Whoever wrote it gets no automatic message until a person has looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ModerationRules {
    /// Comments: `off`, `flag` (a person looks), `hide` (grave ones at once, the others are flagged), `delete` (hidden at once,
    /// deleted when `delete_after_hours` have passed and nobody has shown them again).
    pub comments: ModerationAction,
    /// Messages: `off` or `flag`. Meta lets nobody hide a message.
    pub messages: ModerationAction,
    /// Hours between hiding and deleting, 1 to 720: deleting cannot be taken back.
    pub delete_after_hours: u32,
    /// The brand's own lists of patterns, by language (`any` for all of them), in the form of the built-in ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, String>,
    /// Hosts to which links are no spam: the brand's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_hosts: Vec<String>,
}

/// What moderation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModerationAction {
    /// Nothing.
    Off,
    /// A person looks.
    Flag,
    /// Grave ones are hidden at once.
    Hide,
    /// Grave ones are hidden at once, and deleted after a while.
    Delete,
}

impl Default for ModerationRules {
    fn default() -> Self {
        Self {
            comments: ModerationAction::Flag,
            messages: ModerationAction::Flag,
            delete_after_hours: 72,
            lists: BTreeMap::new(),
            own_hosts: Vec::new(),
        }
    }
}

/// On what ground a model drafts answers, and what that may cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DraftRules {
    /// What the brand says of itself and its goods, one fact each: the only ground of an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// Tokens that drafts may take in one of the brand's days, in and out; 0: none are drafted.
    pub daily_tokens: u64,
    /// What they may cost in a day, in millionths of the currency in which the installation's prices are given; 0: the tokens
    /// alone bound it.
    pub daily_micros: u64,
}

/// When a play is silenced by itself, until a person has looked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SafetyRules {
    /// Of 100 people written to, so many may say stop within a day of it: 0.01 to 50.
    pub stops_percent: f64,
    /// Of 100 people written to, so many may be out of reach (they blocked the account, or cannot be written to): 0.01 to 50.
    pub blocks_percent: f64,
    /// Of 100 messages, so many may be refused by Meta for other reasons: 0.01 to 50.
    pub failures_percent: f64,
    /// The chance that a play that keeps within all of these is silenced all the same in its whole life, in percent: 0.001 to 20.
    pub false_alarm_percent: f64,
}

impl Default for SafetyRules {
    fn default() -> Self {
        Self { stops_percent: 2.0, blocks_percent: 1.0, failures_percent: 3.0, false_alarm_percent: 1.0 }
    }
}

/// What happens when a viewer says stop or start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OptOutRules {
    /// Whoever says stop is told once that it was heard, and how to start again; in fixed words, without advertising.
    pub confirm: bool,
}

impl Default for OptOutRules {
    fn default() -> Self {
        Self { confirm: true }
    }
}

/// The language of templates and fixed words, where a viewer's own is not known.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_default_language(language: &Language) -> bool {
    *language == Language::default()
}
