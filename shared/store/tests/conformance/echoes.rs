use afterglow_domain::{AccountId, Body, DerivedId, IntentStatus, Interaction, InteractionId, Message, ViewerId};
use afterglow_store::{Finished, SendStatus};

use crate::given::{Given, NOW, account, apply, message, on_both, ready, send_status};
use crate::sends::{begun, intents, refused, sent, unknown};

on_both!(an_echo_proves_that_it_was_sent, a_stranger_s_echo_proves_nothing, an_echo_by_message_id_alone);

fn echo(viewer: &str, mid: &str, metadata: Option<String>) -> Interaction {
    Interaction {
        id: InteractionId::derive(&["echo", viewer, mid]),
        body: Body::MessageSent(Message { mid: mid.into(), metadata, ..Message::default() }),
        ..message(viewer, 99)
    }
}

async fn an_echo_proves_that_it_was_sent(given: Given) {
    ready(&given).await;
    for (n, before) in [None, Some(unknown()), Some(refused()), Some(sent("m"))].into_iter().enumerate() {
        let viewer = format!("v{n}");
        let (intent, send) = begun(&given, &viewer).await;
        if let Some(outcome) = before {
            given.store.finish_send(send, &outcome, NOW).await.unwrap();
        }
        apply(&given.store, &[echo(&viewer, &format!("m{n}"), Some(send.to_string()))]).await;
        assert_eq!(send_status(&given.store, &intent).await, Some(SendStatus::Sent), "case {n}");
        // The caller's own report comes after the echo, and changes nothing.
        let late = given.store.finish_send(send, &unknown(), NOW).await.unwrap();
        assert_eq!(late, Finished::Already(SendStatus::Sent));
    }
    assert_eq!(intents(&given).await, [(IntentStatus::Sent, 4)]);
}

async fn a_stranger_s_echo_proves_nothing(given: Given) {
    ready(&given).await;
    given.store.upsert_account(&account("2", "lumen")).await.unwrap();
    let (intent, send) = begun(&given, "1").await;
    let metadata = Some(send.to_string());
    let other_account = Interaction { account: AccountId::new("2"), ..echo("1", "a", metadata.clone()) };
    let other_viewer = Interaction { viewer: Some(ViewerId::new("2")), ..echo("1", "b", metadata) };
    let no_send = echo("1", "c", Some("not an id".into()));
    apply(&given.store, &[other_account, other_viewer, no_send]).await;
    assert_eq!(send_status(&given.store, &intent).await, Some(SendStatus::Sending));
}

async fn an_echo_by_message_id_alone(given: Given) {
    ready(&given).await;
    let (intent, send) = begun(&given, "1").await;
    given.store.finish_send(send, &sent("m.1"), NOW).await.unwrap();
    let applied = apply(&given.store, &[echo("1", "m.1", None), echo("1", "m.2", None)]).await;
    assert_eq!(applied.accepted, 2);
    assert_eq!(send_status(&given.store, &intent).await, Some(SendStatus::Sent));
}
