//! Columns to domain types and back. A stored value that this version cannot read is an error, never a guess.

use afterglow_domain::{
    AccountId, BrandId, Consent, ConsentState, DerivedId, Interaction, InteractionId, Segment, Timestamp, ViewerId,
};
use serde::Serialize;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use uuid::Uuid;

use crate::engine::row;
use crate::{StoreError, fragments};

pub(crate) fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::codec(what, error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::codec(what, error))
}

/// Reads an enum by the name under which serde writes it.
pub(crate) fn from_name<T: DeserializeOwned>(what: &'static str, name: &str) -> Result<T, StoreError> {
    let name: StrDeserializer<'_, NameError> = name.into_deserializer();
    T::deserialize(name).map_err(|error| StoreError::codec(what, error))
}

pub(crate) const fn segment_to_number(segment: Segment) -> i64 {
    match segment {
        Segment::Hot => 0,
        Segment::Warm => 1,
        Segment::Cool => 2,
    }
}

pub(crate) fn segment_from_number(number: i64) -> Result<Segment, StoreError> {
    usize::try_from(number)
        .ok()
        .and_then(|index| Segment::ALL.get(index).copied())
        .ok_or_else(|| StoreError::codec("viewer.segment", format!("no segment has the number {number}")))
}

pub(crate) fn moment(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(Timestamp::from_millis)
}

/// What [`InteractionColumns`] are read from: the columns of the interaction that a statement calls by this name, with the key of
/// its fragment.
macro_rules! interaction_columns {
    ($interaction:literal) => {
        concat!(
            $interaction,
            ".id, ",
            $interaction,
            ".brand, ",
            $interaction,
            ".account, ",
            $interaction,
            ".viewer, ",
            $interaction,
            ".username, ",
            $interaction,
            ".channel, ",
            $interaction,
            ".source, ",
            $interaction,
            ".occurred_ms, ",
            $interaction,
            ".received_ms, ",
            $interaction,
            ".standby, ",
            $interaction,
            ".body, ",
            $interaction,
            ".raw, (SELECT k.key FROM viewer_key k WHERE k.account = ",
            $interaction,
            ".account AND k.viewer = ",
            $interaction,
            ".viewer) AS raw_key"
        )
    };
}
pub(crate) use interaction_columns;

row! {
    struct InteractionColumns {
        id: Uuid,
        brand: String,
        account: String,
        viewer: Option<String>,
        username: Option<String>,
        channel: String,
        source: String,
        occurred_ms: i64,
        received_ms: i64,
        standby: bool,
        body: String,
        raw: Option<String>,
        raw_key: Option<Vec<u8>>,
    }
}

impl InteractionColumns {
    pub(crate) fn decode(self) -> Result<Interaction, StoreError> {
        let id = InteractionId::from_uuid(self.id);
        let raw = self.raw.map(|raw| fragments::opened(raw, self.raw_key.as_deref(), id)).transpose()?.flatten();
        Ok(Interaction {
            id,
            brand: BrandId::new(self.brand),
            account: AccountId::new(self.account),
            viewer: self.viewer.map(ViewerId::new),
            username: self.username,
            channel: from_name("interaction.channel", &self.channel)?,
            source: from_name("interaction.source", &self.source)?,
            occurred: Timestamp::from_millis(self.occurred_ms),
            received: Timestamp::from_millis(self.received_ms),
            standby: self.standby,
            body: from_json("interaction.body", &self.body)?,
            raw,
        })
    }
}

/// The consent part of a fence row.
pub(crate) fn consent(
    clear_state: Option<&str>,
    clear_ms: Option<i64>,
    ambiguous_ms: Option<i64>,
) -> Result<Consent, StoreError> {
    let clear = match (clear_state, clear_ms) {
        (Some(name), Some(ms)) => {
            let state = ConsentState::from_name(name)
                .ok_or_else(|| StoreError::codec("consent.clear_state", format!("unknown state {name:?}")))?;
            Some((state, Timestamp::from_millis(ms)))
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(StoreError::codec("consent.clear_ms", "state and time must stand together"));
        }
    };
    Ok(Consent { clear, ambiguous: moment(ambiguous_ms) })
}
