//! Within which bounds a setting makes sense, and why.

use super::Settings;

impl Settings {
    /// The first setting whose value makes no sense, and what would; `None` if all do.
    pub fn senseless(&self) -> Option<(&'static str, String)> {
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let bounds: [(&'static str, u64, u64, u64, &str); 20] = [
            ("ingest.confirm_deadline_ms", self.ingest.confirm_deadline_ms, 1, 4_500, "Meta waits 5 s for an answer"),
            (
                "ingest.in_flight_max",
                number(self.ingest.in_flight_max),
                1,
                1_000_000,
                "with none under way nothing is taken",
            ),
            (
                "ingest.body_limit",
                number(self.ingest.body_limit),
                65_536,
                1 << 30,
                "Meta sends up to 1000 updates in one body",
            ),
            ("scorer.batch_max", number(self.scorer.batch_max), 1, 10_000, "interactions of one transaction"),
            ("scorer.workers", u64::from(self.scorer.workers), 1, 64, "batches at once"),
            ("responder.concurrency", self.responder.concurrency.into(), 1, 10_000, "intents that are judged at once"),
            (
                "responder.sends_per_second",
                self.responder.sends_per_second.into(),
                1,
                300,
                "Meta allows 100, and 300 at most",
            ),
            ("responder.send_timeout_ms", self.responder.send_timeout_ms, 100, 120_000, "how long Meta may take"),
            ("database.max_connections", self.database.max_connections.into(), 1, 10_000, "connections of one process"),
            ("feed.poll_ms", self.feed.poll_ms, 10, 60_000, "how often it is looked for changes"),
            ("feed.figures_ms", self.feed.figures_ms, 10, 86_400_000, "how often figures are brought up to date"),
            ("feed.keep_days", self.feed.keep_days.into(), 1, 3_650, "how long changes are kept"),
            ("feed.timeout_ms", self.feed.timeout_ms, 100, 60_000, "a claim on a delivery outlasts a call"),
            ("http.connections_max", number(self.http.connections_max), 1, 1_000_000, "with none nobody is answered"),
            ("http.head_ms", self.http.head_ms, 100, 600_000, "from a head's first byte to its last"),
            ("http.head_bytes_max", number(self.http.head_bytes_max), 8_192, 1 << 20, "what HTTP's reader begins with"),
            ("http.body_ms", self.http.body_ms, 100, 3_600_000, "from a body's first byte to its last"),
            ("http.body_bytes_max", number(self.http.body_bytes_max), 1 << 16, 1 << 40, "all bodies together"),
            ("http.quiet_ms", self.http.quiet_ms, 100, 86_400_000, "a console's pages hear something every 15 s"),
            ("traces.sample_percent", self.traces.sample_percent.into(), 0, 100, "of a hundred webhooks"),
        ];
        let out = bounds.into_iter().find(|(_, value, least, most, _)| !(least..=most).contains(&value));
        let wrong = out
            .map(|(name, value, least, most, why)| (name, format!("{value} is not within {least} and {most}: {why}")));
        let endpoint =
            self.traces.endpoint.as_deref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://"));
        wrong.or_else(|| endpoint.map(|_| ("traces.endpoint", "it does not begin with http:// or https://".into())))
    }
}
