//! How long the opening of a tracked link takes on the server, while openings are published.

use std::sync::Arc;

use afterglow_bus::{Bus, EmbeddedBus};
use afterglow_domain::{AccountId, BrandId, BrandSettings, Channel, Login, Timestamp};
use afterglow_ingest::{Links, links_router};
use afterglow_store::{Account, Brand, Link, Store, StoreOptions};
use anyhow::ensure;
use axum::body::Body;
use axum::http::Request;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Measure the redirect of tracked links, and print a Markdown table
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Links
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    links: u32,
    /// Openings
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=5_000_000))]
    openings: u32,
}

const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(None, folder.path(), StoreOptions::default()).await?;
    store.migrate().await?;
    let (brand, account) = (BrandId::new("bench"), AccountId::new("17841405726653026"));
    let row = Brand {
        id: brand.clone(),
        name: "Bench".into(),
        time_zone: "UTC".into(),
        settings: BrandSettings::default(),
        document_version: 0,
        created: NOW,
    };
    store.upsert_brand(&row).await?;
    let row = Account {
        id: account.clone(),
        brand: brand.clone(),
        channel: Channel::Instagram,
        login: Login::Instagram,
        username: None,
        token_sealed: None,
        token_expires: None,
        paused_reason: None,
        created: NOW,
    };
    store.upsert_account(&row).await?;
    for n in 0..arguments.links {
        let link = Link {
            code: format!("{n:012x}"),
            brand: brand.clone(),
            account: account.clone(),
            target: "https://shop.example/lamps".into(),
            story_id: None,
            play: None,
            variant: None,
            viewer: None,
            created: NOW,
        };
        store.insert_link(&link).await?;
    }
    let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::open(&folder.path().join("bus.db")).await?);
    let (links, openings) = Links::load(store.clone(), Arc::new(|| NOW)).await?;
    let (router, stop) = (links_router(links), CancellationToken::new());
    let publishing = tokio::spawn(openings.publish(bus, stop.clone()));
    let mut times = Vec::new();
    for n in 0..arguments.openings {
        let code = n.wrapping_mul(2_654_435_761) % arguments.links;
        let request =
            Request::get(format!("/l/{code:012x}")).header("User-Agent", "Mozilla/5.0 (iPhone) Instagram 300");
        let request = request.body(Body::empty())?;
        let begun = Instant::now();
        let response = router.clone().oneshot(request).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        ensure!(response.status().is_redirection(), "{}", response.status());
    }
    stop.cancel();
    publishing.await?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
        let place = (times.len() as f64 * share) as usize;
        times[place.min(times.len() - 1)]
    };
    println!("| links | openings | p50, µs | p99, µs | p99.9, µs |\n| ---: | ---: | ---: | ---: | ---: |");
    let (count, opened) = (arguments.links, arguments.openings);
    println!("| {count} | {opened} | {:.0} | {:.0} | {:.0} |", at(0.5), at(0.99), at(0.999));
    store.close().await;
    Ok(())
}
