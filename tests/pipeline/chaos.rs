//! Faults in mid-load: a short run of what `afterglow-bench chaos` does for as long as it is asked to. Servers of its own, for
//! they are killed.

use std::path::PathBuf;
use std::time::Duration;

use afterglow_rig::{Aftermath, Chaos};

fn chaos(seed: u64) -> Chaos {
    Chaos { binary: PathBuf::from(env!("CARGO_BIN_EXE_afterglow")), seed, rate: 60.0 }
}

fn judged(aftermath: &Aftermath) {
    let Aftermath { happened, reckoning, told, .. } = aftermath;
    assert_eq!(told.not_taken, 0);
    assert!(reckoning.messages > 0, "people were answered");
    assert!(
        reckoning.adds_up(),
        "{reckoning}\nafter {happened:?}\n{}\n{}",
        reckoning.violations.join("\n"),
        reckoning.lost.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_processes_and_servers_it_adds_up() {
    if std::env::var("AFTERGLOW_TEST_AMQP_URL").is_err() {
        eprintln!("skipped: no servers are asked for (AFTERGLOW_TEST_AMQP_URL is not set)");
        return;
    }
    judged(&chaos(11).production(Duration::from_secs(20), |_, _| {}).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_process_is_killed_again_and_again() {
    judged(&chaos(12).embedded(12).await.unwrap());
}
