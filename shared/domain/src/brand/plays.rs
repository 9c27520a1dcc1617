//! When something is said, and what.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{Kind, Language, PlayId, Segment, Span, ViewerKey};

/// What to say and when: one answer (`say`), or a sequence (`steps`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlayRule {
    /// Its name: letters, digits, `-` and `_`, at most 64.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub name: PlayId,
    /// What starts it; every part that is given has to hold.
    pub on: Trigger,
    /// CEL over the viewer's state and the interaction; none: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// For whom it works: `off`, `shadow` (judged, never sent), `pilot 20%` (a stable share of viewers), `on`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub rollout: Rollout,
    /// The snippet that is said at once; for a play that says one thing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub say: String,
    /// What is said at once and later, each judged afresh when its time has come; instead of `say`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// A model drafts the answer from the brand's facts; `say`, if given, is what a person is offered where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftRule>,
}

/// One message of a sequence. It is not said if the viewer answered the step before, or bought, or said stop, or if a person
/// has the conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the interaction that started the play: `0m`, `90m`, `2h`, `2d`; later than the step before.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub after: Span,
    /// The snippet that is said.
    pub say: String,
    /// What becomes of it if no window is open then.
    #[serde(default)]
    pub closed: WhenClosed,
}

/// What becomes of a step when no window is open for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhenClosed {
    /// The sequence ends.
    #[default]
    End,
    /// A person is asked: they may write for 7 days after the viewer's last action, where Meta granted Human Agent.
    Person,
}

/// How a model's draft is treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DraftRule {
    /// Drafts of at least this confidence, 1 to 100, go to the gate without being read; none: a person reads every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_from: Option<u8>,
}

impl PlayRule {
    /// What is said, and when: the steps, or the one answer as a step of its own.
    pub fn steps(&self) -> Cow<'_, [Step]> {
        if self.steps.is_empty() {
            let only = Step { after: Span::default(), say: self.say.clone(), closed: WhenClosed::default() };
            Cow::Owned(vec![only])
        } else {
            Cow::Borrowed(&self.steps)
        }
    }
}

/// What starts a play.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Trigger {
    /// An interaction of one of these kinds; none: of any kind that can be answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// One of these words or phrases stands in the text, whole, in upper or lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The same by language: whoever writes one of them is answered in that language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Vec<String>>"))]
    pub keywords_in: BTreeMap<Language, Vec<String>>,
    /// A quick reply, ice breaker or button with one of these payloads was tapped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<String>,
    /// The interaction brought the viewer into this segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_entered: Option<Segment>,
    /// The interaction gave the viewer this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_added: Option<String>,
    /// The viewer said that they want to be written to again ("start"): a welcome. Other plays do not answer that word.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub opted_in: bool,
}

/// For whom a play works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rollout {
    /// For nobody; nothing is wished either.
    #[default]
    Off,
    /// Judged like any other, and never sent: the ledger shows what would have been.
    Shadow,
    /// For this share of viewers, in percent; always the same ones.
    Pilot(u8),
    /// For everybody.
    On,
}

impl Rollout {
    /// Reads `off`, `shadow`, `pilot 20%` or `on`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "off" => Some(Self::Off),
            "shadow" => Some(Self::Shadow),
            "on" => Some(Self::On),
            other => {
                let percent = other.strip_prefix("pilot")?.trim().trim_end_matches('%').trim();
                percent.parse().ok().filter(|percent| (1..=99).contains(percent)).map(Self::Pilot)
            }
        }
    }
}

impl Rollout {
    /// Whether it works for this viewer: a pilot always takes the same share of them, and another one for another play.
    pub fn includes(self, play: &PlayId, viewer: &ViewerKey) -> bool {
        match self {
            Self::Off => false,
            Self::Shadow | Self::On => true,
            Self::Pilot(percent) => {
                let digest = Sha256::digest(format!("{play}/{viewer}"));
                let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
                u64::from(first) * 100 < u64::from(percent) << 32
            }
        }
    }
}

impl std::fmt::Display for Rollout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Shadow => f.write_str("shadow"),
            Self::Pilot(percent) => write!(f, "pilot {percent}%"),
            Self::On => f.write_str("on"),
        }
    }
}

impl Serialize for Rollout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rollout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Rollout;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("off, shadow, pilot 1% to pilot 99%, or on")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rollout, E> {
                Rollout::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
            // YAML 1.1 takes `on` and `off` for truth values.
            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Rollout, E> {
                Ok(if on { Rollout::On } else { Rollout::Off })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, ViewerId};

    #[test]
    fn a_pilot_takes_its_share_and_always_the_same() {
        let (play, other) = (PlayId::new("a"), PlayId::new("b"));
        let key = |n: i32| ViewerKey { account: AccountId::new("1"), viewer: ViewerId::new(n.to_string()) };
        let taken = |play: &PlayId, percent| {
            (0..10_000).filter(|n| Rollout::Pilot(percent).includes(play, &key(*n))).collect::<Vec<i32>>()
        };
        let twenty = taken(&play, 20);
        assert!((1_880..2_120).contains(&twenty.len()), "{}", twenty.len());
        assert_eq!(twenty, taken(&play, 20));
        let forty = taken(&play, 40);
        assert!(twenty.iter().all(|n| forty.contains(n)), "a larger pilot keeps the viewers of a smaller one");
        let common = taken(&other, 20).iter().filter(|n| twenty.contains(n)).count();
        assert!((300..500).contains(&common), "plays are tried on different viewers: {common}");
        assert!(Rollout::On.includes(&play, &key(1)) && !Rollout::Off.includes(&play, &key(1)));
    }

    #[test]
    fn how_rollouts_are_written() {
        for (text, rollout) in
            [("off", Rollout::Off), ("shadow", Rollout::Shadow), ("pilot 20%", Rollout::Pilot(20)), ("on", Rollout::On)]
        {
            assert_eq!(Rollout::parse(text), Some(rollout));
            assert_eq!(rollout.to_string(), text);
        }
        for text in ["", "pilot", "pilot 0%", "pilot 100%", "pilot -1%", "half"] {
            assert_eq!(Rollout::parse(text), None, "{text}");
        }
    }
}
