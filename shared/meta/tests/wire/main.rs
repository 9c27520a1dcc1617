//! What webhooks become, over every fixture and many mutations of them.

#![expect(clippy::unwrap_used, reason = "a broken fixture should fail its test")]
mod hostile;
mod mutations;
mod snapshots;

use std::path::PathBuf;

use afterglow_domain::{BrandId, Channel, Timestamp};
use afterglow_meta::Verified;
use afterglow_meta::webhook::{Interpretation, interpret};
use bytes::Bytes;

/// One fixed moment, so that snapshots do not move.
const RECEIVED: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn read(body: &[u8]) -> Interpretation {
    let directory = |_: Channel, account: &str| (account != "0").then(|| BrandId::new("lumen"));
    interpret(&Verified::replayed(Bytes::copy_from_slice(body)), RECEIVED, &directory)
}

/// Name and content of every fixture that is a webhook, in order of name.
fn webhooks() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .filter(|(_, content)| serde_json::from_slice::<serde_json::Value>(content).unwrap().get("entry").is_some())
        .collect();
    found.sort();
    found
}
