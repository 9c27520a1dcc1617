//! The scorer beside its limits, in one run on one machine: read the ratios, not the figures.
//!
//! | row | what it does |
//! | --- | --- |
//! | fold | states folded in memory, without a store |
//! | D | PostgreSQL alone: the same rows inserted, and a counter of each viewer upserted, in one transaction per 500 |
//! | scorer | consumes from RabbitMQ, one transaction per 500, acknowledges |
//! | replay | every state made anew from the log, and compared |
//! | what-if | two sets of rules over the whole log |
//!
//! Viewers are met by Zipf's law (exponent 1.1), and one event in ten comes twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afterglow_bus::{AmqpBus, Bus, Lane, Message as BusMessage};
use afterglow_domain::{
    AccountId, Body, BrandId, BrandSettings, Channel, Clock, DAY_MS, DerivedId, Interaction, InteractionId, Message,
    ReplyTo, Source, Timestamp, ViewerId, ViewerKey,
};
use afterglow_rig::with_scratch_database;
use afterglow_rules::{Document, Rulebook};
use afterglow_scorer::{Replay, Rulebooks, Scorer, ViewerState, WhatIf};
use afterglow_store::{DocumentApplied, NewDocument, Store, StoreOptions};
use anyhow::ensure;
use serde_json::value::RawValue;
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Measure the scorer beside its limits, and print a Markdown table
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// RabbitMQ; `scripts/test --services` starts private servers and prints their addresses
    #[arg(long, env = "AFTERGLOW_TEST_AMQP_URL")]
    amqp_url: String,
    /// PostgreSQL; databases are made in it and dropped again
    #[arg(long, env = "AFTERGLOW_TEST_DATABASE_URL")]
    database_url: String,
    /// Events
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=5_000_000))]
    events: u32,
    /// Viewers that they come from
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    viewers: u32,
    /// Viewers who are in the store beforehand and do nothing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000_000))]
    idle: u32,
    /// Interactions in one transaction
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    batch: u32,
    /// Batches that are worked on at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
}

const START: i64 = 1_780_000_000_000;
const ACCOUNT: &str = "17841405726653026";

/// A small generator of its own: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are asked for")]
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

/// Ranks by Zipf's law with exponent 1.1, from the distribution's inverse.
fn zipf(numbers: &mut Numbers, sums: &[f64]) -> usize {
    let wanted = numbers.next() * sums.last().copied().unwrap_or(1.0);
    sums.partition_point(|sum| *sum < wanted)
}

fn events(arguments: &Arguments) -> anyhow::Result<Vec<Interaction>> {
    let mut numbers = Numbers(7);
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=arguments.viewers)
        .map(|rank| {
            sum += f64::from(rank).powf(-1.1);
            sum
        })
        .collect();
    let mut events = Vec::with_capacity(arguments.events as usize);
    for n in 0..arguments.events {
        let viewer = zipf(&mut numbers, &sums);
        let mid = format!("aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDA1NzI2NjUzMDI2OjM0MDI4MjM2Njg0MTcx{n:09}");
        let at = Timestamp::from_millis(START + i64::from(n) * (7 * DAY_MS / i64::from(arguments.events)));
        let message = Message {
            mid: mid.clone(),
            text: Some("Love this! Where can I get one?".into()),
            reply_to: Some(ReplyTo::Story { id: "17900000000000001".into(), url: None }),
            ..Message::default()
        };
        let raw = format!(r#"{{"sender":{{"id":"{viewer}"}},"message":{{"mid":"{mid}","text":"Love this!"}}}}"#);
        events.push(Interaction {
            id: InteractionId::derive(&["bench", &mid]),
            brand: BrandId::new("bench"),
            account: AccountId::new(ACCOUNT),
            viewer: Some(ViewerId::new(format!("{}", 1_000_000_000_000_000_u64 + viewer as u64))),
            username: Some(format!("viewer.{viewer}")),
            channel: Channel::Instagram,
            source: Source::Webhook,
            occurred: at,
            received: at.plus(500),
            standby: false,
            body: if n % 3 == 0 {
                Body::StoryReply(message)
            } else {
                Body::Message(Message { reply_to: None, ..message })
            },
            raw: Some(RawValue::from_string(raw)?),
        });
    }
    Ok(events)
}

fn rate(events: usize, begun: Instant) -> f64 {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    f64::from(events) / begun.elapsed().as_secs_f64().max(1e-9)
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let events = events(arguments)?;
    let folded = fold(&events);
    let measured = with_scratch_database(&arguments.database_url, "afterglow_bench_scorer", async |url, _| {
        measure(arguments, &events, url).await
    })
    .await?;
    let [alone, scorer, replayed, tried] = measured;
    println!("| row | events/s | share of D |\n| --- | ---: | ---: |");
    println!("| fold, one core | {folded:.0} | – |");
    println!("| D: PostgreSQL alone, 1 connection | {alone:.0} | 1 |");
    println!("| scorer, end to end | {scorer:.0} | {:.2} |", scorer / alone);
    println!("| replay | {replayed:.0} | – |");
    println!("| what-if | {tried:.0} | – |");
    println!(
        "\n{} events, {} viewers, {} idle ones, batches of {}",
        arguments.events, arguments.viewers, arguments.idle, arguments.batch
    );
    Ok(())
}

fn fold(events: &[Interaction]) -> f64 {
    let scoring = BrandSettings::default().scoring;
    let mut states: HashMap<&ViewerId, ViewerState> = HashMap::new();
    let begun = Instant::now();
    for event in events {
        if let Some(viewer) = &event.viewer {
            states.entry(viewer).or_default().apply(event, &scoring);
        }
    }
    rate(events.len(), begun)
}

async fn measure(arguments: &Arguments, events: &[Interaction], url: &str) -> anyhow::Result<[f64; 4]> {
    let store = Store::open(Some(url), std::path::Path::new("."), StoreOptions::default()).await?;
    store.migrate().await?;
    let document = Document::parse(
        "brand: bench\nplays:\n  - { name: thanks, on: { kinds: [story_reply] }, rollout: shadow, say: thanks }\nsnippets: { thanks: { text: Thanks } }\n",
    )?;
    let settings = document.settings();
    let brand = BrandId::new("bench");
    let new = NewDocument {
        brand: &brand,
        name: "bench",
        time_zone: "UTC",
        text: "",
        settings: &settings,
        by: "bench",
        note: "",
        expected: None,
    };
    let now = Timestamp::from_millis(START + 8 * DAY_MS);
    ensure!(store.apply_document(&new, now).await? == DocumentApplied::Applied(1), "the document is not applied");
    preload(arguments, url).await?;
    let alone = alone(events, url, arguments.batch as usize).await?;
    let scorer = scorer(arguments, events, &store, now).await?;
    let replayed = replay(&store, &brand, &settings).await?;
    let tried = whatif(&store, &brand, &settings, now).await?;
    store.close().await;
    Ok([alone, scorer, replayed, tried])
}

/// Viewers who were there before: rows and indexes as large as they would be.
async fn preload(arguments: &Arguments, url: &str) -> anyhow::Result<()> {
    if arguments.idle == 0 {
        return Ok(());
    }
    let mut connection = PgConnection::connect(url).await?;
    let sql = "INSERT INTO viewer (account, viewer, brand, username, state, segment, score_rank, last_contact_ms, first_seen_ms,
            last_seen_ms, rules_version, tags, review_ms)
        SELECT $1, 'idle' || n, 'bench', 'idle.' || n,
            '{\"counts\":{\"story_reply\":3,\"message\":2},\"signals\":{\"story_reply\":{\"h\":172800000,\"s\":{\"10300\":3300000000}}}}',
            n % 3, 10000 + random() * 300, $2, $2, $2, '1', '[]', $3 FROM generate_series(1, $4) AS n";
    sqlx::query(sql)
        .bind(ACCOUNT)
        .bind(START)
        .bind(START + 365 * DAY_MS)
        .bind(i64::from(arguments.idle))
        .execute(&mut connection)
        .await?;
    sqlx::query("ANALYZE viewer").execute(&mut connection).await?;
    Ok(())
}

/// What PostgreSQL gives for the same rows: one statement that inserts, counts what was new, and upserts the viewers.
async fn alone(events: &[Interaction], url: &str, batch: usize) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("CREATE TABLE d_event (id UUID PRIMARY KEY, viewer TEXT NOT NULL, occurred_ms BIGINT NOT NULL, body TEXT NOT NULL, raw TEXT)")
        .execute(&mut connection)
        .await?;
    sqlx::query("CREATE TABLE d_viewer (viewer TEXT PRIMARY KEY, n BIGINT NOT NULL, last_ms BIGINT NOT NULL, state TEXT NOT NULL)")
        .execute(&mut connection)
        .await?;
    let sql = "WITH new AS (
            INSERT INTO d_event SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[])
            ON CONFLICT DO NOTHING RETURNING viewer, occurred_ms)
        INSERT INTO d_viewer SELECT viewer, COUNT(*), MAX(occurred_ms), '{}' FROM new GROUP BY viewer ORDER BY viewer
        ON CONFLICT (viewer) DO UPDATE SET n = d_viewer.n + excluded.n, last_ms = GREATEST(d_viewer.last_ms, excluded.last_ms)";
    let begun = Instant::now();
    let mut taken = 0;
    for chunk in stream(events).chunks(batch) {
        let bodies: Vec<String> =
            chunk.iter().map(|event| serde_json::to_string(&event.body)).collect::<Result<_, _>>()?;
        sqlx::query(sql)
            .bind(chunk.iter().map(|event| event.id.uuid()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|event| event.viewer.as_ref().map_or("", ViewerId::as_str)).collect::<Vec<_>>())
            .bind(chunk.iter().map(|event| event.occurred.millis()).collect::<Vec<_>>())
            .bind(bodies)
            .bind(chunk.iter().map(|event| event.raw.as_ref().map(|raw| raw.get())).collect::<Vec<_>>())
            .execute(&mut connection)
            .await?;
        taken += chunk.len();
    }
    let rate = rate(taken, begun);
    sqlx::query("DROP TABLE d_event, d_viewer").execute(&mut connection).await?;
    Ok(rate)
}

/// The events as they arrive: one in ten twice.
fn stream(events: &[Interaction]) -> Vec<&Interaction> {
    let again = events.iter().enumerate().filter(|(n, _)| n % 10 == 0).map(|(_, event)| event);
    let mut stream: Vec<&Interaction> = events.iter().chain(again).collect();
    // Late by some batches.
    stream.sort_by_key(|event| event.id.uuid().as_bytes()[0]);
    stream
}

async fn scorer(arguments: &Arguments, events: &[Interaction], store: &Store, now: Timestamp) -> anyhow::Result<f64> {
    let bus = AmqpBus::connect(&arguments.amqp_url, "afterglow-bench", "bench").await?;
    bus.delete_topology().await?;
    bus.close().await;
    let bus = Arc::new(AmqpBus::connect(&arguments.amqp_url, "afterglow-bench", "bench").await?);
    let stream = stream(events);
    for chunk in stream.chunks(1_000) {
        let mut messages = Vec::with_capacity(chunk.len());
        for event in chunk {
            messages.push(BusMessage {
                id: event.id.to_string(),
                traceparent: None,
                body: event.to_cloudevent()?.into(),
            });
        }
        bus.publish(Lane::Interactions, messages).await?;
    }
    let clock: Clock = Arc::new(move || now);
    let scorer = Scorer {
        store: store.clone(),
        bus: Arc::clone(&bus) as _,
        clock,
        rulebooks: Rulebooks::load(store).await?,
        rules_refresh: Duration::from_mins(1),
        batch_max: arguments.batch as usize,
        batch_wait: Duration::from_millis(5),
        workers: arguments.workers,
        our_apps: Vec::new(),
        park_ms: DAY_MS,
    };
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn(scorer.run(stop.clone()));
    let wanted = stream.len() as u64;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await; // counting everything is work for PostgreSQL too
        let totals = store.totals().await?;
        if totals.accepted + totals.duplicates >= wanted {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_mins(15), "the scorer takes too long: {totals:?}");
        ensure!(!running.is_finished(), "the scorer ended");
    }
    let rate = rate(stream.len(), begun);
    stop.cancel();
    running.await??;
    bus.delete_topology().await?;
    Ok(rate)
}

async fn replay(store: &Store, brand: &BrandId, settings: &BrandSettings) -> anyhow::Result<f64> {
    let rulebook = Arc::new(Rulebook::compile(settings, 1)?);
    let since = Timestamp::from_millis(START + 1); // idle ones have no log
    let mut replay = Replay::new(store.clone(), brand.clone(), rulebook, since, None);
    let (begun, mut interactions, mut differences) = (Instant::now(), 0, 0);
    while let Some(step) = replay.step().await? {
        interactions += usize::try_from(step.interactions)?;
        differences += step.differences.len();
    }
    ensure!(differences == 0, "{differences} viewers differ from their log");
    Ok(rate(interactions, begun))
}

async fn whatif(store: &Store, brand: &BrandId, settings: &BrandSettings, now: Timestamp) -> anyhow::Result<f64> {
    let in_force = Rulebook::compile(settings, 1)?;
    let mut other = settings.clone();
    other.segments.hot.when = "score >= 25.0".into();
    other.scoring.half_life_hours = 24.0;
    let other = Rulebook::compile(&other, 2)?;
    let days =
        (1..=8).map(|day| (Timestamp::from_millis(START + day * DAY_MS).min(now), format!("day {day}"))).collect();
    let from = Timestamp::from_millis(START);
    let mut whatif = WhatIf::new(&in_force, &other, from, days);
    let mut position = ViewerKey { account: AccountId::new(""), viewer: ViewerId::new("") };
    let begun = Instant::now();
    loop {
        let logs = store.brand(brand).viewer_logs(&position, from.plus(1), 500).await?;
        let Some(last) = logs.last() else { break };
        position = last.row.key.clone();
        for viewer in &logs {
            whatif.viewer(&viewer.log)?;
        }
    }
    Ok(rate(usize::try_from(whatif.interactions())?, begun))
}
