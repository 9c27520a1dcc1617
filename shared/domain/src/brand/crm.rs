//! Which of a viewer's facts go to which field of a CRM, and what CRMs ask of such a mapping.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The facts about a viewer that can be mapped, by the names that a mapping uses.
pub const FACTS: [&str; 11] = [
    "brand",
    "account",
    "viewer",
    "username",
    "name",
    "segment",
    "score",
    "tags",
    "consent",
    "last_contact",
    "first_seen",
];

/// A CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CrmKind {
    /// `HubSpot` contacts.
    HubSpot,
    /// A Salesforce object.
    Salesforce,
    /// Any address that takes JSON.
    Generic,
}

/// Where a brand's viewers are written as records of a CRM's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CrmConnection {
    /// Its name within the brand, by which its access token is given: lower-case letters, digits and `-`.
    pub name: String,
    /// Which CRM it is: `hubspot`, `salesforce` or `generic`.
    pub crm: CrmKind,
    /// Salesforce alone: the object's API name, such as `Contact` or `Viewer__c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Where it is: Salesforce's instance (`https://NAME.my.salesforce.com`), or the address that a generic one is posted to.
    /// `HubSpot` has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The field that holds the viewer's external id, `ACCOUNT/VIEWER`: set up as unique by the CRM's owner.
    pub external_id: String,
    /// Name of a fact → field. Facts: `brand`, `account`, `viewer`, `username`, `name` (the username, or the external id
    /// where it is unknown), `segment`, `score`, `tags`, `consent`, `last_contact`, `first_seen`.
    pub fields: BTreeMap<String, String>,
    /// Field → text that every record gets (`Company` of a Lead, say).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, String>,
}

impl CrmConnection {
    /// `HubSpot`'s API.
    const HUBSPOT: &str = "https://api.hubapi.com";

    /// Where it is; `None` if it has to be said and was not.
    pub fn address(&self) -> Option<&str> {
        let of_its_own = (self.crm == CrmKind::HubSpot).then_some(Self::HUBSPOT);
        self.url.as_deref().or(of_its_own)
    }

    /// Its mapping.
    ///
    /// # Errors
    /// `NoObject` for Salesforce without an object, `ObjectElsewhere` for another with one.
    pub fn table(&self) -> Result<MappingTable, MappingError> {
        let target = match (self.crm, self.object.clone()) {
            (CrmKind::Salesforce, Some(object)) => CrmTarget::Salesforce { object },
            (CrmKind::Salesforce, None) => return Err(MappingError::NoObject),
            (_, Some(_)) => return Err(MappingError::ObjectElsewhere),
            (CrmKind::HubSpot, None) => CrmTarget::HubSpot,
            (CrmKind::Generic, None) => CrmTarget::Generic,
        };
        let (external_id, fields, constants) = (self.external_id.clone(), self.fields.clone(), self.constants.clone());
        Ok(MappingTable { target, external_id, fields, constants })
    }
}

/// Whose fields they are, and by whose rules their names are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrmTarget {
    /// `HubSpot` contacts.
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
#[derive(Debug, Clone)]
pub struct MappingTable {
    /// Whose fields.
    pub target: CrmTarget,
    /// The field that holds the external id: set up as unique by the CRM's owner.
    pub external_id: String,
    /// Name of a fact → field.
    pub fields: BTreeMap<String, String>,
    /// Field → text that every record gets (`Company` of a Lead, say).
    pub constants: BTreeMap<String, String>,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Salesforce has many kinds of records.
    #[error("Salesforce needs the API name of an object: add `object: Contact`, or a custom object's name")]
    NoObject,
    /// Only Salesforce has objects to choose from.
    #[error("only a Salesforce connection has an object: remove `object`")]
    ObjectElsewhere,
    /// Nothing is mapped.
    #[error("the mapping names no field")]
    Nothing,
    /// There is no such fact.
    #[error("there is no {name:?} to map; there are {}", FACTS.join(", "))]
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

impl MappingTable {
    /// Checks it, as far as that can be done without the CRM.
    pub fn check(&self) -> Result<(), MappingError> {
        let Self { target, external_id, fields, constants } = self;
        if fields.is_empty() {
            return Err(MappingError::Nothing);
        }
        target.judge_external_id(external_id)?;
        let fold = |field: &str| match target {
            CrmTarget::Salesforce { .. } => field.to_ascii_lowercase(), // its names differ in case and are the same
            CrmTarget::HubSpot | CrmTarget::Generic => field.to_owned(),
        };
        let mut taken = BTreeMap::from([(fold(external_id), "the external id")]);
        let written = fields.iter().map(|(name, field)| (name.as_str(), field));
        for (name, field) in written.chain(constants.keys().map(|field| ("a constant", field))) {
            target.judge_field(field)?;
            if let Some(first) = taken.insert(fold(field), name) {
                let (first, second) = (first.to_owned(), name.to_owned());
                return Err(MappingError::Twice { field: field.clone(), first, second });
            }
        }
        if let Some(name) = fields.keys().find(|name| !FACTS.contains(&name.as_str())) {
            return Err(MappingError::UnknownSource { name: name.clone() });
        }
        if let CrmTarget::Salesforce { object } = target {
            for field in required_by_salesforce(object) {
                if !taken.contains_key(&fold(field)) {
                    return Err(MappingError::Required { object: object.clone(), field });
                }
            }
        }
        Ok(())
    }
}

impl CrmTarget {
    fn judge_field(&self, field: &str) -> Result<(), MappingError> {
        let wrong = |why| Err(MappingError::FieldName { field: field.to_owned(), why });
        let read_only = || Err(MappingError::ReadOnly { field: field.to_owned() });
        match self {
            // "Properties": internal names; `hs_` is HubSpot's own prefix, which mostly cannot be written.
            CrmTarget::HubSpot if !is_name(field, |c| c.is_ascii_lowercase() || c.is_ascii_digit()) => {
                wrong("a property's internal name has lower-case letters, digits and underscores, a letter first")
            }
            CrmTarget::HubSpot if field == "hs_object_id" || field == "createdate" || field == "lastmodifieddate" => {
                read_only()
            }
            // "Naming custom fields": and no two underscores but before the suffix.
            CrmTarget::Salesforce { .. } if !is_name(field, |c| c.is_ascii_alphanumeric()) => {
                wrong("an API name has letters, digits and underscores, a letter first")
            }
            CrmTarget::Salesforce { .. } if SALESFORCE_OWN.iter().any(|own| own.eq_ignore_ascii_case(field)) => {
                read_only()
            }
            CrmTarget::Generic if field.is_empty() || field.chars().any(char::is_control) => {
                wrong("it is empty or has control characters")
            }
            _ => Ok(()),
        }
    }

    fn judge_external_id(&self, field: &str) -> Result<(), MappingError> {
        let wrong = |why| Err(MappingError::ExternalId { field: field.to_owned(), why });
        match self {
            CrmTarget::HubSpot if field == "hs_object_id" => {
                wrong("it is HubSpot's own id; set up a property with unique values")
            }
            CrmTarget::HubSpot if field == "email" => {
                wrong("a viewer has no e-mail address; set up a property with unique values")
            }
            // "Upsert Records Using sObject Collections": only external ids are supported, not record ids.
            CrmTarget::Salesforce { .. } if field.eq_ignore_ascii_case("id") => {
                wrong("it is Salesforce's own id; set up a custom field as External ID and Unique")
            }
            CrmTarget::Salesforce { object } if !is_name(object, |c| c.is_ascii_alphanumeric()) => {
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
