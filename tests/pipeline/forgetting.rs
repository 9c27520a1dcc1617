//! One person asks what is kept of them, and to be forgotten.

use afterglow_sim::Pace;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, in_both_forms};
use crate::processes::run;

in_both_forms!(a_person_is_shown_and_forgotten);

async fn a_person_is_shown_and_forgotten(installation: Installation) {
    let plan = installation.plan(17, 150);
    let never = CancellationToken::new();
    installation.sim.run_traffic(&installation.webhook_url(), plan.clone(), Pace::Fast, &never).await;
    installation.at_rest().await;
    let account = &installation.sim.accounts()[0];
    let viewer = {
        let brand = installation.store.brand(&account.brand);
        let sent =
            brand.recent_decisions(1_000).await.unwrap().into_iter().find(|record| record.send.is_some()).unwrap();
        sent.viewer.as_str().to_owned()
    };
    let environment = &installation.environment;
    let of = |what: &str| {
        let person = ["--brand", account.brand.as_str(), "--account", account.id.as_str(), "--viewer", &viewer];
        run(&[&["viewer", what][..], &person].concat(), environment, "")
    };
    let exported = of("export");
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let kept: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert!(!kept["interactions"].as_array().unwrap().is_empty() && !kept["decisions"].as_array().unwrap().is_empty());
    assert!(kept["interactions"][0]["data"]["raw"].is_object(), "Meta's own fragment as well: {kept}");

    let forgotten = of("forget");
    assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
    let receipt: Value = serde_json::from_slice(&forgotten.stdout).unwrap();
    assert!(receipt["rows"].as_u64().unwrap() > 3 && !receipt.to_string().contains(&viewer), "{receipt}");
    let shown = run(&["viewer", "receipt", receipt["code"].as_str().unwrap()], environment, "");
    assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap(), receipt);
    assert_eq!(of("export").status.code(), Some(1), "nothing is left");

    // All of it comes once more, as from a backup.
    let before = installation.sim.totals().requests;
    installation.sim.run_traffic(&installation.webhook_url(), plan, Pace::Fast, &never).await;
    installation.at_rest().await;
    assert_eq!(of("export").status.code(), Some(1), "and nothing comes back");
    assert_eq!(installation.sim.totals().requests, before, "nobody is written to twice");
}
