//! The real binary, as its users call it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn afterglow(arguments: &[&str], input: &str) -> Output {
    afterglow_with(arguments, &[], input)
}

fn afterglow_with(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_afterglow"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("AMQP_URL")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // it need not read
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

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn settings_are_shown_without_their_secrets() {
    let environment =
        [("AMQP_URL", "amqp://guest:s3cret@rabbit:5672"), ("AFTERGLOW_META__APP_SECRETS", "s3cret,s3cret2")];
    let arguments = ["ingest", "--print-config", "--set", "ingest.listen=0.0.0.0:9", "--data-dir", "/nowhere"];
    let output = afterglow_with(&arguments, &environment, "");
    let shown = text(&output.stdout);
    assert!(output.status.success() && !shown.contains("s3cret"), "{shown}");
    for line in ["listen = \"0.0.0.0:9\"", "data_dir = \"/nowhere\"", "amqp://guest:[redacted]@rabbit:5672"] {
        assert!(shown.contains(line), "{line} in:\n{shown}");
    }
}

#[test]
fn mistakes_in_settings_are_shown_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("afterglow.toml");
    std::fs::write(&file, "data_dir = \"x\"\n\n[ingest]\nlistn = \"127.0.0.1:1\"\n").unwrap();
    let output = afterglow(&["all", "--config", file.to_str().unwrap()], "");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("afterglow.toml, line 4: unknown field `listn`"), "{}", text(&output.stderr));
    let output = afterglow_with(&["all"], &[("AFTERGLOW_INGEST__BODY_LIMIT", "much")], "");
    assert!(text(&output.stderr).contains("AFTERGLOW_INGEST__BODY_LIMIT: "), "{}", text(&output.stderr));
}

#[test]
fn one_service_alone_asks_for_a_broker() {
    let folder = tempfile::tempdir().unwrap();
    let output = afterglow(&["scorer", "--data-dir", folder.path().to_str().unwrap()], "");
    assert!(!output.status.success() && text(&output.stderr).contains("AMQP_URL"), "{}", text(&output.stderr));
}

#[test]
fn the_doctor_names_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let sick = afterglow(&["doctor", "--json", "--data-dir", dir], "");
    assert_eq!(sick.status.code(), Some(1));
    let findings = lines(&sick);
    let mend = |check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check).unwrap();
        found["mend"].as_str().unwrap_or_default().to_owned()
    };
    assert!(mend("schema").contains("afterglow migrate") && mend("app secrets").contains("APP_SECRETS"));
    assert_eq!((mend("database"), mend("bus")), (String::new(), String::new()));

    assert!(text(&afterglow(&["migrate", "--data-dir", dir], "").stdout).contains("from version 0 to"));
    assert!(text(&afterglow(&["migrate", "--data-dir", dir], "").stdout).contains("nothing to do"));
    let environment =
        [("AFTERGLOW_META__APP_SECRETS", "a"), ("AFTERGLOW_META__VERIFY_TOKEN", "b"), ("AFTERGLOW_META__APP_IDS", "1")];
    let well = afterglow_with(&["doctor", "--data-dir", dir], &environment, "");
    assert!(well.status.success(), "{}", text(&well.stdout));

    let away =
        [("DATABASE_URL", "postgres://nobody:s3cret@127.0.0.1:1/x"), ("AMQP_URL", "amqp://a:s3cret@127.0.0.1:1")];
    let away = text(&afterglow_with(&["doctor", "--data-dir", dir], &away, "").stdout);
    assert!(away.contains("DATABASE_URL") && away.contains("AMQP_URL") && !away.contains("s3cret"), "{away}");
}

#[test]
fn keys_and_tokens_stay_secret() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert!(
        afterglow(&["brand", "add", "lumen", "--time-zone", "Europe/Amsterdam", "--data-dir", dir], "")
            .status
            .success()
    );
    let added = afterglow(&["account", "add", "1", "--brand", "lumen", "--data-dir", dir], "IGQs3cret\n");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let listed = afterglow(&["account", "list", "--data-dir", dir], "");
    assert_eq!(lines(&listed)[0]["has_token"], true);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"IGQs3cret"), "the token in the clear");
    }
    for (arguments, says) in [
        (&["account", "add", "2", "--brand", "lumen"][..], "no access token"),
        (&["account", "add", "2", "--brand", "nobody", "--without-token"][..], "is there a brand"),
        (&["brand", "add", "x", "--time-zone", "Mars/Olympus"][..], "is no time zone"),
        (&["account", "resume", "9"][..], "there is no account 9"),
    ] {
        let refused = afterglow(&[arguments, &["--data-dir", dir]].concat(), "");
        assert!(!refused.status.success() && text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    }
}

#[test]
fn the_demo_adds_up() {
    let listen = ["--set", "console.listen=127.0.0.1:0", "--set", "ops.listen=127.0.0.1:0"];
    let arguments =
        ["demo", "--for", "4s", "--rate", "60", "--seed", "3", "--json", "--set", "ingest.listen=127.0.0.1:0"];
    let output = afterglow(&[&arguments[..], &listen].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = &lines(&output)[0];
    let n = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(n("events"), n("accepted") + n("duplicates") + n("quarantined"), "{summary}");
    assert_eq!(n("intents"), n("sent") + n("deferred") + n("held") + n("dropped"), "{summary}");
    assert!(n("webhooks_posted") > 20 && n("sent") > 5 && n("violations") == 0, "{summary}");
    assert!(text(&output.stderr).contains("first auto-reply"), "{}", text(&output.stderr));
}

/// glibc's arenas beside the first: each begins at a multiple of 64 MiB, and reserves as much.
#[cfg(target_env = "gnu")]
fn further_arenas(pid: u32) -> usize {
    const RESERVE: u64 = 64 << 20;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let ranges: Vec<(u64, u64)> = maps
        .lines()
        .filter_map(|line| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
        })
        .collect();
    let reserved = |two: &&[(u64, u64)]| {
        two[0].0.is_multiple_of(RESERVE) && two[0].1 == two[1].0 && two[1].1 == two[0].0 + RESERVE
    };
    ranges.windows(2).filter(reserved).count()
}

#[test]
#[cfg(target_env = "gnu")]
fn what_sqlite_takes_is_in_one_place() {
    let listen = ["ingest", "console", "ops"].map(|service| format!("{service}.listen=127.0.0.1:0"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterglow"));
    command.args(["demo", "--for", "3s", "--rate", "60"]).args(listen.iter().flat_map(|set| ["--set", set]));
    let mut demo = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut looks, mut most) = (0, 0);
    let status = loop {
        if let Some(status) = demo.try_wait().unwrap() {
            break status;
        }
        (looks, most) = (looks + 1, most.max(further_arenas(demo.id())));
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(status.success() && looks > 20, "{status}, looked at {looks} times");
    assert_eq!(most, 0, "arenas beside the first");
}
