//! Secrets stay where they belong: none of those that an installation is given is found in a log or a metric, whatever goes wrong.

use afterglow_sim::Pace;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, client, get, in_both_forms};

in_both_forms!(no_secret_is_told);

/// What must not be told, by name.
fn planted(installation: &Installation) -> Vec<(String, String)> {
    let mut planted: Vec<(String, String)> = Vec::new();
    for account in installation.sim.accounts() {
        planted.push((format!("access token of {}", account.id), account.access_token.expose_secret().to_owned()));
        planted.push((format!("app secret of {}", account.app.id), account.app.secret.expose_secret().to_owned()));
    }
    for (name, value) in &installation.environment {
        let secret = match name.as_str() {
            "AFTERGLOW_API__SECRETS" => value.split_once(':').map(|(_, secret)| secret.to_owned()),
            "AFTERGLOW_KEYS__RING" | "AFTERGLOW_KEYS__FORGETTING" => Some(value.clone()),
            "DATABASE_URL" | "AMQP_URL" => {
                let password = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
                password.and_then(|(who, _)| who.split_once(':')).map(|(_, password)| format!(":{password}@"))
            }
            _ => None,
        };
        planted.extend(secret.map(|secret| (name.clone(), secret)));
    }
    planted
}

/// Which of the secrets stand in a text.
fn found<'a>(planted: &'a [(String, String)], text: &str) -> Vec<&'a str> {
    planted.iter().filter(|(_, secret)| text.contains(secret.as_str())).map(|(name, _)| name.as_str()).collect()
}

async fn no_secret_is_told(mut installation: Installation) {
    // Everything that can be logged is.
    for service in installation.services() {
        assert!(installation.take(service).terminate().await.success());
    }
    installation.environment.push(("AFTERGLOW_LOG__FILTER".into(), "trace,h2=info".into()));
    for service in installation.stopped() {
        installation.spawn(service);
    }
    installation.ready().await;
    let planted = planted(&installation);
    assert!(planted.len() >= 5, "there is something to look for: {}", planted.len());

    let plan = installation.plan(17, 120);
    let sim = installation.sim.clone();
    sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &CancellationToken::new()).await;
    installation.at_rest().await;
    // What goes wrong is told in more words: a wrong signature, nonsense, a token that is refused.
    let url = installation.webhook_url();
    for (signature, body) in [("sha256=00", "{}"), ("nonsense", "not json"), ("", "")] {
        let posted = client().post(&url).header("x-hub-signature-256", signature).body(body).send().await.unwrap();
        assert!(!posted.status().is_success());
    }
    let base = url.trim_end_matches("/webhooks/meta");
    let conversions = format!("{base}/v1/brands/brand-1/conversions");
    let refused =
        client().post(conversions).header("x-afterglow-signature", "sha256=00").body("{}").send().await.unwrap();
    assert!(!refused.status().is_success());

    let mut told = installation.all_logs();
    for service in installation.services() {
        told.push_str(&get(&installation.ops_url(service, "/metrics")).await.unwrap().1);
    }
    assert!(told.len() > 100_000, "there is much that could tell: {} bytes", told.len());
    assert_eq!(found(&planted, &told), Vec::<&str>::new());
    // And one that stood there would be found.
    let slip = format!("{told}{}", planted[0].1);
    assert_eq!(found(&planted, &slip), [planted[0].0.as_str()]);
    eprintln!("{} secrets, looked for in {} bytes of logs and metrics", planted.len(), told.len());
}
