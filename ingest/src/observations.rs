//! What people of a brand saw: names from a Story's viewer list, typed, pasted or imported.
//!
//! The official API gives no viewer list, and Afterglow never scrapes. An observation is marked as one, opens no window,
//! and feeds no automatic send ([`Interaction::is_contact`] is false for it). The place in the list is not kept: it says
//! nothing of intent.

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, Lane, Message, PublishError};
use afterglow_domain::{
    AccountId, Body, BrandId, Channel, DAY_MS, DerivedId as _, Interaction, InteractionId, Kind, Observation, Source,
    Timestamp, ViewerId,
};
use afterglow_store::{Store, StoreError};

/// Lines that are read at most: a Story of a large account has tens of thousands of viewers.
pub const LINES_MAX: usize = 200_000;
/// Bad lines that are told one by one.
const BAD_MAX: usize = 1_000;
/// A name that nobody has answered to for so long may be another person's by now, in ms.
const NAME_TRUSTED_MS: i64 = 90 * DAY_MS;
/// Observations in one publish.
const TOGETHER: usize = 500;

/// What is the same for all lines.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whose account.
    pub brand: BrandId,
    /// Which account's Story.
    pub account: AccountId,
    /// Instagram or Page.
    pub channel: Channel,
    /// What was seen: a view, a profile visit, a follow, a sticker tap.
    pub kind: Kind,
    /// The Story, if it concerns one.
    pub story_id: Option<String>,
    /// Tags for every line.
    pub tags: Vec<String>,
    /// Who saw it.
    pub operator: Option<String>,
    /// When.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// One good line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Lower case, without `@`.
    pub username: String,
    /// Tags of this line.
    pub tags: Vec<String>,
}

/// One bad line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {problem}")]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

/// Reads pasted names (one a line, with `#tags` behind) or CSV with a header that names a column `username` (and `tags`,
/// with spaces or commas between them). Bad lines are told apart; the good ones stand.
pub fn read_lines(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_ascii_lowercase();
    let is_table = first.contains(',') || first.trim() == "username";
    let (mut good, mut bad) = if is_table { table(text) } else { pasted(text) };
    if good.len() > LINES_MAX {
        let problem = format!("more than {LINES_MAX} names: split the file; those before are taken");
        bad.push(BadLine { number: LINES_MAX + 1, problem });
        good.truncate(LINES_MAX);
    }
    if bad.len() > BAD_MAX {
        let problem = format!("and {} lines more that are none", bad.len() - BAD_MAX);
        let number = bad[BAD_MAX].number;
        bad.truncate(BAD_MAX);
        bad.push(BadLine { number, problem });
    }
    (good, bad)
}

/// The beginning of what somebody wrote, for telling them.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

fn pasted(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let (tags, others): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('#') && word.len() > 1);
        match username(name) {
            Some(username) if others.is_empty() => {
                let tags = tags.iter().map(|tag| tag[1..].to_owned()).collect();
                good.push(Line { username, tags });
            }
            Some(_) => bad.push(BadLine {
                number: n + 1,
                problem: format!(
                    "{:?} is neither a name nor a #tag: one name a line, tags behind it",
                    shown(others[0])
                ),
            }),
            None => bad.push(not_a_name(n + 1, name)),
        }
    }
    (good, bad)
}

fn table(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let head: Vec<String> = match reader.headers() {
        Ok(head) => head.iter().map(str::to_ascii_lowercase).collect(),
        Err(error) => return (good, vec![BadLine { number: 1, problem: error.to_string() }]),
    };
    let column = |name: &str| head.iter().position(|column| column == name);
    let Some(name_at) = column("username") else {
        let names: Vec<String> = head.iter().take(10).map(|name| shown(name)).collect();
        let problem = format!("no column `username` among {}: name it in the first line", names.join(", "));
        return (good, vec![BadLine { number: 1, problem }]);
    };
    let tags_at = column("tags");
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
                bad.push(BadLine { number, problem: error.to_string() });
                continue;
            }
        };
        let number = record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let name = record.get(name_at).unwrap_or_default();
        let tags = tags_at.and_then(|at| record.get(at)).unwrap_or_default();
        let tags = tags.split([',', ' ', ';']).map(|tag| tag.trim_start_matches('#')).filter(|tag| !tag.is_empty());
        match username(name) {
            Some(username) => good.push(Line { username, tags: tags.map(ToOwned::to_owned).collect() }),
            None => bad.push(not_a_name(number, name)),
        }
    }
    (good, bad)
}

fn not_a_name(number: usize, name: &str) -> BadLine {
    let problem = format!("{:?} is no user name: 1 to 30 letters, digits, points and underscores", shown(name));
    BadLine { number, problem }
}

/// An Instagram user name, without `@` and in lower case (Instagram Help, "Username": letters, numbers, periods,
/// underscores; at most 30).
fn username(text: &str) -> Option<String> {
    let name = text.trim().trim_start_matches('@').to_ascii_lowercase();
    let fits = (1..=30).contains(&name.len());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    (fits && name.chars().all(plain)).then_some(name)
}

/// What became of observations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// On the bus.
    pub recorded: usize,
    /// Of them, matched to a viewer who had been heard of.
    pub matched: usize,
}

/// Observations could not be recorded; what was published before is kept, and recording all again changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The bus did not take them.
    #[error("the bus did not take them")]
    Bus(#[from] PublishError),
    /// One cannot be written: a defect.
    #[error("an observation cannot be written")]
    Write(#[from] afterglow_domain::CloudEventError),
}

/// Publishes observations. A name is matched to a viewer only if exactly one bears it and has been heard of lately:
/// people rename themselves, and a wrong match is worse than none. `progress` is told how many are done.
pub async fn record(
    store: &Store,
    bus: &Arc<dyn Bus>,
    seen: &Seen,
    lines: &[Line],
    progress: impl Fn(usize),
) -> Result<Recorded, RecordError> {
    let mut recorded = Recorded::default();
    for chunk in lines.chunks(TOGETHER) {
        let names = chunk.iter().map(|line| line.username.clone()).collect();
        let mut known: HashMap<String, Vec<(ViewerId, Timestamp)>> = HashMap::new();
        for (name, viewer, last_seen) in store.brand(&seen.brand).viewers_named(&seen.account, names).await? {
            known.entry(name).or_default().push((viewer, last_seen));
        }
        let mut messages = Vec::with_capacity(chunk.len());
        for line in chunk {
            let real = |(viewer, _): &&(ViewerId, Timestamp)| !viewer.as_str().starts_with(UNMATCHED);
            let bearers: Vec<_> = known.get(&line.username).into_iter().flatten().filter(real).collect();
            let viewer = match bearers.as_slice() {
                [(viewer, last_seen)] if seen.at.since(*last_seen) < NAME_TRUSTED_MS => {
                    recorded.matched += 1;
                    viewer.clone()
                }
                _ => ViewerId::new(format!("{UNMATCHED}{}", line.username)),
            };
            let interaction = interaction(seen, line, viewer);
            let id = interaction.id.to_string();
            messages.push(Message { id, traceparent: None, body: interaction.to_cloudevent()?.into() });
        }
        recorded.recorded += messages.len();
        bus.publish(Lane::Interactions, messages).await?;
        progress(recorded.recorded);
    }
    Ok(recorded)
}

/// With what the id of a viewer begins of whom only a name is known.
const UNMATCHED: &str = "username:";

fn interaction(seen: &Seen, line: &Line, viewer: ViewerId) -> Interaction {
    let mut tags = seen.tags.clone();
    tags.extend(line.tags.iter().filter(|tag| !seen.tags.contains(tag)).cloned());
    let observation = Observation { story_id: seen.story_id.clone(), tags, operator: seen.operator.clone() };
    let body = match seen.kind {
        Kind::ProfileVisit => Body::ProfileVisit(observation),
        Kind::Follow => Body::Follow(observation),
        Kind::StickerTap => Body::StickerTap(observation),
        _ => Body::ObservedView(observation),
    };
    // One Story is viewed once by one name, however often the list is pasted; without a Story, once in an hour.
    let hour = (seen.at.millis() / 3_600_000).to_string();
    let when = seen.story_id.as_deref().unwrap_or(&hour);
    Interaction {
        id: InteractionId::derive(&["observed", body.kind().as_str(), seen.account.as_str(), &line.username, when]),
        brand: seen.brand.clone(),
        account: seen.account.clone(),
        viewer: Some(viewer),
        username: Some(line.username.clone()),
        channel: seen.channel,
        source: Source::Operator,
        occurred: seen.at,
        received: seen.recorded,
        standby: false,
        body,
        raw: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(username: &str, tags: &[&str]) -> Line {
        Line { username: username.into(), tags: tags.iter().map(|tag| (*tag).into()).collect() }
    }

    #[test]
    fn pasted_names() {
        let (good, bad) = read_lines("@Mila.10  #vip #b2b\n\n jonas_13\nzoë\nada hello\n");
        assert_eq!(good, [line("mila.10", &["vip", "b2b"]), line("jonas_13", &[])]);
        let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("line 4: \"zoë\" is no user name"), "{told:?}");
        assert!(told[1].starts_with("line 5: \"hello\" is neither"), "{told:?}");
    }

    #[test]
    fn tables() {
        let (good, bad) = read_lines("Story,Username,Tags\n1,mila,\"vip, b2b\"\n1,not a name,\n1,@jonas\n");
        assert_eq!(good, [line("mila", &["vip", "b2b"]), line("jonas", &[])]);
        assert_eq!(bad.len(), 1);
        assert!(bad[0].to_string().starts_with("line 3: \"not a name\""), "{bad:?}");
        let (good, bad) = read_lines("name,tags\nmila,\n");
        assert!(good.is_empty());
        assert!(bad[0].to_string().contains("no column `username` among name, tags"), "{bad:?}");
    }

    #[test]
    fn an_observation_is_never_a_contact() {
        let seen = Seen {
            brand: BrandId::new("lumen"),
            account: AccountId::new("1"),
            channel: Channel::Instagram,
            kind: Kind::StickerTap,
            story_id: Some("s".into()),
            tags: vec!["vip".into()],
            operator: Some("ann".into()),
            at: Timestamp::from_millis(1),
            recorded: Timestamp::from_millis(2),
        };
        let one = interaction(&seen, &line("mila", &["vip", "b2b"]), ViewerId::new("7"));
        assert!(!one.is_contact() && one.source == Source::Operator);
        let again = Seen { at: Timestamp::from_millis(99), ..seen.clone() };
        assert_eq!(interaction(&again, &line("mila", &[]), ViewerId::new("8")).id, one.id, "once for each Story");
        let other = Seen { story_id: Some("t".into()), ..seen };
        assert_ne!(interaction(&other, &line("mila", &[]), ViewerId::new("7")).id, one.id);
    }

    #[test]
    fn files_that_are_no_lists_end_and_are_bounded() {
        for (name, text) in [
            ("one name for ever", "a".repeat(5_000_000)),
            ("quotes that never close", format!("username,tags\n\"{}", "a,\n".repeat(500_000))),
            ("quotes alone", format!("username,tags\n{}", "\"".repeat(2_000_000))),
            ("a million columns", format!("username{}\n{}", ",x".repeat(500_000), ",".repeat(500_000))),
            ("a million short lines", "a\n".repeat(1_000_000)),
            ("a million bad lines", "!\n".repeat(500_000)),
            ("a million tags", format!("ada {}", "#a ".repeat(500_000))),
            ("carriage returns", "\r".repeat(1_000_000)),
            ("zeros", "username,\0\n\0,\0\n".repeat(100_000)),
            ("marks of byte order", "\u{feff}username,tags\n".repeat(100_000)),
        ] {
            let begun = std::time::Instant::now();
            let (good, bad) = read_lines(&text);
            assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
            assert!(good.len() <= LINES_MAX, "{name}: {}", good.len());
            let told: usize = bad.iter().map(|bad| bad.problem.len()).sum();
            assert!(bad.len() <= BAD_MAX + 1 && told < 400_000, "{name}: {} problems, {told} bytes", bad.len());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_is_read(text in any::<String>(), table in any::<bool>()) {
            let text = if table { format!("username,tags\n{text}") } else { text };
            let (good, _) = read_lines(&text);
            prop_assert!(good.iter().all(|line| !line.username.is_empty()));
        }

        #[test]
        fn every_line_is_read_or_named(text in "([a-zA-Z@#.,_ \"é]{0,20}\n){0,12}") {
            let (good, bad) = read_lines(&text);
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
            prop_assert!(good.len() + bad.len() <= lines + 1);
        }
    }
}
