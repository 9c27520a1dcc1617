//! How long the console takes to render its pages with many viewers in PostgreSQL.

use std::sync::Arc;

use afterglow_console::{Console, Token, router};
use afterglow_domain::{AccountId, BrandId, Channel, DAY_MS, Login, Timestamp};
use afterglow_rig::with_scratch_database;
use afterglow_store::{Account, Brand, Role, Store, StoreOptions};
use anyhow::{Context as _, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;
use tower::ServiceExt as _;

/// Measure how long the console's pages take on the server, and print a Markdown table
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// PostgreSQL; a database is made in it and dropped again
    #[arg(long, env = "AFTERGLOW_TEST_DATABASE_URL")]
    database_url: String,
    /// Viewers of the brand; a tenth of them wait for an answer, and each has two interactions
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    viewers: u32,
    /// Times each page is asked for
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    times: u32,
}

pub(crate) const START: i64 = 1_780_000_000_000;
pub(crate) const ACCOUNT: &str = "17841405726653026";

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    with_scratch_database(&arguments.database_url, "afterglow_bench_console", async |url, _| {
        measure(arguments, url).await
    })
    .await
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
async fn measure(arguments: &Arguments, url: &str) -> anyhow::Result<()> {
    let store = Store::open(Some(url), std::path::Path::new("."), StoreOptions::default()).await?;
    store.migrate().await?;
    let now = Timestamp::from_millis(START + DAY_MS);
    let brand = BrandId::new("bench");
    let row = Brand {
        id: brand.clone(),
        name: "Bench".into(),
        time_zone: "UTC".into(),
        settings: afterglow_domain::BrandSettings::default(),
        document_version: 0,
        created: now,
    };
    store.upsert_brand(&row).await?;
    let account = Account {
        id: AccountId::new(ACCOUNT),
        brand: brand.clone(),
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
    store.put_person("bench@example.org", "Bench", now).await?;
    store.grant("bench@example.org", None, Some(Role::Owner)).await?;
    let token = Token::new().context("the system gives no randomness")?;
    store.open_session(&token.hash(), "bench@example.org", "csrf", now, DAY_MS).await?;
    let begun = Instant::now();
    // Time goes on, so that figures are counted anew meanwhile.
    let clock = move || now.plus(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
    let router = router(Console::new(store.clone(), Arc::new(clock)));
    println!("| page | p50, ms | p99, ms | KiB |\n| --- | ---: | ---: | ---: |");
    let viewer = format!("/b/bench/v/{ACCOUNT}/v77777");
    for (name, path) in [
        ("triage, waiting", "/b/bench"),
        ("triage, hot", "/b/bench?show=hot"),
        ("search by name", "/b/bench?q=viewer.123"),
        ("a viewer", viewer.as_str()),
        ("review", "/b/bench/held"),
        ("decisions", "/b/bench/decisions"),
        ("figures, 28 days", "/b/bench/insights"),
        ("figures by snippet", "/b/bench/insights?by=snippet"),
        ("figures, a year by play", "/b/bench/insights?by=play&days=366"),
        ("the week", "/b/bench/insights/week"),
    ] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..arguments.times {
            let request = Request::get(path)
                .header("Host", "localhost")
                .header("Cookie", format!("afterglow_session={}", token.secret()))
                .body(Body::empty())?;
            let begun = Instant::now();
            let response = router.clone().oneshot(request).await?;
            ensure!(response.status() == StatusCode::OK, "{path}: {}", response.status());
            bytes = to_bytes(response.into_body(), usize::MAX).await?.len();
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        println!("| {name} | {:.1} | {:.1} | {} |", at(50), at(99), bytes / 1024);
    }
    println!("\n{} viewers in PostgreSQL; each page {} times, one after another", arguments.viewers, arguments.times);
    store.close().await;
    Ok(())
}

/// Viewers, what they did, and what was decided: rows and indexes as large as they would be.
pub(crate) async fn fill(viewers: u32, url: &str) -> anyhow::Result<()> {
    const VIEWERS: &str = "INSERT INTO viewer (account, viewer, brand, username, state, segment, score_rank, last_contact_ms,
            first_seen_ms, last_seen_ms, needs_reply_since_ms, rules_version, tags, due_ms, triage_ms, review_ms)
        SELECT $1, 'v' || n, 'bench', 'viewer.' || n,
            '{\"counts\":{\"story_reply\":3,\"message\":2},\"signals\":{\"story_reply\":{\"h\":172800000,\"s\":{\"10300\":3300000000}}}}',
            n % 3, 10000 + random() * 300, $2, $2, $2, CASE WHEN n % 10 = 0 THEN $2 END, '1', '[]',
            CASE WHEN n % 10 = 0 THEN $2 + n END, CASE WHEN n % 10 = 0 THEN $2 + n END, $2 + 86400000::bigint * 365
        FROM generate_series(1, $3) AS n";
    const HAPPENED: &str = "INSERT INTO interaction (id, brand, account, viewer, username, channel, source, kind, occurred_ms,
            received_ms, standby, body)
        SELECT md5(n || 'i' || k)::uuid, 'bench', $1, 'v' || n, 'viewer.' || n, 'instagram', 'webhook', 'message', $2 + n + k,
            $2 + n + k, FALSE, '{\"kind\":\"message\",\"detail\":{\"mid\":\"m' || n || k || '\",\"text\":\"Is it there in green?\"}}'
        FROM generate_series(1, $3) AS n, generate_series(1, 2) AS k";
    // A year of figures: 40 measures of everything, of the account, and of 12 plays, 15 snippets and 6 operators.
    const FIGURES: &str = "INSERT INTO kpi_day (brand, day, dim, item, measure, value)
        SELECT 'bench', to_char(date '2026-05-30' - d, 'YYYY-MM-DD'), i.dim, i.dim || '-' || i.n, m.name, 10 + (d + i.n) % 90
        FROM generate_series(0, 365) AS d,
            (SELECT 'all' AS dim, 0 AS n UNION ALL SELECT 'account', 0 UNION ALL SELECT 'play', generate_series(1, 12)
             UNION ALL SELECT 'snippet', generate_series(1, 15) UNION ALL SELECT 'operator', generate_series(1, 6)) AS i,
            (SELECT unnest(ARRAY['questions', 'prompt', 'in_time', 'sent', 'replied', 'stops', 'refused', 'unreachable',
                'conversations', 'sold', 'sales', 'revenue_EUR']) AS name
             UNION ALL SELECT 'bot_class_' || lpad(c::text, 2, '0') FROM generate_series(0, 13) AS c
             UNION ALL SELECT 'person_class_' || lpad(c::text, 2, '0') FROM generate_series(4, 17) AS c) AS m";
    // By month as well, as the service writes them.
    const MONTHS: &str = "INSERT INTO kpi_month (brand, month, dim, item, measure, value)
        SELECT brand, substr(day, 1, 7), dim, item, measure, SUM(value) FROM kpi_day
        GROUP BY brand, substr(day, 1, 7), dim, item, measure";
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(FIGURES).execute(&mut connection).await?;
    sqlx::query(MONTHS).execute(&mut connection).await?;
    for sql in [VIEWERS, HAPPENED] {
        let query = sqlx::query(sql).bind(ACCOUNT).bind(START).bind(i64::from(viewers));
        query.execute(&mut connection).await?;
    }
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    Ok(())
}
