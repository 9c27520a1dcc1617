//! What it costs to count a brand's figures.

use afterglow_domain::{AccountId, BrandId, Channel, Login, Timestamp};
use afterglow_insights::rebuild;
use afterglow_rig::with_scratch_database;
use afterglow_store::{Account, Brand, Store, StoreOptions};
use tokio::time::Instant;

use crate::console::{ACCOUNT, START, fill};

/// Measure what it costs to count a brand's figures, for each viewer and each interaction
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// PostgreSQL; a database is made in it and dropped again
    #[arg(long, env = "AFTERGLOW_TEST_DATABASE_URL")]
    database_url: String,
    /// Viewers of the brand, each with two interactions
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    viewers: u32,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    with_scratch_database(&arguments.database_url, "afterglow_bench_figures", async |url, _| {
        measure(arguments, url).await
    })
    .await
}

#[expect(clippy::print_stdout, reason = "the figure is what the command is for")]
async fn measure(arguments: &Arguments, url: &str) -> anyhow::Result<()> {
    let store = Store::open(Some(url), std::path::Path::new("."), StoreOptions::default()).await?;
    store.migrate().await?;
    let now = Timestamp::from_millis(START);
    let brand = Brand {
        id: BrandId::new("bench"),
        name: "Bench".into(),
        time_zone: "UTC".into(),
        settings: afterglow_domain::BrandSettings::default(),
        document_version: 0,
        created: now,
    };
    store.upsert_brand(&brand).await?;
    let account = Account {
        id: AccountId::new(ACCOUNT),
        brand: brand.id.clone(),
        channel: Channel::Instagram,
        login: Login::Instagram,
        username: None,
        token_sealed: None,
        token_expires: None,
        paused_reason: None,
        created: now,
    };
    store.upsert_account(&account).await?;
    fill(arguments.viewers, url).await?;
    let begun = Instant::now();
    let counted = rebuild(&store, &brand, |_, _| false, |_| {}).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let viewers = f64::from(u32::try_from(counted).unwrap_or(u32::MAX));
    println!(
        "{counted} viewers with {} interactions counted in {seconds:.1} s: {:.0} viewers/s, {:.0} µs an interaction",
        2 * counted,
        viewers / seconds,
        seconds * 1e6 / (2.0 * viewers)
    );
    store.close().await;
    Ok(())
}
