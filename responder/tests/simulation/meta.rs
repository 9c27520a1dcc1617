//! Meta, in this process: the simulator's world, with answers that go wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use afterglow_domain::{AccountId, Timestamp};
use afterglow_meta::graph::{DirectCall, DirectWire};
use afterglow_sim::Fault;
use afterglow_sim::world::{Delivered, SendCall, World};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::mutation::Mutation;

/// One history's Meta.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) dice: StdRng,
    /// Messages that went out, whose echo is due.
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) requests: u64,
    /// One request in so many goes wrong.
    pub(crate) fault_every: usize,
    last_person: Option<String>,
}

impl Stage {
    pub(crate) fn new(world: World, seed: u64) -> Self {
        Self {
            world,
            dice: StdRng::seed_from_u64(seed),
            delivered: Vec::new(),
            requests: 0,
            fault_every: 3,
            last_person: None,
        }
    }
}

/// The wire between the responder and whichever history is on.
pub(crate) struct Wire {
    pub(crate) stage: Mutex<Option<Stage>>,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) mutation: Option<Mutation>,
}

impl Wire {
    pub(crate) fn on_stage<T>(&self, act: impl FnOnce(&mut Stage) -> T) -> T {
        act(self.stage.lock().unwrap_or_else(PoisonError::into_inner).as_mut().unwrap())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }
}

impl DirectWire for Wire {
    fn call(&self, call: DirectCall) -> Option<(u16, Vec<u8>)> {
        let now = self.now();
        self.on_stage(|stage| if call.post { send(stage, &call, now, self.mutation) } else { read(stage, &call, now) })
    }
}

/// What may go wrong with one request in so many.
fn fault(dice: &mut StdRng, every: usize) -> Option<Fault> {
    const FAULTS: [Fault; 7] = [
        Fault::FalseFailure,
        Fault::HangAfterAccepting,
        Fault::ResetAfterAccepting,
        Fault::HtmlBody,
        Fault::EmptyBody,
        Fault::Unavailable,
        Fault::ResetBeforeAccepting,
    ];
    FAULTS.get(dice.random_range(0..FAULTS.len() * every)).copied()
}

fn send(stage: &mut Stage, call: &DirectCall, now: Timestamp, mutation: Option<Mutation>) -> Option<(u16, Vec<u8>)> {
    let mut body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    let person = body["recipient"]["id"].as_str().map(ToOwned::to_owned);
    match mutation {
        Some(Mutation::WrongPerson) => {
            if let Some(last) = stage.last_person.replace(person.clone().unwrap_or_default()) {
                body["recipient"]["id"] = json!(last);
            }
        }
        Some(Mutation::LongText) => body["message"]["text"] = json!("é".repeat(501)),
        _ => {}
    }
    let body = body.to_string().into_bytes();
    let fault = fault(&mut stage.dice, stage.fault_every);
    let account = call.path.split('/').next().unwrap_or_default();
    let token = call.token.expose_secret();
    let request = SendCall { node: account, token: Some(token), body: &body, started: now, fault };
    stage.requests += 1;
    let reply = stage.world.send(request);
    stage.delivered.extend(reply.delivered);
    let in_doubt = fault.is_some_and(|fault| !fault.loses_request());
    if in_doubt && mutation == Some(Mutation::RepeatsInDoubt) {
        let again = stage.world.send(SendCall { fault: None, ..request });
        stage.delivered.extend(again.delivered);
    }
    let error = |code: u32, subcode: u32| json!({ "error": { "message": "x", "type": "OAuthException", "code": code, "error_subcode": subcode } });
    match fault {
        None | Some(Fault::Slow) => Some((reply.status, reply.body.into_bytes())),
        Some(Fault::FalseFailure) => Some((400, error(1, 1_357_046).to_string().into_bytes())),
        Some(Fault::HtmlBody) => Some((502, b"<html>Bad gateway</html>".to_vec())),
        Some(Fault::EmptyBody) => Some((200, Vec::new())),
        Some(Fault::Unavailable) => Some((503, error(2, 0).to_string().into_bytes())),
        Some(Fault::HangAfterAccepting | Fault::ResetAfterAccepting | Fault::ResetBeforeAccepting) => None,
    }
}

/// The conversation with one person, as a sender of unknown fate asks for it.
fn read(stage: &mut Stage, call: &DirectCall, now: Timestamp) -> Option<(u16, Vec<u8>)> {
    let account = call.path.split('/').next().unwrap_or_default();
    if let Err(refusal) = stage.world.read_call(account, Some(call.token.expose_secret()), now, true) {
        return Some((refusal.status, refusal.body("sim").into_bytes()));
    }
    let person = call.query.iter().find(|(name, _)| name == "user_id").map(|(_, value)| value.as_str())?;
    let lines = stage.world.conversation(&AccountId::new(account), person).unwrap_or_default();
    let message = |line: &afterglow_sim::world::Line| {
        let from = if line.ours { account } else { person };
        json!({ "id": line.mid, "created_time": line.at.to_rfc3339(), "from": { "id": from }, "message": line.text })
    };
    let messages: Vec<_> = lines.iter().rev().take(20).map(message).collect();
    Some((200, json!({ "data": [{ "messages": { "data": messages } }] }).to_string().into_bytes()))
}
