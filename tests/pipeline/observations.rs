//! Names from a viewer list: they count, and nobody is written to because of them.

use afterglow_domain::{AccountId, BrandId, Kind, Segment, ViewerId, ViewerKey};
use serde_json::Value;

use crate::installation::{Installation, PATIENCE, in_both_forms};
use crate::processes::run;

in_both_forms!(observations_count_and_are_never_answered);

async fn observations_count_and_are_never_answered(mut installation: Installation) {
    let environment = installation.environment.clone();
    let (account, brand) = {
        let first = &installation.sim.accounts()[0];
        (first.id.as_str().to_owned(), first.brand.as_str().to_owned())
    };
    let embedded = installation.services() == ["all"];
    if embedded {
        // The embedded bus belongs to one process.
        assert!(installation.take("all").terminate().await.success());
    }
    let observe =
        |story: &str, names: &str| run(&["observe", "--account", &account, "--story", story, "-"], &environment, names);
    let first = observe("s1", "mila.10 #vip\n@jonas\nnot a name\n");
    let told = String::from_utf8_lossy(&first.stderr).into_owned();
    assert_eq!(first.status.code(), Some(1), "one line is bad");
    assert!(told.contains("line 3: "), "{told}");
    assert!(observe("s1", "mila.10\njonas\n").status.success(), "again, and nothing changes");
    assert!(observe("s2", "username,tags\nmila.10,\n").status.success());
    if embedded {
        installation.spawn("all");
        installation.ready().await;
    }
    let begun = std::time::Instant::now();
    while installation.totals().await.accepted < 3 {
        assert!(begun.elapsed() < PATIENCE, "{}", installation.logs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let totals = installation.at_rest().await;
    assert_eq!((totals.accepted, totals.duplicates), (3, 2));
    let brand_id = BrandId::new(brand.as_str());
    let store = installation.store.brand(&brand_id);
    let key = |name: &str| ViewerKey {
        account: AccountId::new(account.as_str()),
        viewer: ViewerId::new(format!("username:{name}")),
    };
    let mila = store.viewer(&key("mila.10"), 10).await.unwrap().unwrap();
    assert_eq!(mila.row.segment, Segment::Warm, "two views in 24 h");
    assert!(mila.interactions.iter().all(|seen| seen.kind() == Kind::ObservedView && !seen.is_contact()));
    let jonas = store.viewer(&key("jonas"), 10).await.unwrap().unwrap();
    assert_eq!((jonas.row.segment, jonas.row.last_contact), (Segment::Cool, None));
    assert_eq!((totals.all.intents.len(), installation.sim.totals().requests), (0, 0), "nobody is written to");

    let log = run(&["daily-log", "--brand", &brand, "--json"], &environment, "");
    assert!(log.status.success(), "{}", String::from_utf8_lossy(&log.stderr));
    let log: Value = serde_json::from_slice(&log.stdout).unwrap();
    let rows = log["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "a line for each viewer and Story");
    let of_mila: Vec<&Value> = rows.iter().filter(|row| row["username"] == "mila.10").collect();
    assert!(of_mila.iter().all(|row| row["trigger"] == "repeat" && row["required_action"] == "follow_up"), "{log}");
    assert!(of_mila[0]["tags"].as_array().unwrap().iter().any(|tag| tag == "repeat viewer"), "{log}");
    let csv = run(&["daily-log", "--brand", &brand], &environment, "");
    assert_eq!(String::from_utf8(csv.stdout).unwrap().lines().count(), 4);
}
