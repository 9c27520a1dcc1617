//! The figures by their definitions, from the counts. Pure. The definitions in words, with what a reader can recompute by hand:
//! `docs/kpis.md`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::count::CLASSES_S;

/// Counts by measure.
pub type Sums = BTreeMap<String, i64>;

/// Why a figure is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// There is nothing that it could be a share of.
    NothingCounted,
    /// What it is a share of is too little to say anything: fewer than 5.
    TooFew,
    /// Clocks disagree about all of it.
    ClocksDisagree,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingCounted => "nothing to count",
            Self::TooFew => "fewer than 5: too few to say",
            Self::ClocksDisagree => "clocks disagree",
        })
    }
}

/// Names of the figures, as the API and `docs/kpis.md` have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KpiName {
    /// Half of the questions that a machine answered were answered within so many seconds.
    BotResponseP50,
    /// Nine in ten.
    BotResponseP90,
    /// Half of the questions that a person answered.
    PersonResponseP50,
    /// Nine in ten.
    PersonResponseP90,
    /// Questions answered by anybody within 20 minutes.
    AnsweredWithin20Minutes,
    /// Questions answered by anybody within what the brand promises.
    AnsweredWithinSla,
    /// Automatic messages that were replied to.
    ReplyRate,
    /// Conversations that led to a sale.
    ConversationToSale,
    /// Automatic messages after which their reader said stop.
    OptOutRate,
    /// Automatic messages whose reader could not be reached.
    BlockRate,
    /// Automatic messages that Meta took.
    DeliveryRate,
}

impl KpiName {
    /// Every figure, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::BotResponseP50,
        Self::BotResponseP90,
        Self::PersonResponseP50,
        Self::PersonResponseP90,
        Self::AnsweredWithin20Minutes,
        Self::AnsweredWithinSla,
        Self::ReplyRate,
        Self::ConversationToSale,
        Self::OptOutRate,
        Self::BlockRate,
        Self::DeliveryRate,
    ];

    /// As stored and asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BotResponseP50 => "bot_response_p50",
            Self::BotResponseP90 => "bot_response_p90",
            Self::PersonResponseP50 => "person_response_p50",
            Self::PersonResponseP90 => "person_response_p90",
            Self::AnsweredWithin20Minutes => "answered_within20_minutes",
            Self::AnsweredWithinSla => "answered_within_sla",
            Self::ReplyRate => "reply_rate",
            Self::ConversationToSale => "conversation_to_sale",
            Self::OptOutRate => "opt_out_rate",
            Self::BlockRate => "block_rate",
            Self::DeliveryRate => "delivery_rate",
        }
    }

    /// As people read it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::BotResponseP50 => "Response time, machine, median",
            Self::BotResponseP90 => "Response time, machine, 9 in 10",
            Self::PersonResponseP50 => "Response time, people, median",
            Self::PersonResponseP90 => "Response time, people, 9 in 10",
            Self::AnsweredWithin20Minutes => "Answered within 20 minutes",
            Self::AnsweredWithinSla => "Answered within the SLA",
            Self::ReplyRate => "Reply rate",
            Self::ConversationToSale => "Conversation to sale",
            Self::OptOutRate => "Opt-out rate",
            Self::BlockRate => "Block rate",
            Self::DeliveryRate => "Delivery rate",
        }
    }
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Kpi {
    /// So many of so many.
    Share {
        /// How many.
        of: i64,
        /// Of how many.
        among: i64,
        /// The share, 0 to 1.
        value: f64,
    },
    /// At most so long, of so many; longer than the longest class is told as that.
    Seconds {
        /// The upper end of its class, in seconds.
        at_most: i64,
        /// Of how many.
        among: i64,
    },
    /// Not known.
    Unknown {
        /// Why.
        reason: Unknown,
        /// Of how many.
        among: i64,
    },
}

impl fmt::Display for Kpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { of, among, value } => write!(f, "{:.1} % ({of} of {among})", value * 100.0),
            Self::Seconds { at_most, among } if *at_most < 120 => write!(f, "≤ {at_most} s (of {among})"),
            Self::Seconds { at_most, among } if *at_most < 7_200 => write!(f, "≤ {} min (of {among})", at_most / 60),
            Self::Seconds { at_most, among } => write!(f, "≤ {} h (of {among})", at_most / 3_600),
            Self::Unknown { reason, among } => write!(f, "unknown: {reason} (of {among})"),
        }
    }
}

/// Fewer than this say nothing.
const FEW: i64 = 5;
/// What is longer than the longest class, in seconds: a week.
const LONGEST_S: i64 = 604_800;

/// The figures of one period, and of one of a dimension's items.
pub type Figures = BTreeMap<KpiName, Kpi>;

/// Every figure, from the sums of a period.
pub fn figures(sums: &Sums) -> Figures {
    let of = |measure: &str| sums.get(measure).copied().unwrap_or(0);
    KpiName::ALL
        .into_iter()
        .map(|name| {
            let kpi = match name {
                KpiName::BotResponseP50 => quantile(sums, "bot", 50),
                KpiName::BotResponseP90 => quantile(sums, "bot", 90),
                KpiName::PersonResponseP50 => quantile(sums, "person", 50),
                KpiName::PersonResponseP90 => quantile(sums, "person", 90),
                KpiName::AnsweredWithin20Minutes => share(of("prompt"), of("questions")),
                KpiName::AnsweredWithinSla => share(of("in_time"), of("questions")),
                KpiName::ReplyRate => share(of("replied"), of("sent")),
                KpiName::ConversationToSale => share(of("sold"), of("conversations")),
                KpiName::OptOutRate => share(of("stops"), of("sent")),
                KpiName::BlockRate => share(of("unreachable"), of("sent") + of("unreachable") + of("refused")),
                KpiName::DeliveryRate => share(of("sent"), of("sent") + of("unreachable") + of("refused")),
            };
            (name, kpi)
        })
        .collect()
}

fn share(of: i64, among: i64) -> Kpi {
    let reason = match among {
        0 => Unknown::NothingCounted,
        n if n < FEW => Unknown::TooFew,
        _ => {
            #[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
            let value = of as f64 / among as f64;
            return Kpi::Share { of, among, value };
        }
    };
    Kpi::Unknown { reason, among }
}

/// The upper end of the class in which the quantile lies.
fn quantile(sums: &Sums, who: &str, percent: i64) -> Kpi {
    let of = |measure: &str| sums.get(measure).copied().unwrap_or(0);
    let classes: Vec<i64> = (0..=CLASSES_S.len()).map(|class| of(&format!("{who}_class_{class:02}"))).collect();
    let among: i64 = classes.iter().sum();
    if among < FEW {
        let skewed = of(&format!("{who}_skewed"));
        let reason = match (among, skewed) {
            (0, 0) => Unknown::NothingCounted,
            (0, _) => Unknown::ClocksDisagree,
            _ => Unknown::TooFew,
        };
        return Kpi::Unknown { reason, among };
    }
    let wanted = (among * percent + 99) / 100;
    let mut so_far = 0;
    let class = classes.iter().position(|n| {
        so_far += n;
        so_far >= wanted
    });
    let at_most = class.and_then(|class| CLASSES_S.get(class)).copied().unwrap_or(LONGEST_S);
    Kpi::Seconds { at_most, among }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(of: &[(&str, i64)]) -> Sums {
        of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn shares_and_what_is_unknown() {
        let told = figures(&sums(&[("sent", 40), ("replied", 10), ("stops", 1), ("refused", 8), ("unreachable", 2)]));
        assert_eq!(told[&KpiName::ReplyRate].to_string(), "25.0 % (10 of 40)");
        assert_eq!(told[&KpiName::OptOutRate].to_string(), "2.5 % (1 of 40)");
        assert_eq!(told[&KpiName::DeliveryRate].to_string(), "80.0 % (40 of 50)");
        assert_eq!(told[&KpiName::BlockRate].to_string(), "4.0 % (2 of 50)");
        assert_eq!(told[&KpiName::ConversationToSale].to_string(), "unknown: nothing to count (of 0)");
        let few = figures(&sums(&[("sent", 4), ("replied", 4)]));
        assert_eq!(few[&KpiName::ReplyRate].to_string(), "unknown: fewer than 5: too few to say (of 4)", "not 100 %");
    }

    #[test]
    fn quantiles_are_upper_ends_of_classes() {
        // Ten answers: six within 5 s, three within a minute, one later than three days.
        let told = figures(&sums(&[("bot_class_02", 6), ("bot_class_06", 3), ("bot_class_18", 1)]));
        assert_eq!(told[&KpiName::BotResponseP50].to_string(), "≤ 5 s (of 10)");
        assert_eq!(told[&KpiName::BotResponseP90].to_string(), "≤ 60 s (of 10)");
        let late = figures(&sums(&[("person_class_18", 9), ("person_class_11", 1)]));
        assert_eq!(late[&KpiName::PersonResponseP50].to_string(), "≤ 168 h (of 10)");
        let skewed = figures(&sums(&[("bot_skewed", 9)]));
        assert_eq!(skewed[&KpiName::BotResponseP50].to_string(), "unknown: clocks disagree (of 0)");
    }
}
