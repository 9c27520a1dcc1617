//! The load generator: keep-alive connections that send one prepared request and read its answer, again and again.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) struct Load<'a> {
    pub(crate) port: u16,
    pub(crate) connections: u32,
    pub(crate) span: Duration,
    pub(crate) body: &'a str,
    pub(crate) signature: &'a str,
    /// Requests a second of all connections together; none: as fast as they are answered.
    pub(crate) per_second: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Load<'_> {
    pub(crate) async fn run(&self) -> anyhow::Result<Measured> {
        let request = format!(
            "POST /webhooks/meta HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             X-Hub-Signature-256: {}\r\nContent-Length: {}\r\n\r\n{}",
            self.signature,
            self.body.len(),
            self.body
        );
        let started = Instant::now();
        let pause = self.per_second.map(|rate| Duration::from_secs_f64(f64::from(self.connections) / rate));
        let tasks: Vec<_> = (0..self.connections)
            .map(|_| tokio::spawn(connection(self.port, request.clone(), started + self.span, pause)))
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await??);
        }
        let elapsed = started.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let at = |share: usize| {
            latencies.get(latencies.len() * share / 100).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        let count = u32::try_from(latencies.len())?;
        Ok(Measured { per_second: f64::from(count) / elapsed, p50_ms: at(50), p99_ms: at(99) })
    }
}

async fn connection(
    port: u16,
    request: String,
    until: Instant,
    pause: Option<Duration>,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut latencies, mut answer) = (Vec::new(), [0u8; 1024]);
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        // Every answer has an empty body.
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = stream.read(answer.get_mut(read..).context("an answer longer than expected")?).await?;
            if more == 0 {
                bail!("the server closed the connection");
            }
            read += more;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("answered {}", String::from_utf8_lossy(&answer[..read.min(60)]));
        }
        latencies.push(sent.elapsed());
        if let Some(pause) = pause {
            tokio::time::sleep_until(sent + pause).await;
        }
    }
    Ok(latencies)
}
