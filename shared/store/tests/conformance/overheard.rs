use afterglow_domain::{ConsentState, Control, FenceChange};

use crate::given::{Given, NOW, at, change, control, on_both, ready};

on_both!(what_a_fence_bears_is_not_unheard, of_many_changes_those_are_found_that_nobody_recorded);

async fn what_a_fence_bears_is_not_unheard(given: Given) {
    ready(&given).await;
    let consent = |state, n| FenceChange::Consent(change("1", state, n));
    let led = |control_by, n| FenceChange::Control(control("1", control_by, n));
    // Each is unheard if so said; then it is recorded.
    for (said, unheard) in [
        (consent(ConsentState::OptedOut, 5), true),
        (consent(ConsentState::OptedOut, 5), false),
        (consent(ConsentState::OptedIn, 4), false),
        (consent(ConsentState::OptedIn, 5), false),
        (consent(ConsentState::Ambiguous, 3), true),
        (consent(ConsentState::Ambiguous, 2), false),
        (consent(ConsentState::OptedIn, 6), true),
        (led(Control::Person, 5), true),
        (led(Control::Person, 5), false),
        (led(Control::Person, 4), false),
        (led(Control::App, 4), true),
        (led(Control::Automation, 7), true),
        (led(Control::Automation, 6), false),
        (led(Control::Person, 8), true),
    ] {
        let changes = [said];
        let found = given.store.unheard(&changes).await.unwrap();
        assert_eq!(!found.is_empty(), unheard, "{changes:?}");
        given.store.record(&changes[0], NOW).await.unwrap();
        assert!(given.store.unheard(&changes).await.unwrap().is_empty(), "{changes:?}");
    }
}

async fn of_many_changes_those_are_found_that_nobody_recorded(given: Given) {
    ready(&given).await;
    assert!(given.store.unheard(&[]).await.unwrap().is_empty());
    let said: Vec<FenceChange> = (0..40)
        .map(|n: i64| {
            let viewer = (n / 2).to_string();
            if n % 2 == 0 {
                FenceChange::Consent(change(&viewer, ConsentState::OptedOut, n))
            } else {
                FenceChange::Control(control(&viewer, Control::Person, n))
            }
        })
        .collect();
    for recorded in said.iter().step_by(3) {
        given.store.record(recorded, at(100)).await.unwrap();
    }
    let unheard: Vec<FenceChange> = given.store.unheard(&said).await.unwrap().into_iter().cloned().collect();
    let expected: Vec<FenceChange> =
        said.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, said)| said.clone()).collect();
    assert_eq!(unheard, expected);
}
