//! `afterglow doctor`: what is wrong, and how to mend it.

use std::process::ExitCode;

use afterglow_bus::Lane;
use afterglow_runtime::{Settings, error_chain};
use afterglow_store::{SCHEMA_VERSION, Store};
use serde::Serialize;

use crate::installation::{clock, forget_key, keyring, oidc, open_bus, open_store};

/// Checks the database, its schema, the broker's queues, the keys, the secrets and the clock
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// How far the database's clock may be from ours, in ms. Windows are judged a minute early.
const SKEW_MS: i64 = 5_000;

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<&'static str>,
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, ok: true, found: found.into(), mend: None }
}

fn bad(check: &'static str, found: impl Into<String>, mend: &'static str) -> Finding {
    Finding { check, ok: false, found: found.into(), mend: Some(mend) }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    match open_store(settings).await {
        Err(error) => findings.push(bad(
            "database",
            format!("{error:#}"),
            "start the database, or correct DATABASE_URL (database.url)",
        )),
        Ok(store) => {
            findings.push(good("database", format!("{} answers", store.engine_name())));
            findings.extend(schema(&store).await);
            store.close().await;
        }
    }
    findings.extend(bus(settings).await);
    findings.push(match keyring(settings) {
        Ok(keys) => good("keys", format!("{keys:?}; the first seals")),
        Err(error) => bad("keys", format!("{error:#}"), "`afterglow keys generate`, then set keys.ring"),
    });
    findings.push(match forget_key(settings) {
        Ok(Some(_)) => good("forgetting", "its key is there"),
        Ok(None) => bad(
            "forgetting",
            "no key: nobody can be forgotten, and nothing is removed when its time is over",
            "set AFTERGLOW_KEYS__FORGETTING (`openssl rand -hex 32`), and keep it as long as the database",
        ),
        Err(error) => bad("forgetting", format!("{error:#}"), "correct keys.forgetting: any 16 bytes or more"),
    });
    findings.extend(secrets(settings));
    findings.extend(sign_in(settings).await);
    let well = findings.iter().all(|finding| finding.ok);
    for finding in &findings {
        if options.json {
            crate::output::line(serde_json::to_string(finding)?)?;
            continue;
        }
        let Finding { check, ok, found, mend } = finding;
        crate::output::line(format!("{}  {check:<14} {found}", if *ok { "ok  " } else { "FAIL" }))?;
        if let Some(mend) = mend {
            crate::output::line(format!("      {:<14} → {mend}", ""))?;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn schema(store: &Store) -> Vec<Finding> {
    let version = store.schema_version().await.unwrap_or_default();
    let mut findings = vec![match store.check_schema().await {
        Ok(()) if version > SCHEMA_VERSION => good(
            "schema",
            format!("version {version}, newer than this program's {SCHEMA_VERSION} and open to it: finish the upgrade"),
        ),
        Ok(()) => good("schema", format!("version {SCHEMA_VERSION}, as this program needs it")),
        Err(error) if version < SCHEMA_VERSION => bad("schema", error_chain(&error), "`afterglow migrate`"),
        Err(error) => bad("schema", error_chain(&error), "run the release that made this schema, or a newer one"),
    }];
    let before = clock()();
    findings.push(match store.now().await {
        Ok(theirs) => {
            let skew = theirs.since(before);
            let found = format!("the database's clock is {skew} ms from ours");
            if skew.abs() <= SKEW_MS {
                good("clock", found)
            } else {
                bad("clock", found, "synchronise the clocks (NTP): windows are judged by them")
            }
        }
        Err(error) => bad("clock", error_chain(&error), "see above: the database does not answer"),
    });
    if store.engine_name() == "postgres" {
        findings.push(wall(store).await);
    }
    findings
}

/// Whether PostgreSQL itself keeps brands apart.
async fn wall(store: &Store) -> Finding {
    match store.brand_role().await {
        Ok(Some(role)) => {
            good("walls", format!("a brand's queries run in the role {role}, which sees that brand alone"))
        }
        Ok(None) => good(
            "walls",
            "every query names its brand; a second wall in PostgreSQL needs a role: see docs/security.md, then `afterglow migrate`",
        ),
        Err(error) => bad("walls", error_chain(&error), "see above: the database does not answer"),
    }
}

async fn bus(settings: &Settings) -> Vec<Finding> {
    let bus = match open_bus(settings, "doctor").await {
        Ok(bus) => bus,
        Err(error) => {
            let mend = "start RabbitMQ 3.10 or later, or correct AMQP_URL (bus.url); the text above names a queue that \
                        differs, if one does";
            return vec![bad("bus", format!("{error:#}"), mend)];
        }
    };
    let mut findings = Vec::new();
    for lane in Lane::ALL {
        findings.push(match bus.depth(lane).await {
            Ok(depth) if depth.dead > 0 => bad(
                "bus",
                format!("{}: {} waiting, {} dead letters", lane.as_str(), depth.ready, depth.dead),
                "read their reasons in the broker, mend the cause, and move them back to the queue",
            ),
            Ok(depth) => good("bus", format!("{}: {} waiting", lane.as_str(), depth.ready)),
            Err(error) => bad("bus", error_chain(&error), "is the broker up?"),
        });
    }
    bus.close().await;
    findings
}

/// The identity provider, if one is set: whether it answers, and where it has to send people back to.
async fn sign_in(settings: &Settings) -> Option<Finding> {
    let base = settings.console.public_url.clone().unwrap_or_else(|| format!("http://{}", settings.console.listen));
    let oidc = match oidc(settings, &base) {
        Ok(oidc) => oidc?,
        Err(error) => return Some(bad("sign-in", format!("{error:#}"), "correct console.oidc.issuer")),
    };
    Some(match oidc.check().await {
        Ok(found) => good("sign-in", found),
        Err(error) => bad("sign-in", error_chain(&error), "is console.oidc.issuer right, and reached from here?"),
    })
}

fn secrets(settings: &Settings) -> Vec<Finding> {
    let meta = &settings.meta;
    let mut findings = Vec::new();
    findings.push(if meta.app_secrets.is_empty() {
        bad("app secrets", "none", "set AFTERGLOW_META__APP_SECRETS: without it no webhook can be verified")
    } else {
        good("app secrets", format!("{}", meta.app_secrets.len()))
    });
    findings.push(if meta.verify_token.is_some() {
        good("verify token", "set")
    } else {
        bad("verify token", "none", "set AFTERGLOW_META__VERIFY_TOKEN to what Meta's handshake is to show")
    });
    findings.push(if meta.app_ids.is_empty() {
        bad("app ids", "none", "set AFTERGLOW_META__APP_IDS, or a conversation handed back is not noticed")
    } else {
        good("app ids", meta.app_ids.join(", "))
    });
    findings
}
