//! The week: what to keep, change and stop. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::kpi::{Figures, Kpi, KpiName, Sums, figures};
use crate::trial::Trial;

/// What to do about a play or snippet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// It is answered more than the rest, and bothers nobody.
    Keep,
    /// It is answered less than the rest.
    Change,
    /// Too many say stop after it.
    Stop,
    /// There is too little to go by.
    Wait,
}

impl Advice {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Change => "change",
            Self::Stop => "stop",
            Self::Wait => "too early to say",
        }
    }
}

/// One play's or snippet's week.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Which.
    pub item: String,
    /// Its figures.
    pub figures: Figures,
    /// What to do about it.
    pub advice: Advice,
}

/// A brand's week.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeeklyReport {
    /// The brand's name.
    pub brand: String,
    /// Its first day.
    pub since: String,
    /// Its last day.
    pub until: String,
    /// All of it.
    pub all: Figures,
    /// The week before.
    pub before: Figures,
    /// By play.
    pub plays: Vec<Line>,
    /// By snippet.
    pub snippets: Vec<Line>,
    /// By whoever answered.
    pub operators: BTreeMap<String, Figures>,
    /// What was tried on viewers in the week, as it stood at its end.
    pub experiments: Vec<Trial>,
}

/// The material of a week.
#[derive(Debug, Clone, Default)]
pub struct Week {
    /// Sums of all.
    pub all: Sums,
    /// Sums of all in the week before.
    pub before: Sums,
    /// By play.
    pub plays: BTreeMap<String, Sums>,
    /// By snippet.
    pub snippets: BTreeMap<String, Sums>,
    /// By operator.
    pub operators: BTreeMap<String, Sums>,
    /// What was tried on viewers.
    pub experiments: Vec<Trial>,
}

/// Writes the report of a week. `stops_percent`: how many of 100 may say stop, as the brand's `safety` has it.
pub fn weekly(brand: &str, (since, until): (&str, &str), week: &Week, stops_percent: f64) -> WeeklyReport {
    let all = figures(&week.all);
    let reply = value(&all[&KpiName::ReplyRate]);
    let lines = |items: &BTreeMap<String, Sums>| {
        items
            .iter()
            .map(|(item, sums)| {
                let figures = figures(sums);
                let advice = advice(&figures, reply, stops_percent / 100.0);
                Line { item: item.clone(), figures, advice }
            })
            .collect()
    };
    WeeklyReport {
        brand: brand.into(),
        since: since.into(),
        until: until.into(),
        before: figures(&week.before),
        plays: lines(&week.plays),
        snippets: lines(&week.snippets),
        operators: week.operators.iter().map(|(who, sums)| (who.clone(), figures(sums))).collect(),
        experiments: week.experiments.clone(),
        all,
    }
}

fn value(kpi: &Kpi) -> Option<f64> {
    match kpi {
        Kpi::Share { value, .. } => Some(*value),
        Kpi::Seconds { .. } | Kpi::Unknown { .. } => None,
    }
}

fn advice(figures: &Figures, usual: Option<f64>, stops: f64) -> Advice {
    let of = |name: KpiName| value(&figures[&name]);
    let enough = matches!(&figures[&KpiName::ReplyRate], Kpi::Share { among, .. } if *among >= 30);
    match (of(KpiName::OptOutRate), of(KpiName::ReplyRate), usual) {
        (Some(rate), _, _) if enough && rate > stops => Advice::Stop,
        (_, Some(replies), Some(usual)) if enough && replies < usual / 2.0 => Advice::Change,
        (_, Some(_), _) if enough => Advice::Keep,
        _ => Advice::Wait,
    }
}

impl WeeklyReport {
    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let Self { brand, since, until, .. } = self;
        let mut text =
            format!("# {brand}: {since} to {until}\n\n| figure | this week | the week before |\n| --- | --- | --- |\n");
        for name in KpiName::ALL {
            let _ = writeln!(text, "| {} | {} | {} |", name.title(), self.all[&name], self.before[&name]);
        }
        for (title, lines) in [("Plays", &self.plays), ("Snippets", &self.snippets)] {
            let _ = write!(
                text,
                "\n## {title}\n\n| | delivered | replied | stopped | do |\n| --- | --- | --- | --- | --- |\n"
            );
            for Line { item, figures, advice } in lines {
                let of = |name: KpiName| &figures[&name];
                let (delivered, replied, stopped) =
                    (of(KpiName::DeliveryRate), of(KpiName::ReplyRate), of(KpiName::OptOutRate));
                let _ = writeln!(text, "| {item} | {delivered} | {replied} | {stopped} | {} |", advice.as_str());
            }
        }
        let _ = write!(text, "\n## Who answered\n\n| | median | 9 in 10 |\n| --- | --- | --- |\n");
        for (who, figures) in &self.operators {
            let (half, most) = (&figures[&KpiName::PersonResponseP50], &figures[&KpiName::PersonResponseP90]);
            let _ = writeln!(text, "| {who} | {half} | {most} |");
        }
        if !self.experiments.is_empty() {
            text.push_str("\n## Experiments\n");
        }
        for trial in &self.experiments {
            let _ = write!(text, "\n**{}**: {}\n\n", trial.name, trial.hypothesis);
            for lift in &trial.lifts {
                let by = lift.lift.map_or_else(|| "unknown".to_owned(), |by| format!("{:+.1} points", by * 100.0));
                let (low, high) = (lift.interval.low * 100.0, lift.interval.high * 100.0);
                let verdict = lift.verdict.as_str();
                let _ = writeln!(
                    text,
                    "- {} beside {}: {by}, between {low:+.1} and {high:+.1}: {verdict}",
                    lift.arm, lift.than
                );
            }
            for doubt in &trial.doubts {
                let _ = writeln!(text, "- {doubt}");
            }
        }
        text.push_str(
            "\nEvery share stands with what it is a share of; what cannot be said is unknown. The definitions: docs/kpis.md.\n",
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(of: &[(&str, i64)]) -> Sums {
        of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn a_week() {
        let play = |sent, replied, stops| sums(&[("sent", sent), ("replied", replied), ("stops", stops)]);
        let week = Week {
            all: sums(&[
                ("sent", 300),
                ("replied", 90),
                ("stops", 6),
                ("questions", 200),
                ("prompt", 150),
                ("in_time", 190),
            ]),
            before: sums(&[("sent", 3), ("replied", 3)]),
            plays: BTreeMap::from([
                ("loved".into(), play(100, 50, 1)),
                ("ignored".into(), play(100, 5, 0)),
                ("pushy".into(), play(90, 30, 5)),
                ("new".into(), play(10, 5, 0)),
            ]),
            snippets: BTreeMap::new(),
            operators: BTreeMap::from([("ada".into(), sums(&[("person_class_09", 6)]))]),
            experiments: Vec::new(),
        };
        let report = weekly("Lumen", ("2026-11-16", "2026-11-22"), &week, 2.0);
        let advised: Vec<_> = report.plays.iter().map(|line| (line.item.as_str(), line.advice)).collect();
        assert_eq!(
            advised,
            [("ignored", Advice::Change), ("loved", Advice::Keep), ("new", Advice::Wait), ("pushy", Advice::Stop)]
        );
        insta::assert_snapshot!(report.to_markdown());
    }
}
