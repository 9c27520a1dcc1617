//! Secrets that are sealed anew stay what they are, wherever they have moved to meanwhile.

use afterglow_store::{FeedEndpoint, FeedEndpointState, SealedSecret};
use sqlx::{Connection as _, PgConnection};

use crate::given::{Given, NOW, lumen, on_both, on_postgres, ready};

on_both!(an_endpoints_secrets_are_sealed_anew_in_both_places, a_connections_token_is_sealed_anew);

fn sealed(text: &str) -> SealedSecret {
    SealedSecret(text.as_bytes().to_vec())
}

async fn an_endpoints_secrets_are_sealed_anew_in_both_places(given: Given) {
    ready(&given).await;
    let (brand, store) = (lumen(), &given.store);
    let scope = store.brand(&brand);
    let endpoint = FeedEndpoint {
        brand: brand.clone(),
        id: "crm".into(),
        url: "https://crm.example".into(),
        state: FeedEndpointState::On,
        secret: sealed("first"),
        former: None,
        per_minute: 60,
        burst: 1,
        concurrency: 1,
        cursor: 0,
        created: NOW,
    };
    assert!(scope.add_feed_endpoint(&endpoint).await.unwrap());
    assert_eq!(store.sealed_feed_secrets().await.unwrap(), [(brand.clone(), "crm".to_owned(), sealed("first"))]);
    // It is replaced while it is being sealed anew: then it stands in the other place.
    assert!(scope.rotate_feed_secret("crm", &sealed("second"), NOW.plus(1_000)).await.unwrap());
    let mut all: Vec<_> =
        store.sealed_feed_secrets().await.unwrap().into_iter().map(|(_, _, secret)| secret.0).collect();
    all.sort();
    assert_eq!(all, [b"first".to_vec(), b"second".to_vec()]);
    assert!(store.reseal_feed_secret(&brand, "crm", &sealed("first"), &sealed("first, anew")).await.unwrap());
    assert!(store.reseal_feed_secret(&brand, "crm", &sealed("second"), &sealed("second, anew")).await.unwrap());
    assert!(!store.reseal_feed_secret(&brand, "crm", &sealed("first"), &sealed("x")).await.unwrap(), "no longer there");
    assert!(!store.reseal_feed_secret(&brand, "other", &sealed("second, anew"), &sealed("x")).await.unwrap());
    let found = scope.feed_endpoints().await.unwrap().remove(0);
    assert_eq!(found.secret, sealed("second, anew"));
    assert_eq!(found.former, Some((sealed("first, anew"), NOW.plus(1_000))));
}

async fn a_connections_token_is_sealed_anew(given: Given) {
    ready(&given).await;
    let (brand, store) = (lumen(), &given.store);
    let scope = store.brand(&brand);
    assert!(store.sealed_crm_tokens().await.unwrap().is_empty());
    scope.set_crm_token("hubspot", &sealed("token")).await.unwrap();
    assert_eq!(store.sealed_crm_tokens().await.unwrap(), [(brand.clone(), "hubspot".to_owned(), sealed("token"))]);
    assert!(store.reseal_crm_token(&brand, "hubspot", &sealed("token"), &sealed("anew")).await.unwrap());
    assert!(!store.reseal_crm_token(&brand, "hubspot", &sealed("token"), &sealed("x")).await.unwrap());
    assert_eq!(scope.crm_state("hubspot").await.unwrap().token, Some(sealed("anew")));
}

/// Columns of bytes: what the ring seals, which `afterglow keys rotate` has to take, and what it has nothing to do with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_of_bytes_has_its_place() {
    const RING: [&str; 5] = [
        "account.token_sealed",
        "crm_connection.token",
        "feed_endpoint.former",
        "feed_endpoint.secret",
        "person.totp_sealed",
    ];
    // A message, a fragment, and what a viewer's fragments are sealed with; hashes seal nothing.
    const OTHERS: [&str; 3] = ["outbox.body", "quarantine.payload", "viewer_key.key"];
    on_postgres(|given| async move {
        given.store.migrate().await.unwrap();
        let mut connection = PgConnection::connect(&given.url).await.unwrap();
        let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND data_type = 'bytea' AND table_name <> '_sqlx_migrations' ORDER BY 1";
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
        let placed = |name: &str| RING.contains(&name) || OTHERS.contains(&name) || name.ends_with("hash");
        let homeless: Vec<_> = found.iter().filter(|name| !placed(name)).collect();
        assert!(homeless.is_empty(), "sealed by the ring? Then `keys rotate` has to take them: {homeless:?}");
        assert!(RING.iter().all(|name| found.iter().any(|one| one == name)), "{found:?}");
    })
    .await;
}
