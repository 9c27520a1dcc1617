//! What conditions can ask for.

use std::collections::BTreeMap;

use afterglow_domain::{Kind, Segment};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;

/// Where a condition stands: what it can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A segment's condition.
    Segment,
    /// A tag's condition: the segment is known.
    Tag,
    /// A play's condition: the interaction is known as well.
    Play,
}

/// A type of CEL that conditions deal with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// `true`, `false`
    Bool,
    /// `3`
    Int,
    /// `3.0`
    Double,
    /// `'text'`
    String,
    /// `['a', 'b']`
    Strings,
    /// `[1, 2]`
    Ints,
}

impl Type {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Double => "double",
            Type::String => "string",
            Type::Strings => "list(string)",
            Type::Ints => "list(int)",
        }
    }
}

/// A name: what it is, where it can be asked for, and what it says. Hours since what never happened are infinite.
const NAMES: [(&str, Type, Scope, &str); 16] = [
    ("score", Type::Double, Scope::Segment, "the faded sum of points, now"),
    ("needs_reply", Type::Bool, Scope::Segment, "they asked something and have no answer"),
    ("hours_waiting", Type::Double, Scope::Segment, "hours since they asked what has no answer; 0 if nothing waits"),
    (
        "hours_since_spoke",
        Type::Double,
        Scope::Segment,
        "hours since they replied, messaged, commented, reacted or tapped",
    ),
    ("hours_since_contact", Type::Double, Scope::Segment, "hours since they did what opens a right to answer"),
    ("hours_since_profile_visit", Type::Double, Scope::Segment, "hours since they visited the profile or followed"),
    (
        "hours_since_repeat_view",
        Type::Double,
        Scope::Segment,
        "hours since a view that came within 24 hours of another",
    ),
    ("hours_since_view", Type::Double, Scope::Segment, "hours since they were last seen in a Story's viewer list"),
    ("hours_since_first_seen", Type::Double, Scope::Segment, "hours since their first interaction"),
    ("hours_since_last_seen", Type::Double, Scope::Segment, "hours since their latest interaction"),
    ("hours_overdue", Type::Double, Scope::Tag, "hours since an answer was due that is not given; 0 if none is"),
    ("segment", Type::String, Scope::Tag, "'hot', 'warm' or 'cool'"),
    ("kind", Type::String, Scope::Play, "the kind of the interaction, such as 'story_reply'"),
    ("text", Type::String, Scope::Play, "what they wrote; '' if nothing"),
    ("story_id", Type::String, Scope::Play, "the Story that they answered; '' if none"),
    ("payload", Type::String, Scope::Play, "what the tapped quick reply, ice breaker or button brings; '' if none"),
];

/// What a count's name begins with: `count.story_reply`.
pub(crate) const COUNT: &str = "count";

/// Every name with its type, where it can be asked for, and what it says; then `count.KIND`.
pub fn vocabulary() -> impl Iterator<Item = (&'static str, &'static str, Scope, &'static str)> {
    NAMES.iter().map(|(name, of, scope, says)| (*name, of.as_str(), *scope, *says))
}

pub(crate) fn type_of(name: &str, scope: Scope) -> Option<Type> {
    NAMES.iter().find(|(known, _, from, _)| *known == name && *from <= scope).map(|(_, of, ..)| *of)
}

pub(crate) fn kind_named(name: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.as_str() == name)
}

/// The interaction that a play's condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening<'a> {
    /// Its kind.
    pub kind: Kind,
    /// What was written; empty if nothing was.
    pub text: &'a str,
    /// The Story that was answered; empty if none was.
    pub story_id: &'a str,
    /// What the tapped button brings; empty if none was tapped.
    pub payload: &'a str,
}

/// What conditions are told of a viewer at one moment.
#[derive(Debug, Clone)]
pub struct Variables<'a> {
    /// See the names of the same words.
    pub score: f64,
    /// See there.
    pub needs_reply: bool,
    /// See there.
    pub hours_waiting: f64,
    /// See there.
    pub hours_overdue: f64,
    /// See there.
    pub hours_since_spoke: f64,
    /// See there.
    pub hours_since_contact: f64,
    /// See there.
    pub hours_since_profile_visit: f64,
    /// See there.
    pub hours_since_repeat_view: f64,
    /// See there.
    pub hours_since_view: f64,
    /// See there.
    pub hours_since_first_seen: f64,
    /// See there.
    pub hours_since_last_seen: f64,
    /// Interactions by kind.
    pub counts: &'a BTreeMap<Kind, u32>,
    /// For tags and plays.
    pub segment: Option<Segment>,
    /// For plays.
    pub happening: Option<Happening<'a>>,
}

impl Variables<'_> {
    /// A number by its name; `None` if there is none of this name.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        Some(match name {
            "score" => self.score,
            "hours_waiting" => self.hours_waiting,
            "hours_overdue" => self.hours_overdue,
            "hours_since_spoke" => self.hours_since_spoke,
            "hours_since_contact" => self.hours_since_contact,
            "hours_since_profile_visit" => self.hours_since_profile_visit,
            "hours_since_repeat_view" => self.hours_since_repeat_view,
            "hours_since_view" => self.hours_since_view,
            "hours_since_first_seen" => self.hours_since_first_seen,
            "hours_since_last_seen" => self.hours_since_last_seen,
            _ => return None,
        })
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(number) = self.number(name) {
            return Some(CowVal::owned(CelDouble::from(number)));
        }
        if let Some(kind) = name.strip_prefix("count.") {
            let count = self.counts.get(&kind_named(kind)?).copied().unwrap_or(0);
            return Some(CowVal::owned(CelInt::from(i64::from(count))));
        }
        Some(match name {
            "needs_reply" => CowVal::owned(CelBool::from(self.needs_reply)),
            "segment" => CowVal::owned(CelString::from(self.segment?.as_str())),
            "kind" => CowVal::owned(CelString::from(self.happening?.kind.as_str())),
            "text" => CowVal::owned(CelString::from(self.happening?.text)),
            "story_id" => CowVal::owned(CelString::from(self.happening?.story_id)),
            "payload" => CowVal::owned(CelString::from(self.happening?.payload)),
            _ => return None,
        })
    }
}
