//! The real binary, as its users call it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn afterglow(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_afterglow"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn fixture(name: &str) -> String {
    format!("{}/shared/meta/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn interpret_shows_one_line_per_event() {
    let output =
        afterglow(&["interpret", &fixture("meta-docs__ig-story-reply"), &fixture("restfb__feed-two-entries-25")], "");
    assert!(output.status.success());
    let lines = lines(&output);
    assert_eq!(lines[0]["type"], "app.afterglow.interaction.story_reply");
    assert_eq!(lines[1]["quarantined"], "unknown_field");
    assert_eq!(lines.len(), 3);
}

#[test]
fn interpret_reads_standard_input_and_can_fail_on_quarantine() {
    let body = r#"{"object":"page","entry":[{"messaging":[{"message":"TEST_MESSAGE"}]}]}"#;
    assert!(afterglow(&["interpret", "-"], body).status.success());
    let strict = afterglow(&["interpret", "--fail-on-quarantine", "-"], body);
    assert_eq!(strict.status.code(), Some(1));
    assert_eq!(lines(&strict)[0]["quarantined"], "unknown_shape");
}

#[test]
fn a_missing_file_is_named() {
    let output = afterglow(&["interpret", "no-such-file.json"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read no-such-file.json"));
}

#[test]
fn help_teaches() {
    let output = afterglow(&["interpret", "--help"], "");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.contains("storing nothing") || help.contains("One JSON line for each event"), "{help}");
    assert!(help.contains("Examples:"));
}
