//! Any order of judging, starting, finishing, crashing, sweeping and opting out: at most one message goes out.

use afterglow_domain::{ConsentState, Intent};
use afterglow_store::{Finished, Judged, Reservation, Resolution, SendStatus, Start};

use crate::given::{
    Given, LEASE_MS, apply, at, change, intent_for, judge, judge_and_start, message, on_both, ready, send_status,
};
use crate::sends::{busy, refused, sent, unknown};

on_both!(no_schedule_sends_twice);

/// A small generator of our own, so that a failing schedule can be named by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What the world outside knows.
#[derive(Default)]
struct Outside {
    /// Reservations that callers still hold, dead ones among them.
    held: Vec<Reservation>,
    /// A call to Meta has begun, and nobody has said that it was refused.
    out: bool,
    /// The viewer said stop.
    stopped: bool,
}

async fn no_schedule_sends_twice(given: Given) {
    ready(&given).await;
    for seed in 0..40 {
        let viewer = format!("v{seed}");
        let cause = message(&viewer, 1);
        apply(&given.store, std::slice::from_ref(&cause)).await;
        let intent = intent_for(&cause);
        let (mut dice, mut outside, mut now) = (Dice(seed), Outside::default(), 0);
        for step in 0..25 {
            now += i64::try_from(dice.roll(3)).unwrap() * LEASE_MS / 2;
            take_a_step(&given, &intent, &mut dice, &mut outside, now)
                .await
                .unwrap_or_else(|fault| panic!("seed {seed}, step {step}: {fault}"));
        }
    }
}

async fn take_a_step(
    given: &Given,
    intent: &Intent,
    dice: &mut Dice,
    outside: &mut Outside,
    now: i64,
) -> Result<(), String> {
    let (store, send, now) = (&given.store, intent.send_id(), at(now));
    match dice.roll(12) {
        0 => {
            if let Judged::Started(_) = judge_and_start(store, intent, now).await {
                if outside.out || outside.stopped {
                    return Err("judged and started though a message is out, or the viewer said stop".into());
                }
                outside.out = true;
            }
        }
        1..=2 => {
            if let Judged::Reserved(reservation) = judge(store, intent, now).await {
                if outside.out || outside.stopped {
                    return Err("reserved though a message is out, or the viewer said stop".into());
                }
                outside.held.push(reservation);
            }
        }
        3..=6 => {
            let Some(last) = outside.held.len().checked_sub(1) else { return Ok(()) };
            let chosen = outside.held[usize::try_from(dice.roll(last as u64 + 1)).unwrap()].clone();
            if store.start_send(&chosen, now, LEASE_MS).await.unwrap() == Start::Go {
                if outside.out || outside.stopped {
                    return Err("started though a message is out, or the viewer said stop".into());
                }
                outside.out = true;
            }
        }
        7 => {
            store.expire_leases(now).await.unwrap();
        }
        8 => {
            store.due_intents(now, 100, LEASE_MS).await.unwrap();
        }
        9 if dice.roll(4) == 0 => {
            store.record_consent(&change(intent.viewer.as_str(), ConsentState::OptedOut, 1), now).await.unwrap();
            outside.stopped = true;
        }
        _ if outside.out => {
            let before = send_status(store, intent).await;
            let outcome =
                [sent("m"), refused(), unknown(), busy(), busy()][usize::try_from(dice.roll(5)).unwrap()].clone();
            if outcome == busy() && before == Some(SendStatus::Unknown) && dice.roll(2) == 0 {
                store.resolve_unknown(send, &Resolution::NotFound, now).await.unwrap();
            } else if store.finish_send(send, &outcome, now).await.unwrap() == Finished::Done && outcome == busy() {
                outside.out = false; // Meta said no, so nothing is out
            }
        }
        _ => {}
    }
    Ok(())
}
