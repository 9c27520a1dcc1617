//! What was seen of processes over time: a table by minute, a slope, and whether it is flat.

use std::fmt::Write as _;

use afterglow_rig::Trend;

/// What is looked at, and what it may rise by over the half that is judged and still be flat: what buffers and pools take to
/// settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Processor time, in hundredths of a core: what looks through more and more is slower with every event.
    Processor,
    /// Memory that no file is behind: heaps, stacks, SQLite's page caches. MiB.
    Heap,
    /// Memory that files are behind: the binary itself, SQLite's index of its write-ahead log. MiB.
    Files,
    /// Open files and the like, without sockets.
    Handles,
    /// Connections: whoever posts webhooks keeps up to 64 of them open, and more of them the longer answers take.
    Sockets,
    Threads,
    /// Messages ready on all lanes: some are always under way.
    Messages,
    /// `SQLite`'s write-ahead logs on disk. MiB.
    Logs,
}

impl Figure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Processor => "% of a core",
            Self::Heap => "heap, MiB",
            Self::Files => "of files, MiB",
            Self::Handles => "handles",
            Self::Sockets => "sockets",
            Self::Threads => "threads",
            Self::Messages => "messages",
            Self::Logs => "write-ahead logs, MiB",
        }
    }

    pub(crate) const fn tolerated(self) -> f64 {
        match self {
            Self::Heap | Self::Threads => 2.0,
            Self::Files | Self::Handles => 4.0,
            Self::Processor => 5.0,
            Self::Messages => 50.0,
            Self::Sockets => 64.0,
            Self::Logs => 8.0,
        }
    }
}

/// What is told of the verdict. As [`Figure::tolerated`] and [`Trend::is_flat`] have it.
pub(crate) const CRITERION: &str = "Flat: the straight line through the second half rises by no more than 5 % of a core, 2 MiB of heap, 4 MiB of files \
    mapped, 4 handles beside sockets, 64 sockets, 2 threads, 50 messages on all lanes or 8 MiB of write-ahead logs, or may do so by chance (two standard \
    errors). What grows beyond that makes the command fail.";

/// A figure of a process over time, in seconds.
#[derive(Debug)]
struct Series {
    process: &'static str,
    figure: Figure,
    judged: bool,
    samples: Vec<(f64, f64)>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Series>);

/// Where a series went.
struct Judged<'a> {
    series: &'a Series,
    trend: Trend,
}

impl Record {
    /// Adds what was seen of a process at a time. What is not `judged` is shown.
    pub(crate) fn add(&mut self, at: f64, (process, judged): (&'static str, bool), figure: Figure, value: f64) {
        match self.0.iter_mut().find(|one| one.process == process && one.figure == figure) {
            Some(known) => known.samples.push((at, value)),
            None => self.0.push(Series { process, figure, judged, samples: vec![(at, value)] }),
        }
    }

    /// The last that was seen, in a line for people who watch.
    pub(crate) fn last(&self) -> String {
        let mut line = String::new();
        for (n, one) in self.0.iter().enumerate() {
            let value = one.samples.last().map_or(0.0, |(_, value)| *value);
            let same = n > 0 && self.0[n - 1].process == one.process;
            let _ = match (same, n) {
                (true, _) => write!(line, ", {value:.0} {}", one.figure.name()),
                (false, 0) => write!(line, "{} {value:.0} {}", one.process, one.figure.name()),
                (false, _) => write!(line, "; {} {value:.0} {}", one.process, one.figure.name()),
            };
        }
        line
    }

    /// A table for each process: the mean of each minute.
    pub(crate) fn by_minute(&self) -> String {
        let mut text = String::new();
        let mut rest = self.0.as_slice();
        while let Some(first) = rest.first() {
            let several = rest.iter().take_while(|one| one.process == first.process).count();
            let (process, others) = rest.split_at(several);
            rest = others;
            let names = process.iter().map(|one| format!(" {} |", one.figure.name())).collect::<Vec<_>>().concat();
            let _ = writeln!(text, "| {}: minute |{names}", first.process);
            let _ = writeln!(text, "|{}", " ---: |".repeat(several + 1));
            let end = first.samples.last().map_or(0.0, |(at, _)| *at);
            let mut minute = 0.0;
            while minute * 60.0 < end {
                let cells =
                    process.iter().map(|one| format!(" {} |", mean(&one.samples, minute))).collect::<Vec<_>>().concat();
                minute += 1.0;
                let _ = writeln!(text, "| {minute:.0} |{cells}");
            }
            text.push('\n');
        }
        text
    }

    fn judged(&self, from: f64) -> impl Iterator<Item = Judged<'_>> {
        self.0.iter().filter_map(move |series| {
            let samples: Vec<_> = series.samples.iter().copied().filter(|(at, _)| *at >= from).collect();
            Some(Judged { series, trend: Trend::of(&samples)? })
        })
    }

    /// How each figure went from a time on, at a mean number of events a second.
    pub(crate) fn slopes(&self, from: f64, events: f64) -> String {
        let mut text = String::from(
            "| process | figure | mean | growth | ± | in an hour | in a million events | |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
        );
        for Judged { series, trend } in self.judged(from) {
            let Trend { mean, growth, error, span } = trend;
            let (hour, million) = (growth / span * 3600.0, growth / span * 1e6 / events.max(f64::MIN_POSITIVE));
            let verdict = match (series.judged, trend.is_flat(series.figure.tolerated())) {
                (false, _) => "not judged",
                (true, true) => "flat",
                (true, false) => "GROWS",
            };
            let (process, figure) = (series.process, series.figure.name());
            let _ = writeln!(
                text,
                "| {process} | {figure} | {mean:.1} | {growth:+.1} | {error:.1} | {hour:+.0} | {million:+.0} | {verdict} |"
            );
        }
        text
    }

    /// What grew from a time on; empty if everything stayed flat.
    pub(crate) fn grown(&self, from: f64) -> Vec<String> {
        let grows = |one: &Judged<'_>| one.series.judged && !one.trend.is_flat(one.series.figure.tolerated());
        self.judged(from)
            .filter(grows)
            .map(|one| format!("{} {}", one.series.process, one.series.figure.name()))
            .collect()
    }
}

/// The mean of what was seen within a minute.
fn mean(samples: &[(f64, f64)], minute: f64) -> String {
    let within = |at: f64| at >= minute * 60.0 && at < (minute + 1.0) * 60.0;
    let (sum, n) = samples.iter().filter(|(at, _)| within(*at)).fold((0.0, 0.0), |(s, n), (_, v)| (s + v, n + 1.0));
    if n > 0.0 { format!("{:.1}", sum / n) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes, looked at every five seconds.
    fn record(of: impl Fn(f64) -> f64) -> Record {
        let mut record = Record::default();
        for n in 0..120 {
            let at = f64::from(n) * 5.0;
            record.add(at, ("all", true), Figure::Heap, of(at));
            record.add(at, ("all", true), Figure::Handles, 40.0 + f64::from(n % 3));
            record.add(at, ("PostgreSQL", false), Figure::Heap, of(at));
        }
        record
    }

    #[test]
    fn what_warms_up_to_a_bound_is_flat() {
        let warm = record(|at| 100.0 + (at / 4.0).min(60.0));
        assert_eq!(warm.grown(300.0), Vec::<String>::new());
        assert!(warm.slopes(300.0, 100.0).contains("| all | heap, MiB | 160.0 | +0.0 | 0.0 | +0 | +0 | flat |"));
    }

    #[test]
    fn what_never_ends_grows() {
        let leak = record(|at| 100.0 + at / 60.0);
        assert_eq!(leak.grown(300.0), ["all heap, MiB"], "servers are not judged");
        // A MiB a minute: 60 in an hour, and 1e6 events take 10,000 s.
        let slopes = leak.slopes(300.0, 100.0);
        assert!(
            slopes.contains("| +60 | +167 | GROWS |") && slopes.contains("| +60 | +167 | not judged |"),
            "{slopes}"
        );
    }

    #[test]
    fn each_process_has_a_table_by_minute() {
        let table = record(|at| 100.0 + at / 60.0).by_minute();
        assert!(
            table.starts_with("| all: minute | heap, MiB | handles |\n| ---: | ---: | ---: |\n| 1 | 100.5 | 41.0 |\n")
        );
        assert_eq!(table.lines().filter(|line| line.starts_with("| 10 |")).count(), 2, "{table}");
        assert!(record(|_| 1.0).last().starts_with("all 1 heap, MiB, 42 handles; PostgreSQL 1 heap, MiB"));
    }
}
