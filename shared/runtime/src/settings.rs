//! Every process setting, with its default. What a brand sets for itself is not here: that is data.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::secret::{Address, Secret};

/// Everything that a process can be told. Each field is a key of the TOML file, and `AFTERGLOW_SECTION__KEY` in the
/// environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the SQLite file, the embedded bus and a generated key live, if these are used.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The broker.
    pub bus: Bus,
    /// Meta's app.
    pub meta: Meta,
    /// The endpoint for webhooks.
    pub ingest: Ingest,
    /// Scoring.
    pub scorer: Scorer,
    /// Judging and sending.
    pub responder: Responder,
    /// Replies drafted by a model.
    pub drafts: Drafts,
    /// The web console.
    pub console: Console,
    /// What other systems are told.
    pub feed: Feed,
    /// Health and metrics.
    pub ops: Ops,
    /// What strangers' connections may cost, of every listener.
    pub http: Http,
    /// Keys that seal access tokens.
    pub keys: Keys,
    /// What partners post.
    pub api: Api,
    /// Logs.
    pub log: Log,
    /// Spans.
    pub traces: Traces,
}

/// `[database]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`; none: SQLite in the data directory. Also `DATABASE_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Connections of one process at most.
    pub max_connections: u32,
}

/// `[bus]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bus {
    /// With what the names of exchanges and queues begin; two installations share a broker by having two of them.
    pub prefix: String,
    /// For how many hours RabbitMQ keeps all that came in, to be put back on its lanes when a database was restored to an
    /// earlier moment; 0: not at all. A change asks for the queue `….journal` to be deleted first.
    pub journal_hours: u32,
    /// `amqp://…` or `amqps://…`; none: the embedded bus in the data directory. Also `AMQP_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
}

/// `[meta]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meta {
    /// App secrets that sign webhooks; several while they rotate. In the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub app_secrets: Vec<Secret>,
    /// The token that Meta's handshake must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_token: Option<Secret>,
    /// Ids of the apps through which Afterglow speaks: a hand-over to one of them is one to us. Without them every
    /// hand-over silences automation. In the environment with commas.
    #[serde(deserialize_with = "comma_texts")]
    pub app_ids: Vec<String>,
    /// Id of the Instagram app, with which accounts are connected by Instagram Login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instagram_app_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instagram_app_secret: Option<Secret>,
    /// Id of the app, with which accounts are connected by Facebook Login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook_app_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facebook_app_secret: Option<Secret>,
    /// Base of the Graph API, in place of Meta's own hosts; for tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_url: Option<String>,
    /// Version of the Graph API; none: the one this program was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_version: Option<String>,
}

/// `[ingest]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Where webhooks, conversions and the opening of tracked links are taken.
    pub listen: SocketAddr,
    /// How long the broker may take to confirm, in ms, before the answer is 503. Meta gives up after 5 s.
    pub confirm_deadline_ms: u64,
    /// Largest webhook body, in bytes.
    pub body_limit: usize,
    /// Webhooks under way in one process from which on more are answered 503 at once; those that carry a stop, a start or a
    /// hand-over from twice as many on.
    pub in_flight_max: usize,
    /// Interactions of one brand a second that one process puts on the fast lane; more of them wait behind other brands'. 0:
    /// all of them go on the fast lane.
    pub brand_events_per_second: u32,
    /// How many of them may come at once after a quiet time.
    pub brand_events_burst: u32,
    /// How often the list of accounts is read again, in ms.
    pub accounts_refresh_ms: u64,
    /// How often conversations are searched for what webhooks missed, in ms; 0: never.
    pub sweep_ms: u64,
    /// How old a message must be before it counts as missed, in ms.
    pub sweep_grace_ms: u64,
    /// How often accounts' webhook subscriptions are checked and repaired, in ms; 0: never.
    pub subscriptions_ms: u64,
    /// How often accounts' ice breakers are compared with what their brands' documents name, and set, in ms; 0: never.
    pub ice_breakers_ms: u64,
    /// How often accounts' tokens are checked, and refreshed when they are half through their time, in ms; 0: never.
    pub tokens_ms: u64,
    /// Where this endpoint is reached from outside, such as `https://hooks.example`: for addresses that are given to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// How often it is looked for live Stories and for figures that are due, in ms; 0: never.
    pub insights_ms: u64,
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Connections of one listener at most; three quarters of the files that the system allows the process, if that is
    /// less. When one more comes, the one goes that has been waited for longest.
    pub connections_max: usize,
    /// How long a request's head may take, in ms, from its first byte on.
    pub head_ms: u64,
    /// Largest head, in bytes.
    pub head_bytes_max: usize,
    /// How long a request's body may take, in ms; and how long an answer may wait to be read.
    pub body_ms: u64,
    /// What all bodies of one listener may hold at once, in bytes. Above, the one goes that has been read for longest.
    pub body_bytes_max: usize,
    /// How long a connection may be quiet, in ms: longer than the load balancer in front keeps it, or a request meets a
    /// closed connection. (60 s: the default of nginx' `keepalive_timeout` to upstreams and of AWS' load balancers, 2026.)
    pub quiet_ms: u64,
}

/// `[scorer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scorer {
    /// Interactions in one transaction at most.
    pub batch_max: usize,
    /// How long a batch waits to fill, in ms.
    pub batch_wait_ms: u64,
    /// Batches that one process works on at once, on PostgreSQL; SQLite has one writer.
    pub workers: u16,
    /// How long an edit, reaction or unsend waits for its message, in ms, before it goes to quarantine.
    pub park_ms: u64,
    /// How often it is looked for brand documents that were applied, in ms.
    pub rules_refresh_ms: u64,
    /// How often what is older than brands keep is looked for and removed, in ms; 0: never.
    pub retention_ms: u64,
    /// How long what could not be understood is kept, in days; 0: for ever.
    pub quarantine_days: u32,
}

/// `[responder]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Responder {
    /// Intents that are judged or sent at once.
    pub concurrency: u16,
    /// How often due intents and lost sends are looked for, in ms.
    pub sweep_ms: u64,
    /// How long one call to Meta may take, in ms.
    pub send_timeout_ms: u64,
    /// Messages a second from one account (Meta: 100 for text).
    pub sends_per_second: u32,
    /// How long a send of unknown fate waits for its echo before the conversation is read, in ms.
    pub echo_patience_ms: u64,
    /// How long its fate is looked for before a person is asked, in ms.
    pub fate_patience_ms: u64,
}

/// `[drafts]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drafts {
    /// An OpenAI-compatible endpoint, up to and without `/chat/completions`; none: nothing is drafted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// Sent as a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// For the whole call, in ms.
    pub timeout_ms: u64,
    /// What a million tokens that are sent cost, in millionths of a currency.
    pub input_price_micros: u64,
    /// What a million tokens that are answered cost, in the same.
    pub output_price_micros: u64,
}

/// `[console]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Where the console is served.
    pub listen: SocketAddr,
    /// Under which address people reach it, such as `https://console.example`; none: under loopback names alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// An identity provider by which people sign in; none: by password or link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

/// `[console.oidc]`: OpenID Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer, such as `https://accounts.google.com`: below it lies `/.well-known/openid-configuration`.
    pub issuer: String,
    /// Under which id the provider knows this installation.
    pub client_id: String,
    /// By which secret; none: a public client, which PKCE alone protects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// What people call it, on the sign-in page.
    #[serde(default = "provider_name")]
    pub name: String,
    /// Whether whoever it vouches for becomes a person here, who may nothing until an owner says so.
    #[serde(default)]
    pub create: bool,
}

fn provider_name() -> String {
    "your organisation".into()
}

/// `[feed]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// How often it is looked for what changed and for what is due, in ms.
    pub poll_ms: u64,
    /// How often figures are brought up to date, in ms.
    pub figures_ms: u64,
    /// How long changes can be read again, in days.
    pub keep_days: u32,
    /// For a whole call of an endpoint, in ms.
    pub timeout_ms: u64,
    /// Networks beside the public internet that may be called, such as `10.1.0.0/16`. In the environment with commas.
    #[serde(deserialize_with = "comma_texts")]
    pub allowed_networks: Vec<String>,
    /// Whether endpoints may be called over plain http.
    pub plain_http: bool,
    /// Whether changes are published to the broker as well, to the topic exchange `PREFIX.changes`. Needs `bus.url`.
    pub broker: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            poll_ms: 500,
            figures_ms: 30_000,
            keep_days: 30,
            timeout_ms: 20_000,
            allowed_networks: Vec::new(),
            plain_http: false,
            broker: false,
        }
    }
}

/// `[ops]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ops {
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
    /// How long a process goes on taking requests after SIGTERM, in ms, while `/readyz` says that it is about to end: as
    /// long as a load balancer needs to notice. Processes that take none end at once.
    pub linger_ms: u64,
    /// How long a service may take to finish its work after that, in ms.
    pub drain_ms: u64,
}

/// `[keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// `name:base64 of 32 bytes`; the first seals, all open. None: a key file in the data directory, made when it is
    /// first needed. In the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub ring: Vec<Secret>,
    /// Under which people who asked to be forgotten are recognised: any 16 bytes or more, never changed. None: made in
    /// the data directory, with SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgetting: Option<Secret>,
}

/// `[api]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// `brand:secret` for each brand whose shop posts conversions; in the environment with commas.
    #[serde(deserialize_with = "comma_list")]
    pub secrets: Vec<Secret>,
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub filter: String,
}

/// `[traces]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where spans are sent by OTLP over HTTP, such as `http://collector:4318`; none: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of how many in a hundred webhooks spans are sent.
    pub sample_percent: u32,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

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

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("afterglow-data"),
            database: Database::default(),
            bus: Bus::default(),
            meta: Meta::default(),
            ingest: Ingest::default(),
            scorer: Scorer::default(),
            responder: Responder::default(),
            drafts: Drafts::default(),
            console: Console::default(),
            feed: Feed::default(),
            ops: Ops::default(),
            http: Http::default(),
            keys: Keys::default(),
            api: Api::default(),
            log: Log::default(),
            traces: Traces::default(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 10 }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self { prefix: "afterglow".into(), journal_hours: 0, url: None }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            listen: loopback(8090),
            confirm_deadline_ms: 3_000,
            body_limit: 4 * 1024 * 1024,
            in_flight_max: 128,
            brand_events_per_second: 50,
            brand_events_burst: 500,
            accounts_refresh_ms: 5_000,
            sweep_ms: 300_000,
            sweep_grace_ms: 120_000,
            subscriptions_ms: 600_000,
            ice_breakers_ms: 60_000,
            tokens_ms: 3_600_000,
            public_url: None,
            insights_ms: 60_000,
        }
    }
}

impl Default for Scorer {
    fn default() -> Self {
        Self {
            batch_max: 1000,
            workers: 2,
            batch_wait_ms: 5,
            park_ms: 24 * 3_600_000,
            rules_refresh_ms: 1_000,
            retention_ms: 3_600_000,
            quarantine_days: 365,
        }
    }
}

impl Default for Responder {
    fn default() -> Self {
        Self {
            concurrency: 32,
            sweep_ms: 500,
            send_timeout_ms: 10_000,
            sends_per_second: 80,
            echo_patience_ms: 5_000,
            fate_patience_ms: 120_000,
        }
    }
}

impl Default for Drafts {
    fn default() -> Self {
        Self {
            url: None,
            model: "gpt-4o-mini".into(),
            api_key: None,
            timeout_ms: 20_000,
            input_price_micros: 150_000,
            output_price_micros: 600_000,
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: loopback(8080), public_url: None, oidc: None }
    }
}

impl Default for Ops {
    fn default() -> Self {
        Self { listen: loopback(9464), linger_ms: 0, drain_ms: 20_000 }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections_max: 2_048,
            head_ms: 10_000,
            head_bytes_max: 32 * 1024,
            body_ms: 30_000,
            body_bytes_max: 64 * 1024 * 1024,
            quiet_ms: 75_000,
        }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, sample_percent: 10 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, filter: "info".into() }
    }
}

/// A list, or one text with commas, as the environment has it.
fn comma_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        List(Vec<String>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => {
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        Either::List(list) => list,
    })
}

fn comma_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    Ok(comma_texts(deserializer)?.iter().map(|text| Secret::from(text.as_str())).collect())
}
