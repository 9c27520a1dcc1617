//! Measurements, each a command that prints what it measured.
//!
//! | file | what it measures |
//! | --- | --- |
//! | `chaos` | faults in mid-load: does it add up? |
//! | `console` | how long pages take with a million viewers |
//! | `costs` | what an event costs each process and the database; whether memory and handles stay flat |
//! | `feed` | changes by webhooks, cursor and broker while every process is killed; how fast each way is |
//! | `gate` | the gate alone |
//! | `ingest` | ingest with confirms, beside its limits |
//! | `latency` | from the webhook to the call of the Send API, in both forms |
//! | `neighbour` | one brand's answers beside another brand at a hundred times its load |
//! | `overload` | far more webhooks than can be taken |
//! | `peers` | ingest beside what a team would otherwise write |
//! | `redirect` | the opening of a tracked link |
//! | `restore` | the database lost and restored: what is there in the end |
//! | `rolling` | a rolling restart of every service under load |
//! | `scale` | one, two and four scorers |
//! | `soak` | steady load for as long as wanted: does anything grow? |
//! | `stop` | how long a STOP takes until it holds, behind a backlog |
//! | `scorer` | the scorer beside PostgreSQL alone; replay and what-if |

mod backlog;
mod chaos;
mod console;
mod costs;
mod feed;
mod figures;
mod gate;
mod ingest;
mod latency;
mod limits;
mod load;
mod neighbour;
mod overload;
mod peers;
mod redirect;
mod restore;
mod rolling;
mod scale;
mod scorer;
mod soak;
mod stop;

use std::time::Duration;

use afterglow_runtime::signals;
use anyhow::Context as _;
use clap::Parser;
use tokio_util::sync::CancellationToken;

/// Memory is taken and given back by many tasks, a little at a time (docs/decisions/0001-libraries.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, beside limits where there are any. Absolute times mean little on a shared machine: read the ratios.
#[derive(Parser)]
enum Bench {
    Chaos(chaos::Arguments),
    Console(console::Arguments),
    Feed(feed::Arguments),
    #[command(hide = true)]
    FeedConsumer(feed::ConsumerArguments),
    Figures(figures::Arguments),
    Costs(costs::Arguments),
    Gate(gate::Arguments),
    Ingest(ingest::Arguments),
    Latency(latency::Arguments),
    Neighbour(neighbour::Arguments),
    Overload(overload::Arguments),
    Peers(peers::Arguments),
    Redirect(redirect::Arguments),
    Restore(restore::Arguments),
    Rolling(rolling::Arguments),
    Scale(scale::Arguments),
    Scorer(scorer::Arguments),
    Soak(soak::Arguments),
    Stop(stop::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    signals(&stop, &stop, Duration::ZERO)?;
    // Cut off, it ends the processes and servers that it started, as at its end.
    let measured = Box::pin(measure(Bench::parse()));
    stop.run_until_cancelled(measured).await.context("stopped before its end: nothing is told")?
}

async fn measure(bench: Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Chaos(arguments) => chaos::run(&arguments).await,
        Bench::Console(arguments) => console::run(&arguments).await,
        Bench::Feed(arguments) => feed::run(&arguments).await,
        Bench::FeedConsumer(arguments) => feed::consume(&arguments).await,
        Bench::Figures(arguments) => figures::run(&arguments).await,
        Bench::Costs(arguments) => costs::run(&arguments).await,
        Bench::Gate(arguments) => {
            gate::run(&arguments);
            Ok(())
        }
        Bench::Ingest(arguments) => ingest::run(&arguments).await,
        Bench::Latency(arguments) => latency::run(&arguments).await,
        Bench::Neighbour(arguments) => neighbour::run(&arguments).await,
        Bench::Overload(arguments) => overload::run(&arguments).await,
        Bench::Peers(arguments) => peers::run(&arguments).await,
        Bench::Redirect(arguments) => redirect::run(&arguments).await,
        Bench::Restore(arguments) => restore::run(&arguments).await,
        Bench::Rolling(arguments) => rolling::run(&arguments).await,
        Bench::Scale(arguments) => scale::run(&arguments).await,
        Bench::Soak(arguments) => soak::run(&arguments).await,
        Bench::Stop(arguments) => stop::run(&arguments).await,
        Bench::Scorer(arguments) => scorer::run(&arguments).await,
    }
}
