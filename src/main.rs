//! The one binary of Afterglow: a subcommand per service and per operator's task.

mod interpret;

use clap::{Parser, Subcommand};

/// What remains after a Story fades: keeps what Instagram's official APIs let a brand keep of its Story viewers, and
/// turns it into timely, wanted conversations.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what webhook payloads become, storing nothing
    Interpret(interpret::Arguments),
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    match Cli::parse().command {
        Command::Interpret(arguments) => interpret::run(&arguments),
    }
}
