//! Where settings come from: a flag beats the environment, which beats the TOML file, which beats the default.

use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat};

use crate::settings::Settings;

/// Environment variables that are ours begin with this and have a `__`; others (`AFTERGLOW_PORT_80_TCP` comes from
/// Kubernetes) are left alone.
const PREFIX: &str = "AFTERGLOW_";
/// The customary names, with the settings they mean.
const CUSTOMARY: [(&str, &str); 2] = [("DATABASE_URL", "database.url"), ("AMQP_URL", "bus.url")];

/// Settings that cannot be used. Every variant names what to mend; none repeats a value, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the settings file {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or a value of the wrong kind.
    #[error("{path}, line {line}: {problem}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// An environment variable or a flag is wrong.
    #[error("{origin}: {problem}")]
    Value {
        /// The variable's or flag's name.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file, if there is one.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags: the setting (`ingest.listen`), and its value.
    pub flags: Vec<(String, String)>,
}

/// A value with the setting it is for and where it came from.
struct Given {
    origin: String,
    key: String,
    value: String,
}

impl Sources {
    /// Puts the sources together.
    pub fn load(&self) -> Result<Settings, LoadError> {
        let text = self.file.as_deref().map(read).transpose()?.unwrap_or_default();
        let mut given = self.environment_values();
        given.extend(self.flags.iter().map(|(key, value)| Given {
            origin: format!("--set {key}"),
            key: key.clone(),
            value: value.clone(),
        }));
        for one in &given {
            // Alone first, so that a mistake is laid at the right door. That others are missing is no mistake of this one.
            match together("", std::slice::from_ref(one)) {
                Err(error) if !wants_another(&error) => {
                    return Err(LoadError::Value { origin: one.origin.clone(), problem: without_values(&error) });
                }
                Ok(_) | Err(_) => {}
            }
        }
        let settings = together(&text, &given)
            .map_err(|error| LoadError::Value { origin: "settings".into(), problem: without_values(&error) })?;
        match settings.senseless() {
            Some((origin, problem)) => Err(LoadError::Value { origin: origin.into(), problem }),
            None => Ok(settings),
        }
    }

    /// The environment's part, weakest first.
    fn environment_values(&self) -> Vec<Given> {
        let mut given = Vec::new();
        for (name, key) in CUSTOMARY {
            for (_, value) in self.environment.iter().filter(|(n, value)| n == name && !value.is_empty()) {
                given.push(Given { origin: name.into(), key: key.into(), value: value.clone() });
            }
        }
        for (name, value) in &self.environment {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if rest.contains("__") || rest == "DATA_DIR" {
                let key = rest.to_ascii_lowercase().replace("__", ".");
                given.push(Given { origin: name.clone(), key, value: value.clone() });
            }
        }
        given
    }
}

fn read(path: &Path) -> Result<String, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    // For its errors, which know the line.
    toml::from_str::<Settings>(&text).map_err(|error| LoadError::File {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        problem: error.message().to_owned(),
    })?;
    Ok(text)
}

fn together(file: &str, given: &[Given]) -> Result<Settings, ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(file, FileFormat::Toml));
    for one in given {
        builder = builder.set_override(&one.key, one.value.as_str())?;
    }
    builder.build()?.try_deserialize()
}

/// Whether it is about a setting that was not given.
fn wants_another(error: &ConfigError) -> bool {
    match error {
        ConfigError::NotFound(_) => true,
        ConfigError::At { error, .. } => wants_another(error),
        _ => false,
    }
}

/// The error's words without the value that caused it.
fn without_values(error: &ConfigError) -> String {
    match error {
        ConfigError::Type { expected, key, .. } => match key {
            Some(key) => format!("expected {expected} for `{key}`"),
            None => format!("expected {expected}"),
        },
        ConfigError::At { error, key, .. } => match key {
            Some(key) => format!("{} (`{key}`)", without_values(error)),
            None => without_values(error),
        },
        // serde's words: "unknown field `x`, expected one of …", "invalid socket address syntax": no values of ours,
        // since secrets are texts, which are always of the right kind.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn sources(toml: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> (Sources, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let owned = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let file_path = Some(file.path().to_owned());
        (Sources { file: file_path, environment: owned(environment), flags: owned(flags) }, file)
    }

    fn load(toml: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, LoadError> {
        sources(toml, environment, flags).0.load()
    }

    #[test]
    fn a_section_that_needs_several_may_come_from_several_places() {
        let (issuer, client, secret) = (
            ("AFTERGLOW_CONSOLE__OIDC__ISSUER", "https://id.example"),
            ("AFTERGLOW_CONSOLE__OIDC__CLIENT_ID", "afterglow"),
            ("AFTERGLOW_CONSOLE__OIDC__CLIENT_SECRET", "s3cret"),
        );
        let file = "[console.oidc]\nissuer = 'https://id.example'\nclient_id = 'afterglow'";
        for settings in [load("", &[issuer, client, secret], &[]), load(file, &[secret], &[])] {
            let oidc = settings.unwrap().console.oidc.unwrap();
            assert_eq!((oidc.issuer.as_str(), oidc.client_id.as_str()), ("https://id.example", "afterglow"));
            assert!(oidc.client_secret.is_some());
        }
        let half = load("", &[issuer, secret], &[]).unwrap_err().to_string();
        assert!(half.contains("console.oidc.client_id") && !half.contains("s3cret"), "{half}");
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let toml = "[ingest]\nlisten = '127.0.0.1:1'\nbody_limit = 100000\n[scorer]\nbatch_max = 7";
        let environment = [("AFTERGLOW_INGEST__LISTEN", "127.0.0.1:2"), ("AFTERGLOW_INGEST__BODY_LIMIT", "200000")];
        let settings = load(toml, &environment, &[("ingest.listen", "127.0.0.1:3")]).unwrap();
        assert_eq!(settings.ingest.listen.port(), 3);
        assert_eq!((settings.ingest.body_limit, settings.scorer.batch_max), (200_000, 7));
        assert_eq!(settings.ingest.confirm_deadline_ms, 3_000, "the default");
    }

    #[test]
    fn customary_names_and_lists_with_commas() {
        let environment = [
            ("DATABASE_URL", "postgres://a"),
            ("AMQP_URL", "amqp://b"),
            ("AFTERGLOW_BUS__URL", "amqp://c"),
            ("AFTERGLOW_META__APP_SECRETS", "0123, 99"),
            ("AFTERGLOW_META__VERIFY_TOKEN", "0042"),
            ("AFTERGLOW_DATA_DIR", "/tmp/x"),
            ("AFTERGLOW_PORT_80_TCP", "Kubernetes says so"),
            ("AFTERGLOW_LOG__FORMAT", "json"),
        ];
        let settings = load("", &environment, &[]).unwrap();
        assert_eq!(settings.database.url.unwrap().expose(), "postgres://a");
        assert_eq!(settings.bus.url.unwrap().expose(), "amqp://c", "ours beats the customary one");
        let secrets: Vec<&str> = settings.meta.app_secrets.iter().map(|s| s.get().expose_secret()).collect();
        assert_eq!(secrets, ["0123", "99"], "a number stays the text it was");
        assert_eq!(settings.meta.verify_token.unwrap().get().expose_secret(), "0042");
        assert_eq!(settings.data_dir, Path::new("/tmp/x"));
        assert_eq!(settings.log.format, crate::LogFormat::Json);
    }

    #[test]
    fn mistakes_name_their_place_and_not_their_value() {
        let (sources, file) = sources("[ingest]\nlisten = '127.0.0.1:1'\nbodylimit = 10\n", &[], &[]);
        let error = sources.load().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}, line 3: unknown field `bodylimit`", file.path().display())), "{error}");
        for (environment, flags, expected) in [
            (vec![("AFTERGLOW_INGEST__LISTN", "x")], vec![], "AFTERGLOW_INGEST__LISTN: unknown field `listn`"),
            (vec![("AFTERGLOW_SCORER__BATCH_MAX", "s3cret")], vec![], "AFTERGLOW_SCORER__BATCH_MAX: "),
            (vec![("AFTERGLOW_NOWHERE__X", "1")], vec![], "AFTERGLOW_NOWHERE__X: unknown field `nowhere`"),
            (vec![], vec![("ingest.listen", "s3cret")], "--set ingest.listen: "),
        ] {
            let error = load("", &environment, &flags).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let missing = Sources { file: Some("/nowhere/afterglow.toml".into()), ..Sources::default() }.load();
        assert!(matches!(missing, Err(LoadError::Read { .. })));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (name, value, expected) in [
            (
                "INGEST__CONFIRM_DEADLINE_MS",
                "6000",
                "ingest.confirm_deadline_ms: 6000 is not within 1 and 4500: Meta waits 5 s",
            ),
            ("INGEST__IN_FLIGHT_MAX", "0", "ingest.in_flight_max: 0 is not within"),
            ("SCORER__BATCH_MAX", "0", "scorer.batch_max: 0 is not within"),
            ("RESPONDER__CONCURRENCY", "0", "responder.concurrency: 0 is not within"),
            ("RESPONDER__SENDS_PER_SECOND", "5000", "responder.sends_per_second: 5000 is not within"),
            ("TRACES__SAMPLE_PERCENT", "101", "traces.sample_percent: 101 is not within"),
            ("TRACES__ENDPOINT", "collector:4318", "traces.endpoint: it does not begin with http://"),
        ] {
            let error = load("", &[(&format!("AFTERGLOW_{name}"), value)], &[]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret_and_can_be_loaded_again() {
        let environment = [
            ("DATABASE_URL", "postgres://u:s3cret@db/a"),
            ("AFTERGLOW_META__APP_SECRETS", "s3cret"),
            ("AFTERGLOW_META__VERIFY_TOKEN", "s3cret"),
            ("AFTERGLOW_KEYS__RING", "a:s3cret"),
        ];
        let shown = toml::to_string(&load("", &environment, &[]).unwrap()).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(load(&shown, &[], &[]).is_ok());
        insta::assert_snapshot!(shown);
    }
}
