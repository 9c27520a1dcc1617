//! A list of names, as somebody typed, pasted or exported it.

/// Lines that are read at most: a Story of a large account has tens of thousands of viewers.
pub const LINES_MAX: usize = 200_000;
/// Bad lines that are told one by one.
const BAD_MAX: usize = 1_000;

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
