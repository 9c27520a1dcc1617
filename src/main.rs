//! The one binary of Afterglow: a subcommand per service and per operator's task.

mod accounts;
mod allocators;
mod api_token;
mod brand;
mod brand_transfer;
mod daily_log;
mod decisions;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod experiment;
mod feed;
mod funnel;
mod hypothesis;
mod installation;
mod interpret;
mod journal;
mod keys;
mod kill_switch;
mod kpis;
mod link;
mod migrate;
mod moderation;
mod observe;
mod ops;
mod options;
mod output;
mod person;
mod quarantine;
mod replay;
mod serve;
mod snippet;
mod story_insights;
mod viewer;
mod whatif;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use serve::Service;

/// Memory is taken and given back by many tasks, a little at a time (docs/decisions/0001-libraries.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What remains after a Story fades: keeps what Instagram's official APIs let a brand keep of its Story viewers, and
/// turns it into timely, wanted conversations.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = "Start here: afterglow demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: options::SettingsOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything with a simulated Meta: no server, no account, no configuration
    Demo(demo::Options),
    /// Run every service in one process
    All,
    /// Take Meta's webhooks: verify, read, hand on
    Ingest,
    /// Score and segment viewers
    Scorer,
    /// Judge intents, and send
    Responder,
    /// Serve the web console
    Console,
    /// Number what changed of viewers, and post it to brands' endpoints
    Crm,
    /// Bring the database's schema up to date
    Migrate,
    /// Check the installation, and say how to mend it
    Doctor(doctor::Options),
    /// Brands, and the documents that say what they want
    #[command(subcommand)]
    Brand(brand::Command),
    /// Accounts of brands
    #[command(subcommand)]
    Account(accounts::Command),
    /// What could not be understood: list, show, replay
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Record names that somebody saw in a Story's viewer list
    Observe(observe::Options),
    /// Who cared on one day, and what is to be done: the daily log, as CSV or JSON
    DailyLog(daily_log::Options),
    /// The figures of Stories over time: what remains after the 24 hours
    StoryInsights(story_insights::Options),
    /// What is kept of one person: export it, forget them
    #[command(subcommand)]
    Viewer(viewer::Command),
    /// Make every viewer's state anew from the log, and compare: identical, or the difference is shown
    Replay(replay::Options),
    /// Try other rules on what happened: who would stand elsewhere, what would have been said
    Whatif(whatif::Options),
    /// The ledger of decisions: list, explain, judge again
    #[command(subcommand)]
    Decisions(decisions::Command),
    /// Silence everything, a brand, an account, a play or a viewer, at once
    #[command(subcommand)]
    KillSwitch(kill_switch::Command),
    /// What can be said: list snippets, and preview them as a viewer would read them
    #[command(subcommand)]
    Snippet(snippet::Command),
    /// Spam and abuse that was found: list, clear, hide
    #[command(subcommand)]
    Moderation(moderation::Command),
    /// A brand's figures: response times, replies, sales, opt-outs, by account, play, snippet or operator
    Kpis(kpis::Options),
    /// A brand's week, as Markdown: what to keep, change and stop
    Report(kpis::ReportOptions),
    /// What is tried on viewers, what came of it, and how many viewers it takes
    #[command(subcommand)]
    Experiment(experiment::ExperimentCommand),
    /// What a brand believes and has not proved: noted, tested, decided
    #[command(subcommand)]
    Hypothesis(hypothesis::HypothesisCommand),
    Funnel(funnel::Options),
    /// What other systems are told: endpoints, changes, attempts, dead letters
    #[command(subcommand)]
    Feed(feed::Command),
    /// Tokens by which programs read a brand
    #[command(subcommand)]
    ApiToken(api_token::Command),
    /// Say who may use the console, and let them in
    #[command(subcommand)]
    Person(person::Command),
    /// Links whose opening is counted
    #[command(subcommand)]
    Link(link::Command),
    /// What came in, kept beside the lanes: put it back after a restore
    #[command(subcommand)]
    Journal(journal::Command),
    /// Keys that seal access tokens
    #[command(subcommand)]
    Keys(keys::Command),
    /// Show what webhook payloads become, storing nothing
    Interpret(interpret::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    allocators::keep_one_arena();
    let cli = Cli::parse();
    if let Command::Interpret(arguments) = &cli.command {
        return interpret::run(arguments);
    }
    if let Command::Keys(keys::Command::Generate { name }) = &cli.command {
        return keys::generate(name);
    }
    if let Command::Brand(command @ (brand::Command::Validate { .. } | brand::Command::Schema)) = &cli.command {
        return brand::run(command, &afterglow_runtime::Settings::default()); // they need no installation
    }
    let settings = cli.settings.load()?;
    if cli.settings.print_config {
        options::print(&settings)?;
        return Ok(ExitCode::SUCCESS);
    }
    match cli.command {
        Command::Demo(options) => demo::run(&options, settings, cli.settings.data_dir),
        Command::All => serve::run(&Service::ALL, settings),
        Command::Ingest => {
            allocators::give_back_at_once();
            serve::run(&[Service::Ingest], settings)
        }
        Command::Scorer => serve::run(&[Service::Scorer], settings),
        Command::Responder => serve::run(&[Service::Responder], settings),
        Command::Console => serve::run(&[Service::Console], settings),
        Command::Crm => serve::run(&[Service::Crm], settings),
        Command::Migrate => migrate::run(&settings),
        Command::Doctor(options) => doctor::run(&options, &settings),
        Command::Brand(command) => brand::run(&command, &settings),
        Command::Account(command) => accounts::run(&command, &settings),
        Command::Quarantine(command) => quarantine::run(&command, &settings),
        Command::Observe(options) => observe::run(&options, &settings),
        Command::Viewer(command) => viewer::run(&command, &settings),
        Command::Decisions(command) => decisions::run(&command, &settings),
        Command::Kpis(options) => kpis::run(&options, &settings),
        Command::Report(options) => kpis::report(&options, &settings),
        Command::Experiment(command) => experiment::run(&command, &settings),
        Command::Hypothesis(command) => hypothesis::run(&command, &settings),
        Command::Funnel(options) => funnel::run(&options, &settings),
        Command::Feed(command) => feed::run(&command, &settings),
        Command::Snippet(command) => snippet::run(&command, &settings),
        Command::Moderation(command) => moderation::run(&command, &settings),
        Command::ApiToken(command) => api_token::run(&command, &settings),
        Command::Person(command) => person::run(&command, &settings),
        Command::KillSwitch(command) => kill_switch::run(&command, &settings),
        Command::Replay(options) => replay::run(&options, &settings),
        Command::Whatif(options) => whatif::run(&options, &settings),
        Command::Link(command) => link::run(&command, &settings),
        Command::StoryInsights(options) => story_insights::run(&options, &settings),
        Command::DailyLog(options) => daily_log::run(&options, &settings),
        Command::Keys(keys::Command::Generate { name }) => keys::generate(&name),
        Command::Journal(command) => journal::run(&command, &settings),
        Command::Keys(keys::Command::Rotate) => keys::rotate(&settings),
        Command::Interpret(arguments) => interpret::run(&arguments),
    }
}
