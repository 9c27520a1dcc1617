//! What one viewer's history adds to the figures. Pure, and of the whole history: order and repetition change nothing.

use std::collections::BTreeMap;

use afterglow_domain::{Body, DAY_MS, HOUR_MS, Interaction, MINUTE_MS, SendId, Timestamp};
use serde::{Deserialize, Serialize};

/// A viewer who writes within this time after an automatic message, and before the next, replied to it.
const REPLY_MS: i64 = 72 * HOUR_MS;
/// A stop within this time after an automatic message is held against it.
const STOP_MS: i64 = DAY_MS;
/// Who was silent for so long begins a new conversation; what they buy within it is its sale.
const CONVERSATION_MS: i64 = 30 * DAY_MS;
/// The window in which an answer is prompt.
const PROMPT_MS: i64 = 20 * MINUTE_MS;
/// Upper ends of the classes of response times, in seconds; what takes longer is in one class more.
pub(crate) const CLASSES_S: [i64; 18] =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 259_200];

/// What went out to the viewer, or was to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// When the call to Meta began.
    pub at: Timestamp,
    /// By which play; of people it says nothing.
    pub play: String,
    /// The snippet that was said, if one was.
    pub snippet: Option<String>,
    /// Who wrote it, if a person did.
    pub person: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Meta took it.
    Sent,
    /// Its reader cannot be written to.
    Unreachable,
    /// Meta refused it.
    Refused,
}

/// Everything that is known of one viewer.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What happened, in any order.
    pub happened: Vec<Interaction>,
    /// What was written, in any order; without what is under way.
    pub written: Vec<Written>,
    /// When they said stop.
    pub stops: Vec<Timestamp>,
}

/// Where a count belongs: the day in the brand's time zone, the dimension and which of it, and what is counted.
pub(crate) type Place = (String, String, String, String);

/// Counts by place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub BTreeMap<String, i64>);

impl Counts {
    fn add(&mut self, (day, dim, item, measure): (&str, &str, &str, &str), n: i64) {
        *self.0.entry([day, dim, item, measure].join("\t")).or_default() += n;
    }

    /// Each count with its place.
    pub fn places(&self) -> impl Iterator<Item = (Place, i64)> + '_ {
        self.0.iter().filter_map(|(key, value)| {
            let mut parts = key.splitn(4, '\t').map(str::to_owned);
            Some(((parts.next()?, parts.next()?, parts.next()?, parts.next()?), *value))
        })
    }

    /// These, with what `before` had of days before `day`: the log no longer reaches back so far.
    #[must_use]
    pub fn with_days_before(mut self, before: &Self, day: &str) -> Self {
        self.0.retain(|key, _| key.split('\t').next().is_some_and(|at| at >= day));
        let old = before.0.iter().filter(|(key, _)| key.split('\t').next().is_some_and(|at| at < day));
        self.0.extend(old.map(|(key, value)| (key.clone(), *value)));
        self
    }

    /// What changes from `before` to these, where something does.
    pub fn since(&self, before: &Self) -> Vec<(Place, i64)> {
        let mut changes = self.clone();
        for (key, value) in &before.0 {
            *changes.0.entry(key.clone()).or_default() -= value;
        }
        changes.places().filter(|(_, n)| *n != 0).collect()
    }
}

/// One thing in a viewer's life, in order.
enum Moment<'a> {
    Asks(&'a str),
    Told(&'a Written),
    ByPhone,
    Stops,
    Buys(Option<(i64, &'a str)>),
}

/// What waits for an answer.
struct Open {
    asked: Timestamp,
    bot: bool,
}

struct Counting<'a> {
    counts: Counts,
    zone: &'a str,
    account: &'a str,
}

impl Counting<'_> {
    /// Counts for all, for the account, and for what else is named.
    fn add(&mut self, at: Timestamp, measure: &str, by: &[(&str, &str)]) {
        self.add_n(at, measure, 1, by);
    }

    fn add_n(&mut self, at: Timestamp, measure: &str, n: i64, by: &[(&str, &str)]) {
        let day = at.day_in(self.zone);
        let account = self.account;
        for (dim, item) in [("all", ""), ("account", account)].iter().chain(by) {
            self.counts.add((&day, dim, item, measure), n);
        }
    }

    /// The hour of the day in the brand's time zone, `00` to `23`.
    fn hour(&self, at: Timestamp) -> String {
        format!("{:02}", at.weekday_and_hour_in(self.zone).1)
    }

    /// An answer, on the day of the question.
    fn answered(&mut self, open: &Open, at: Timestamp, who: &str, by: &[(&str, &str)]) {
        let took = at.since(open.asked);
        if took < 0 {
            // A clock is wrong: that it was answered is known, how soon is not.
            self.add(open.asked, &format!("{who}_skewed"), by);
            return;
        }
        self.add(open.asked, &format!("{who}_answered"), by);
        let class = CLASSES_S.iter().position(|end| took <= end * 1_000).unwrap_or(CLASSES_S.len());
        self.add(open.asked, &format!("{who}_class_{class:02}"), by);
        if took <= PROMPT_MS {
            self.add(open.asked, &format!("{who}_prompt"), by);
        }
    }
}

/// The counts of one viewer's whole history, seen by `account`, in a brand's time zone; `sla_ms`: within what time an answer is
/// promised.
pub fn count(history: &History, account: &str, zone: &str, sla_ms: i64) -> Counts {
    let mut counting = Counting { counts: Counts::default(), zone, account };
    let moments = in_order(history);
    questions(&mut counting, &moments, sla_ms);
    messages(&mut counting, &moments);
    conversations(&mut counting, &moments);
    for (at, moment) in &moments {
        if let Moment::Asks(kind) = moment {
            counting.add(*at, &format!("in_{kind}"), &[]);
        }
    }
    counting.counts
}

fn in_order(history: &History) -> Vec<(Timestamp, Moment<'_>)> {
    let mut moments: Vec<(Timestamp, u8, Moment<'_>)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for interaction in history.happened.iter().filter(|i| seen.insert(i.id)) {
        let at = interaction.occurred.min(interaction.received);
        match &interaction.body {
            Body::Conversion(sold) => {
                let value = sold.value_minor.zip(sold.currency.as_deref());
                moments.push((at, 3, Moment::Buys(value)));
            }
            // What we sent is among what was written; what has none of our marks was written elsewhere, by people.
            Body::MessageSent(message) if message.metadata.as_deref().and_then(SendId::of_metadata).is_none() => {
                moments.push((at, 2, Moment::ByPhone));
            }
            // A stop asks for nothing but silence.
            _ if history.stops.contains(&interaction.occurred) => {}
            _ if interaction.is_contact() => moments.push((at, 0, Moment::Asks(interaction.kind().as_str()))),
            _ => {}
        }
    }
    moments.extend(history.written.iter().map(|written| (written.at, 2, Moment::Told(written))));
    moments.extend(history.stops.iter().map(|at| (*at, 1, Moment::Stops)));
    moments.sort_by_key(|(at, rank, moment)| (*at, *rank, tie(moment)));
    moments.into_iter().map(|(at, _, moment)| (at, moment)).collect()
}

/// Of two at the same moment, an order that does not depend on how they came.
fn tie(moment: &Moment<'_>) -> String {
    match moment {
        Moment::Asks(kind) => (*kind).to_owned(),
        Moment::Told(written) => format!("{}{:?}{:?}", written.play, written.snippet, written.person),
        Moment::Buys(value) => format!("{value:?}"),
        Moment::ByPhone | Moment::Stops => String::new(),
    }
}

/// Questions and how soon they are answered, by machines and by people apart.
fn questions(counting: &mut Counting<'_>, moments: &[(Timestamp, Moment<'_>)], sla_ms: i64) {
    let mut open: Option<Open> = None;
    for (at, moment) in moments {
        let answered = match moment {
            Moment::Asks(_) => {
                // Who writes again before anybody answered asks still the same; after a machine's answer, anew.
                if open.as_ref().is_none_or(|open| open.bot) {
                    open = Some(Open { asked: *at, bot: false });
                    let hour = counting.hour(*at);
                    counting.add(*at, "questions", &[("hour", &hour)]);
                }
                continue;
            }
            Moment::Told(written) if written.fate == Fate::Sent => Some(written),
            Moment::ByPhone => None,
            Moment::Told(_) | Moment::Stops | Moment::Buys(_) => continue,
        };
        let Some(waiting) = &mut open else { continue };
        if !waiting.bot && at.since(waiting.asked) <= PROMPT_MS {
            let hour = counting.hour(waiting.asked);
            counting.add(waiting.asked, "prompt", &[("hour", &hour)]);
        }
        if !waiting.bot && at.since(waiting.asked) <= sla_ms {
            counting.add(waiting.asked, "in_time", &[]);
        }
        let person = answered.map_or(Some("by phone"), |written| written.person.as_deref());
        if let Some(person) = person {
            counting.answered(waiting, *at, "person", &[("operator", person)]);
            open = None;
        } else if !waiting.bot {
            let snippet = answered.and_then(|written| written.snippet.as_deref()).map(|name| ("snippet", name));
            let mut by = vec![("play", answered.map_or("", |written| written.play.as_str()))];
            by.extend(snippet);
            counting.answered(waiting, *at, "bot", &by);
            waiting.bot = true;
        }
    }
}

/// Automatic messages, and what their readers did.
fn messages(counting: &mut Counting<'_>, moments: &[(Timestamp, Moment<'_>)]) {
    for (n, (at, moment)) in moments.iter().enumerate() {
        let Moment::Told(written) = moment else { continue };
        if written.person.is_some() {
            counting.add(*at, "written_by_people", &[]);
            continue;
        }
        let mut by = vec![("play", written.play.as_str())];
        by.extend(written.snippet.as_deref().map(|name| ("snippet", name)));
        match written.fate {
            Fate::Unreachable => counting.add(*at, "unreachable", &by),
            Fate::Refused => counting.add(*at, "refused", &by),
            Fate::Sent => {
                counting.add(*at, "sent", &by);
                let until_next = moments[n + 1..]
                    .iter()
                    .take_while(|(_, next)| !matches!(next, Moment::Told(next) if next.fate == Fate::Sent));
                let (mut replied, mut stopped) = (false, false);
                for (then, next) in until_next {
                    stopped |= matches!(next, Moment::Stops) && then.since(*at) < STOP_MS;
                    replied |= matches!(next, Moment::Asks(_)) && then.since(*at) < REPLY_MS;
                }
                // Whoever says stop did not reply.
                if stopped {
                    counting.add(*at, "stops", &by);
                } else if replied {
                    counting.add(*at, "replied", &by);
                }
            }
        }
    }
}

/// Conversations and what they led to, on the day on which they began.
fn conversations(counting: &mut Counting<'_>, moments: &[(Timestamp, Moment<'_>)]) {
    let (mut began, mut last, mut sold): (Option<Timestamp>, Option<Timestamp>, bool) = (None, None, false);
    for (at, moment) in moments {
        match moment {
            Moment::Asks(_) => {
                if last.is_none_or(|last| at.since(last) >= CONVERSATION_MS) {
                    began = Some(*at);
                    sold = false;
                    counting.add(*at, "conversations", &[]);
                }
                last = Some(*at);
            }
            Moment::Buys(value) => match began.filter(|began| at.since(*began) < CONVERSATION_MS) {
                Some(began) => {
                    counting.add(began, "sales", &[]);
                    if !std::mem::replace(&mut sold, true) {
                        counting.add(began, "sold", &[]);
                    }
                    if let Some((minor, currency)) = value {
                        counting.add_n(began, &format!("revenue_{currency}"), *minor, &[]);
                    }
                }
                None => counting.add(*at, "sales_without_conversation", &[]),
            },
            Moment::Told(_) | Moment::ByPhone | Moment::Stops => {}
        }
    }
}
