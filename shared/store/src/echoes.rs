//! Echoes of our own messages. An echo proves that a message went out, and so settles the send it belongs to, whatever
//! was believed of it.

use std::collections::{BTreeSet, HashMap};

use afterglow_domain::{
    AccountId, Body, BrandId, DerivedId, Interaction, Message, SendId, Timestamp, ViewerId, ViewerKey,
};
use uuid::Uuid;

use crate::engine::{Ids, Sql, Texts, Tx, on_tx, row};
use crate::{StoreError, consent, sends};

const FIND: Sql = Sql {
    postgres: "SELECT id, intent, brand, account, viewer, status, meta_message_id FROM send WHERE id = ANY($1)
        UNION SELECT id, intent, brand, account, viewer, status, meta_message_id FROM send
            WHERE meta_message_id = ANY($2)",
    sqlite: "SELECT id, intent, brand, account, viewer, status, meta_message_id FROM send
            WHERE id IN (SELECT unhex(value) FROM json_each($1))
        UNION SELECT id, intent, brand, account, viewer, status, meta_message_id FROM send
            WHERE meta_message_id IN (SELECT value FROM json_each($2))",
};

row! {
    struct Candidate {
        id: Uuid,
        intent: Uuid,
        brand: String,
        account: String,
        viewer: String,
        status: String,
        meta_message_id: Option<String>,
    }
}

impl Candidate {
    fn key(&self) -> ViewerKey {
        ViewerKey { account: AccountId::new(self.account.as_str()), viewer: ViewerId::new(self.viewer.as_str()) }
    }

    /// Nothing is left to learn from its echo but that it came.
    fn is_known_sent(&self) -> bool {
        self.status == "sent" && self.meta_message_id.is_some()
    }

    /// Anyone who sends through the account can write any metadata, so the conversation must be the same too.
    fn is_echoed_by(&self, interaction: &Interaction) -> bool {
        interaction.brand.as_str() == self.brand
            && interaction.account.as_str() == self.account
            && interaction.viewer.as_ref().is_none_or(|viewer| viewer.as_str() == self.viewer)
    }
}

/// Settles the sends that are echoed among the new interactions.
pub(crate) async fn settle(tx: &mut Tx, new: &[&Interaction], now: Timestamp) -> Result<(), StoreError> {
    let mut by_send: HashMap<Uuid, (&Interaction, &Message)> = HashMap::new();
    let mut by_mid: HashMap<&str, (&Interaction, &Message)> = HashMap::new();
    for interaction in new {
        let Body::MessageSent(message) = &interaction.body else { continue };
        if let Some(send) = message.metadata.as_deref().and_then(SendId::of_metadata) {
            by_send.insert(send.uuid(), (interaction, message));
        }
        if !message.mid.is_empty() {
            by_mid.insert(&message.mid, (interaction, message));
        }
    }
    if by_send.is_empty() && by_mid.is_empty() {
        return Ok(());
    }
    let sql = tx.sql(&FIND);
    let ids = Ids(by_send.keys().copied().collect());
    let mids = Texts(by_mid.keys().map(|mid| (*mid).to_owned()).collect());
    let candidates: Vec<Candidate> =
        on_tx!(&mut *tx, |connection| sqlx::query_as(sql).bind(ids).bind(mids).fetch_all(connection).await?);
    let (mut settled, mut known) = (Vec::new(), Vec::new());
    let mut fences = BTreeSet::new();
    for candidate in candidates {
        let echo = by_send
            .get(&candidate.id)
            .or_else(|| by_mid.get(candidate.meta_message_id.as_deref()?))
            .filter(|(interaction, _)| candidate.is_echoed_by(interaction));
        if let Some((_, message)) = echo {
            if candidate.is_known_sent() {
                known.push(candidate.id);
                continue;
            }
            fences.insert((candidate.key(), candidate.brand.clone()));
            settled.push((candidate, message));
        }
    }
    for (key, brand) in fences {
        consent::lock_fence(tx, &BrandId::new(brand), &key.account, &key.viewer, now).await?;
    }
    settled.sort_by_key(|(candidate, _)| candidate.id);
    for (candidate, message) in settled {
        let mid = (!message.mid.is_empty()).then_some(message.mid.as_str());
        let send = SendId::from_uuid(candidate.id);
        sends::mark_sent(tx, send, candidate.intent, mid, Some(now), now).await?;
    }
    sends::confirm(tx, known, now).await
}
