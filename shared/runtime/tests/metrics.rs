//! Metrics where nobody scrapes them. In a process of its own: it is the process' memory that is looked at.

use std::time::Duration;

use afterglow_runtime::{keep_metrics, start_metrics};

/// Memory of this process that is no file's, in bytes.
fn anonymous() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// A minute's samples, in one go.
async fn minute() {
    let histogram = metrics::histogram!("soaked_seconds");
    for _ in 0..50_000 {
        histogram.record(0.01);
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn histograms_that_nobody_scrapes_take_no_more_memory() {
    let metrics = start_metrics().unwrap();
    tokio::spawn(keep_metrics(metrics.clone()));
    for _ in 0..5 {
        minute().await;
    }
    let warm = anonymous().unwrap();
    for _ in 0..40 {
        minute().await;
    }
    let grown = anonymous().unwrap().saturating_sub(warm);
    // Kept, two million samples would be 32 MB and more.
    assert!(grown < 8 << 20, "grown by {grown} bytes");
    assert!(metrics.render().contains("soaked_seconds_count 2250000"), "{}", metrics.render());
}
