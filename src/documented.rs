//! Whatever the docs, the messages and the comments call `afterglow …`, or name as a setting, is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use afterglow_runtime::Sources;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::Cli;

/// A command as somebody may type it, and where it stands.
struct Written {
    place: String,
    words: Vec<String>,
    /// In a block that can be copied; else in the middle of a sentence, where what is meant may be left out.
    whole: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_page(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending == "md")
}

/// Every text of the repository that people read: docs, and what programs say.
fn texts() -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![root().to_owned()], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if name.starts_with('.') || name == "target" || name == "node_modules" || path.is_symlink() => {}
                _ if path.is_dir() => folders.push(path),
                Some("md" | "rs" | "yaml" | "yml" | "toml" | "py" | "ts" | "html") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().display().to_string(), text)
    };
    files.into_iter().map(read).collect()
}

/// Words as a shell would part them; quotes hold some together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for character in line.chars() {
        match (quote, character) {
            (None, '"' | '\'') => (quote, begun) = (Some(character), true),
            (Some(mark), _) if mark == character => quote = None,
            (None, ' ') if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            _ => {
                word.push(character);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// `pause|resume` and `[--csv|--json]` stand for several commands: all of them. What redirects and what is left out goes.
fn spelled_out(text: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    let mut skip = false;
    for word in words(text) {
        let fills_an_option =
            || all.first().and_then(|line| line.last()).is_some_and(|last: &String| last.starts_with("--"));
        if std::mem::take(&mut skip) || word == "…" && !fills_an_option() {
            continue;
        }
        if matches!(word.as_str(), "<" | ">") {
            skip = true;
            continue;
        }
        let word = if word == "…" { "…" } else { word.trim_matches(['[', ']', '…']) };
        if word.is_empty() {
            continue;
        }
        let choices: Vec<&str> = word.split('|').collect();
        all = all
            .iter()
            .flat_map(|line| choices.iter().map(|choice| [&line[..], &[(*choice).to_owned()]].concat()))
            .collect();
    }
    all
}

/// The commands in a line that can be copied.
fn in_line(line: &str) -> Vec<&str> {
    let line = line.split(" #").next().unwrap_or_default();
    let parts = line.split("&&").flat_map(|part| part.split(" | ")).flat_map(|part| part.split(" & "));
    let parts = parts.flat_map(|part| part.split([';', ')'])).flat_map(|part| part.split("$("));
    parts.map(str::trim).filter_map(|part| part.strip_prefix("afterglow ")).collect()
}

fn written() -> Vec<Written> {
    let mut all = Vec::new();
    for (file, text) in texts() {
        let is_page = is_page(&file);
        let mut in_block = false;
        for (n, line) in text.lines().enumerate() {
            if is_page && line.trim_start().starts_with("```") {
                in_block = !in_block;
                continue;
            }
            let place = format!("{file}:{}", n + 1);
            let found: Vec<&str> = if in_block {
                in_line(line)
            } else {
                line.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("afterglow ")).collect()
            };
            let spelled = found.into_iter().flat_map(spelled_out);
            all.extend(spelled.map(|words| Written { place: place.clone(), words, whole: in_block }));
        }
    }
    all
}

/// Whether a word stands for one that the reader has to put in: `FILE`, `{brand}`.
fn is_placeholder(word: &str) -> bool {
    word.contains('{') || word.chars().any(|c| c.is_ascii_uppercase()) && !word.chars().any(|c| c.is_ascii_lowercase())
}

#[test]
fn every_command_that_is_written_down_is_taken() {
    let written = written();
    assert!(written.len() > 150 && written.iter().any(|one| one.whole), "only {} were found", written.len());
    let mut wrong = Vec::new();
    for Written { place, words, whole } in written {
        if words == ["ARGUMENTS"] {
            continue;
        }
        let Err(error) = Cli::try_parse_from(["afterglow".to_owned()].iter().chain(&words)) else { continue };
        let is_good = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !whole,
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => words.iter().any(|word| is_placeholder(word)),
            _ => false,
        };
        if !is_good {
            wrong.push(format!("{place}: afterglow {}: {error}", words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_that_is_written_down_is_there() {
    const SECTIONS: [&str; 16] = [
        "database",
        "bus",
        "meta",
        "ingest",
        "scorer",
        "responder",
        "drafts",
        "console",
        "feed",
        "ops",
        "http",
        "keys",
        "api",
        "log",
        "traces",
        "console.oidc",
    ];
    /// A pattern; a key of a Kubernetes secret; mistakes that tests make.
    const OTHERS: [&str; 5] = ["section.key", "console_keys.ring", "ingest.listn", "ingest.listne", "nowhere.x"];
    let document = afterglow_rules::json_schema().to_string();
    let mut named = BTreeSet::new();
    for (file, text) in texts() {
        for (n, line) in text.lines().enumerate() {
            let letters = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.');
            for word in line.split(letters).filter_map(|word| word.strip_prefix("AFTERGLOW_")) {
                if word.contains("__") && !word.ends_with("__") && word.chars().all(|c| !c.is_ascii_lowercase()) {
                    named.insert((word.to_ascii_lowercase().replace("__", "."), format!("{file}:{}", n + 1)));
                }
            }
            if !is_page(&file) {
                continue;
            }
            for span in line.split('`').skip(1).step_by(2) {
                let key = span.split(['=', ' ']).next().unwrap_or_default();
                let Some((section, name)) = key.rsplit_once('.') else { continue };
                if SECTIONS.contains(&section) && !["rs", "md", "yaml", "json"].contains(&name) {
                    named.insert((key.to_owned(), format!("{file}:{}", n + 1)));
                }
            }
        }
    }
    assert!(named.len() > 50, "only {} were found", named.len());
    let unknown = |(key, place): &(String, String)| {
        let sources = Sources { flags: vec![(key.clone(), "x".into())], ..Sources::default() };
        let error = sources.load().err()?.to_string();
        // `drafts` is a section of brands' documents as well.
        let of_brands = document.contains(&format!("\"{}\"", key.rsplit('.').next().unwrap_or_default()));
        let is_other = OTHERS.contains(&key.as_str()) || key.starts_with("drafts.") && of_brands;
        (!is_other && error.contains("unknown field")).then(|| format!("{place}: {key}: {error}"))
    };
    let wrong: Vec<String> = named.iter().filter_map(unknown).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}

/// A file that maps its modules names each of them, and nothing else.
#[test]
fn every_map_of_modules_is_true() {
    let mut maps = 0;
    let mut wrong = Vec::new();
    for (file, text) in texts() {
        let Some((_, map)) = text.split_once("//! | file | what it holds |\n") else { continue };
        maps += 1;
        let rows = map.lines().take_while(|line| line.starts_with("//! |")).skip(1);
        let firsts = rows.filter_map(|row| row.split('|').nth(1));
        let named: BTreeSet<&str> = firsts.flat_map(|first| first.split('`').skip(1).step_by(2)).collect();
        let declared: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| {
                let line = line.strip_prefix("pub ").unwrap_or(line);
                let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
                line.strip_prefix("mod ")?.strip_suffix(';')
            })
            .filter(|name| *name != "tests")
            .collect();
        let missing =
            declared.iter().filter(|name| !named.contains(*name) && !named.contains(format!("{name}/").as_str()));
        wrong.extend(missing.map(|name| format!("{file} does not say what `{name}` holds")));
        let is_there = |name: &str| {
            let folder = root().join(&file).with_file_name("");
            let name = name.trim_end_matches('/');
            declared.contains(name) || folder.join(name).exists() || folder.join(format!("{name}.rs")).exists()
        };
        wrong.extend(
            named
                .iter()
                .filter(|name| !is_there(name))
                .map(|name| format!("{file} names `{name}`, which is not there")),
        );
    }
    assert!(maps > 20, "only {maps} maps were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Links between pages lead somewhere, files that pages name are there, and the index names every page.
#[test]
fn every_page_is_reached_and_every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for (file, text) in texts().into_iter().filter(|(file, _)| is_page(file)) {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split(['#', ' ']).next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !root().join(&file).with_file_name("").join(path).exists() {
                wrong.push(format!("{file}: {link} leads nowhere"));
            }
        }
    }
    for (file, text) in texts().into_iter().filter(|(file, _)| is_page(file)) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
        let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let paths = spans.filter(|span| span.contains('/') && span.chars().all(plain) && !span.starts_with(['.', '/']));
        let ours = paths.filter(|path| root().join(path.split('/').next().unwrap_or_default()).is_dir());
        let gone = ours.filter(|path| !root().join(path).exists() && !root().join(format!("{path}.rs")).exists());
        wrong.extend(gone.map(|path| format!("{file}: {path} is not there")));
    }
    let index = std::fs::read_to_string(root().join("docs/README.md")).unwrap();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !["README.md", "images"].contains(&name.as_str()) && !index.contains(&format!("]({name}")) {
            wrong.push(format!("docs/README.md does not name {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
