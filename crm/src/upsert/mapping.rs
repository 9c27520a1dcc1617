//! Which of a viewer's facts go to which field.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    /// All of them, with the names that a mapping table uses.
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

/// Whose fields they are, and by whose rules their names are judged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `HubSpot` contacts.
    #[serde(rename = "hubspot")]
    HubSpot,
    /// A Salesforce object (`Contact`, `Lead`, `Viewer__c`).
    Salesforce {
        /// Its API name.
        object: String,
    },
    /// Any JSON over HTTP.
    Generic,
}

/// A mapping as it is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingTable {
    /// Whose fields.
    pub target: Target,
    /// The field that holds the external id: set up as unique by the CRM's owner.
    pub external_id: String,
    /// Name of a fact → field.
    pub fields: BTreeMap<String, String>,
    /// Field → text that every record gets (`Company` of a Lead, say).
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Nothing is mapped.
    #[error("the mapping names no field")]
    Nothing,
    /// There is no such fact.
    #[error("there is no {name:?} to map; there are {}", Source::ALL.map(|(name, _)| name).join(", "))]
    UnknownSource {
        /// As written.
        name: String,
    },
    /// The CRM would not take such a name.
    #[error("{field:?} cannot be a field: {why}")]
    FieldName {
        /// The field.
        field: String,
        /// The CRM's rule.
        why: &'static str,
    },
    /// The CRM sets this field by itself.
    #[error("{field:?} is set by the CRM itself and cannot be written")]
    ReadOnly {
        /// The field.
        field: String,
    },
    /// One field, two values.
    #[error("{field:?} is mapped twice, from {first:?} and from {second:?}")]
    Twice {
        /// The field.
        field: String,
        /// What is mapped to it.
        first: String,
        /// What else is.
        second: String,
    },
    /// The CRM would refuse to create a record without it.
    #[error("a {object} cannot be created without {field:?}: map \"name\" to it, or give it a constant")]
    Required {
        /// The object.
        object: String,
        /// The field.
        field: &'static str,
    },
    /// Upserting by it does not work.
    #[error("{field:?} cannot hold the external id: {why}")]
    ExternalId {
        /// The field.
        field: String,
        /// Why not.
        why: &'static str,
    },
}

/// A mapping that has been checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    target: Target,
    external_id: String,
    fields: BTreeMap<String, Source>,
    constants: BTreeMap<String, String>,
}

impl Mapping {
    /// Checks a table.
    pub fn new(table: MappingTable) -> Result<Self, MappingError> {
        if table.fields.is_empty() {
            return Err(MappingError::Nothing);
        }
        let MappingTable { target, external_id, fields, constants } = table;
        target.judge_external_id(&external_id)?;
        let fold = |field: &str| match target {
            Target::Salesforce { .. } => field.to_ascii_lowercase(), // its names differ in case and are the same
            Target::HubSpot | Target::Generic => field.to_owned(),
        };
        let mut taken = BTreeMap::from([(fold(&external_id), "the external id".to_owned())]);
        let mut mapped = BTreeMap::new();
        let written = fields.iter().map(|(name, field)| (name.as_str(), field));
        for (name, field) in written.chain(constants.keys().map(|field| ("a constant", field))) {
            target.judge_field(field)?;
            if let Some(first) = taken.insert(fold(field), name.to_owned()) {
                return Err(MappingError::Twice { field: field.clone(), first, second: name.to_owned() });
            }
        }
        for (name, field) in fields {
            let source = Source::named(&name).ok_or(MappingError::UnknownSource { name })?;
            mapped.insert(field, source);
        }
        if let Target::Salesforce { object } = &target {
            for field in required_by_salesforce(object) {
                if !taken.contains_key(&fold(field)) {
                    return Err(MappingError::Required { object: object.clone(), field });
                }
            }
        }
        Ok(Self { target, external_id, fields: mapped, constants })
    }

    /// Whose fields.
    pub const fn target(&self) -> &Target {
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

impl Target {
    fn judge_field(&self, field: &str) -> Result<(), MappingError> {
        let wrong = |why| Err(MappingError::FieldName { field: field.to_owned(), why });
        let read_only = || Err(MappingError::ReadOnly { field: field.to_owned() });
        match self {
            // "Properties": internal names; `hs_` is HubSpot's own prefix, which mostly cannot be written.
            Target::HubSpot if !is_name(field, |c| c.is_ascii_lowercase() || c.is_ascii_digit()) => {
                wrong("a property's internal name has lower-case letters, digits and underscores, a letter first")
            }
            Target::HubSpot if field == "hs_object_id" || field == "createdate" || field == "lastmodifieddate" => {
                read_only()
            }
            // "Naming custom fields": and no two underscores but before the suffix.
            Target::Salesforce { .. } if !is_name(field, |c| c.is_ascii_alphanumeric()) => {
                wrong("an API name has letters, digits and underscores, a letter first")
            }
            Target::Salesforce { .. } if SALESFORCE_OWN.iter().any(|own| own.eq_ignore_ascii_case(field)) => {
                read_only()
            }
            Target::Generic if field.is_empty() || field.chars().any(char::is_control) => {
                wrong("it is empty or has control characters")
            }
            _ => Ok(()),
        }
    }

    fn judge_external_id(&self, field: &str) -> Result<(), MappingError> {
        let wrong = |why| Err(MappingError::ExternalId { field: field.to_owned(), why });
        match self {
            Target::HubSpot if field == "hs_object_id" => {
                wrong("it is HubSpot's own id; set up a property with unique values")
            }
            Target::HubSpot if field == "email" => {
                wrong("a viewer has no e-mail address; set up a property with unique values")
            }
            // "Upsert Records Using sObject Collections": only external ids are supported, not record ids.
            Target::Salesforce { .. } if field.eq_ignore_ascii_case("id") => {
                wrong("it is Salesforce's own id; set up a custom field as External ID and Unique")
            }
            Target::Salesforce { object } if !is_name(object, |c| c.is_ascii_alphanumeric()) => {
                Err(MappingError::FieldName { field: object.clone(), why: "it is not the API name of an object" })
            }
            _ => self.judge_field(field),
        }
    }
}

/// Fields of every Salesforce object that the API does not write ("System Fields", Object Reference), and the key of the
/// map that names the type.
const SALESFORCE_OWN: [&str; 8] = [
    "Id",
    "attributes",
    "CreatedById",
    "CreatedDate",
    "IsDeleted",
    "LastModifiedById",
    "LastModifiedDate",
    "SystemModstamp",
];

/// What the standard objects ask for on creation (Object Reference: Contact, Lead, Account).
fn required_by_salesforce(object: &str) -> &'static [&'static str] {
    match object.to_ascii_lowercase().as_str() {
        "contact" => &["LastName"],
        "lead" => &["LastName", "Company"],
        "account" => &["Name"],
        _ => &[],
    }
}

fn is_name(text: &str, inside: impl Fn(char) -> bool) -> bool {
    text.len() <= 100
        && text.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
        && text.chars().all(|c| inside(c) || c == '_')
}

#[cfg(test)]
mod tests;
