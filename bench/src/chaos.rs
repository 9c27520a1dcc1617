//! Faults in mid-load, on real processes and servers: whatever happens, what was answered 200 is there in the end, once, and
//! nobody is written to who should not be.

use std::path::PathBuf;
use std::time::Duration;

use afterglow_rig::{Aftermath, Chaos};
use anyhow::ensure;

/// Kill, freeze, cut off and starve processes and servers in mid-load, and reckon up
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The binary
    #[arg(long, default_value = "target/release/afterglow")]
    binary: PathBuf,
    /// Minutes of faults
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// The same seed chooses the same faults, in the same order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mean events a second
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// One process on SQLite and an embedded bus: kill -9 as often as this, instead of minutes
    #[arg(long, value_name = "KILLS")]
    embedded: Option<u32>,
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chaos = Chaos { binary: arguments.binary.clone(), seed: arguments.seed, rate: arguments.rate };
    let tells = |at: Duration, fault: afterglow_rig::Fault| eprintln!("{:>5.0} s: {}", at.as_secs_f64(), fault.name());
    let Aftermath { happened, took, reckoning, told } = match arguments.embedded {
        Some(kills) => chaos.embedded(kills).await?,
        None => chaos.production(Duration::from_secs_f64(arguments.minutes * 60.0), tells).await?,
    };
    println!("{} faults in {:.0} s, seed {}\n", happened.len(), took.as_secs_f64(), arguments.seed);
    println!("| fault | times |\n| --- | ---: |");
    let mut kinds = happened.clone();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        println!("| {} | {} |", kind.name(), happened.iter().filter(|fault| **fault == kind).count());
    }
    println!("\n{reckoning}; webhooks posted again {} times", told.retries);
    ensure!(told.not_taken == 0, "{} webhooks were never taken", told.not_taken);
    let (lost, wrongly) = (reckoning.lost.join("\n"), reckoning.violations.join("\n"));
    ensure!(reckoning.adds_up(), "it does not add up:\n{wrongly}\n{lost}");
    Ok(())
}
