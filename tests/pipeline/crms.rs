//! Viewers in CRMs' own records: HubSpot, Salesforce and a generic one, written by a process that is killed, slowed down by the
//! CRM, refused and mended; each holds in the end what is known, and nothing was written that was there already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;

use crate::feed::{afterglow, nobody, traffic, with_crm};
use crate::installation::{Installation, PATIENCE, in_both_forms};
use crate::processes::run;
use crate::{hubspot_sim, salesforce_sim};

in_both_forms!(every_crm_holds_what_is_known);

type Records = Arc<Mutex<BTreeMap<String, Value>>>;

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Any CRM: keeps what it is told by id, and refuses one viewer until it is told otherwise.
fn generic(records: &Records, refused: &Arc<Mutex<Option<String>>>) -> Router {
    let (records, refused) = (Arc::clone(records), Arc::clone(refused));
    let take = move |headers: HeaderMap, body: Bytes| {
        let (records, refused) = (Arc::clone(&records), Arc::clone(&refused));
        async move {
            assert!(headers.contains_key("idempotency-key"));
            let record: Value = serde_json::from_slice(&body).unwrap();
            let id = record["id"].as_str().unwrap().to_owned();
            if refused.lock().unwrap().get_or_insert_with(|| id.clone()) == &id {
                return (StatusCode::UNPROCESSABLE_ENTITY, "no such viewer, we think");
            }
            records.lock().unwrap().insert(id, record);
            (StatusCode::OK, "")
        }
    };
    Router::new().route("/viewers", post(take))
}

/// Gives a connection its token.
fn token(installation: &Installation, brand: &str, connection: &str, token: &str) {
    let of = ["feed", "crm", "token", connection, "--brand", brand];
    let output = tokio::task::block_in_place(|| run(&of, &installation.environment, token));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What `feed crm list` says of a connection.
fn listed(installation: &Installation, brand: &str, connection: &str) -> Value {
    let lines = afterglow(installation, &["feed", "crm", "list", "--brand", brand]);
    let mut each = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    each.find(|one| one["connection"] == connection).unwrap()
}

macro_rules! until {
    ($installation:expr, $what:literal, $condition:expr) => {
        let begun = Instant::now();
        while !$condition {
            assert!(begun.elapsed() < PATIENCE, "never: {}\n{}", $what, $installation.logs());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
}

async fn every_crm_holds_what_is_known(mut installation: Installation) {
    let service = with_crm(&mut installation).await;
    let brand = installation.sim.accounts()[0].brand.clone();
    let name = brand.as_str().to_owned();
    let hubspot = hubspot_sim::Sim::default();
    let salesforce = salesforce_sim::Sim::default();
    let (records, refused) = (Records::default(), Arc::new(Mutex::new(None)));
    let urls = [
        serve(hubspot_sim::router(&hubspot)).await,
        serve(salesforce_sim::router(&salesforce)).await,
        serve(generic(&records, &refused)).await,
    ];
    hubspot.lock().unwrap().limited = 1; // the first request is one too many
    let document = format!(
        "brand: {name}\ncrm:\n  - name: hub\n    crm: hubspot\n    url: {}\n    external_id: afterglow_id\n    fields: {{ username: \
         ig_username, segment: story_segment, tags: story_tags }}\n  - name: force\n    crm: salesforce\n    object: Contact\n    \
         url: {}\n    external_id: AfterglowId__c\n    fields: {{ name: LastName, segment: Segment__c }}\n  - name: other\n    \
         crm: generic\n    url: {}/viewers\n    external_id: id\n    fields: {{ segment: segment, consent: consent, username: \
         username }}\n",
        urls[0], urls[1], urls[2],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brand.yaml");
    std::fs::write(&file, document.replace("segment: story_segment", "segmnet: story_segment")).unwrap();
    let path = file.to_str().unwrap();
    let wrong = tokio::task::block_in_place(|| run(&["brand", "apply", path], &installation.environment, ""));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("there is no \"segmnet\" to map"), "{said}");
    std::fs::write(&file, document).unwrap();
    afterglow(&installation, &["brand", "apply", path]);
    token(&installation, &name, "hub", "pat-eu1-wrong");
    token(&installation, &name, "force", salesforce_sim::TOKEN);
    traffic(&installation, 91).await;
    until!(installation, "something is written", records.lock().unwrap().len() > 3);
    // In the midst of it the process that writes is gone, and another takes its place.
    installation.take(service).kill();
    installation.spawn(service);
    installation.ready().await;
    traffic(&installation, 92).await;
    installation.at_rest().await;

    // A token that is refused pauses its connection, with the reason, and no other.
    until!(installation, "the wrong token is noticed", listed(&installation, &name, "hub")["paused"].is_string());
    let why = listed(&installation, &name, "hub")["paused"].to_string();
    assert!(why.contains("Authentication credentials not found"), "{why}");
    token(&installation, &name, "hub", hubspot_sim::TOKEN);

    let store = installation.store.clone();
    let scoped = store.brand(&brand);
    let settled = |connection: &str| {
        let one = listed(&installation, &name, connection);
        one["behind"] == 0 && one["written"] != 0
    };
    until!(installation, "all is told", store.brands_with_marks(9).await.unwrap().is_empty());
    until!(installation, "all is settled", ["hub", "force", "other"].into_iter().all(settled));

    let rows = scoped.viewers_after(&nobody(), 10_000).await.unwrap();
    assert!(rows.len() > 10);
    let refused_one = refused.lock().unwrap().clone().unwrap();
    let refused_by_force = afterglow(&installation, &["feed", "crm", "refused", "force", "--brand", &name]);
    assert!(refused_by_force.lines().all(|line| line.contains("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")));
    for row in &rows {
        let id = row.key.to_string();
        let segment = row.segment.as_str();
        assert_eq!(hubspot.lock().unwrap().contacts[&id]["story_segment"], segment, "{id}");
        // Its picklist has no "cool": what it refuses is kept with its words, and holds up nobody else.
        match salesforce.lock().unwrap().contacts.get(&id) {
            Some(record) if segment != "cool" => assert_eq!(record["Segment__c"], segment, "{id}"),
            _ => assert!(segment == "cool" && refused_by_force.contains(&id), "{id}: {refused_by_force}"),
        }
        match records.lock().unwrap().get(&id) {
            Some(record) => assert_eq!(record["segment"], segment, "{record}"),
            None => assert_eq!(id, refused_one, "only the one that was refused is missing"),
        }
    }
    let refusals = afterglow(&installation, &["feed", "crm", "refused", "other", "--brand", &name]);
    assert!(refusals.contains("no such viewer, we think") && refusals.lines().count() == 1, "{refusals}");

    // What was refused is tried again when somebody says so; the others are not written a second time.
    *refused.lock().unwrap() = Some(String::new());
    let before = hubspot.lock().unwrap().batch_sizes.len();
    afterglow(&installation, &["feed", "crm", "refused", "other", "--brand", &name, "--retry"]);
    until!(installation, "the refused one is there", records.lock().unwrap().contains_key(&refused_one));
    until!(installation, "all is settled again", ["hub", "force", "other"].into_iter().all(settled));
    assert_eq!(hubspot.lock().unwrap().batch_sizes.len(), before, "nothing new, so nothing is written");

    // Of a person who is forgotten the CRM keeps nothing that we told it.
    let row = rows.iter().find(|row| row.username.is_some()).unwrap();
    let (account, viewer) = (row.key.account.as_str(), row.key.viewer.as_str());
    afterglow(&installation, &["viewer", "forget", "--brand", &name, "--account", account, "--viewer", viewer]);
    until!(installation, "the forgotten one is emptied", {
        let records = records.lock().unwrap();
        records[&row.key.to_string()]["username"].is_null() && records[&row.key.to_string()]["consent"] == "opted_out"
    });
    until!(installation, "the others settle", ["hub", "force"].into_iter().all(settled));
    let known = scoped.crm_written("other", std::slice::from_ref(&row.key)).await.unwrap();
    assert!(known.is_empty(), "that it was told is remembered no longer");
}
