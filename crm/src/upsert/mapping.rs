//! Which of a viewer's facts go to which field.

use std::collections::BTreeMap;

use afterglow_domain::{CrmTarget, MappingError, MappingTable};

use super::value::Value;
use crate::viewer_record::ViewerRecord;

/// A fact about a viewer that can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The brand's slug.
    Brand,
    /// The account's id.
    Account,
    /// The viewer's id.
    Viewer,
    /// The handle; empty when unknown.
    Username,
    /// The handle, or the external id when it is unknown: never empty, for fields that may not be.
    Name,
    /// `hot`, `warm` or `cool`.
    Segment,
    /// The score.
    Score,
    /// The tags.
    Tags,
    /// `opted_in`, `opted_out`, `ambiguous`; empty if never spoken of.
    Consent,
    /// The last contact.
    LastContact,
    /// When first noticed.
    FirstSeen,
}

impl Source {
    /// All of them, with the names that a mapping table uses ([`afterglow_domain::FACTS`]).
    pub const ALL: [(&'static str, Source); 11] = [
        ("brand", Source::Brand),
        ("account", Source::Account),
        ("viewer", Source::Viewer),
        ("username", Source::Username),
        ("name", Source::Name),
        ("segment", Source::Segment),
        ("score", Source::Score),
        ("tags", Source::Tags),
        ("consent", Source::Consent),
        ("last_contact", Source::LastContact),
        ("first_seen", Source::FirstSeen),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, source)| *source)
    }

    /// The fact itself.
    pub fn of(self, record: &ViewerRecord) -> Value {
        match self {
            Source::Brand => Value::Text(record.brand.to_string()),
            Source::Account => Value::Text(record.account.to_string()),
            Source::Viewer => Value::Text(record.viewer.to_string()),
            Source::Username => record.username.clone().map_or(Value::Empty, Value::Text),
            Source::Name => Value::Text(record.username.clone().unwrap_or_else(|| record.external_id())),
            Source::Segment => Value::Text(record.segment.as_str().to_owned()),
            Source::Score => Value::Milli(record.score_milli),
            Source::Tags if record.tags.is_empty() => Value::Empty,
            Source::Tags => Value::List(record.tags.iter().cloned().collect()),
            Source::Consent => record.consent.map_or(Value::Empty, |state| Value::Text(state.as_str().to_owned())),
            Source::LastContact => record.last_contact.map_or(Value::Empty, Value::Time),
            Source::FirstSeen => Value::Time(record.first_seen),
        }
    }
}

/// A mapping that has been checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    target: CrmTarget,
    external_id: String,
    fields: BTreeMap<String, Source>,
    constants: BTreeMap<String, String>,
}

impl Mapping {
    /// Checks a table.
    pub fn new(table: MappingTable) -> Result<Self, MappingError> {
        table.check()?;
        let MappingTable { target, external_id, fields, constants } = table;
        let mut mapped = BTreeMap::new();
        for (name, field) in fields {
            let source = Source::named(&name).ok_or(MappingError::UnknownSource { name })?;
            mapped.insert(field, source);
        }
        Ok(Self { target, external_id, fields: mapped, constants })
    }

    /// Whose fields.
    pub const fn target(&self) -> &CrmTarget {
        &self.target
    }

    /// The field that holds the external id.
    pub fn external_id(&self) -> &str {
        &self.external_id
    }

    /// The fields of one viewer, the external id not among them.
    pub fn fields(&self, record: &ViewerRecord) -> BTreeMap<String, Value> {
        let constants = self.constants.iter().map(|(field, text)| (field.clone(), Value::Text(text.clone())));
        self.fields.iter().map(|(field, source)| (field.clone(), source.of(record))).chain(constants).collect()
    }
}

#[cfg(test)]
mod tests;
