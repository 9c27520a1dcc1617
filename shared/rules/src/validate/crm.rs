//! Connections to CRMs.

use std::collections::BTreeSet;

use afterglow_domain::{CrmConnection, MappingError};
use serde_saphyr::Spanned;

use super::{Findings, is_slug};
use crate::document::Document;
use crate::places::CrmPlaces;

/// Connections of one brand at most.
const CONNECTIONS_MAX: usize = 8;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let none = CrmPlaces::default();
    let mut seen = BTreeSet::new();
    let ground = findings.ground;
    if document.crm.len() > CONNECTIONS_MAX {
        findings
            .add::<String>(None, format!("crm: {} connections; {CONNECTIONS_MAX} are the limit", document.crm.len()));
    }
    for (n, connection) in document.crm.iter().enumerate() {
        let places = ground.places.crm.get(n).unwrap_or(&none);
        let name = &connection.name;
        if !is_slug(name, "-") {
            let message = format!("crm {name:?}: expected lower-case letters, digits and -, at most 64");
            findings.add(places.name.as_ref(), message);
        } else if !seen.insert(name) {
            findings.add(places.name.as_ref(), format!("crm {name}: there is one of this name already"));
        }
        match connection.address() {
            None => {
                let message = format!("crm {name}: say where it is, as `url: https://…`");
                findings.add(places.name.as_ref(), message);
            }
            Some(url) if !is_address(url) => {
                let message = format!("crm {name}: {url:?} is no address: expected https://HOST/…, without a password");
                findings.add(places.url.as_ref(), message);
            }
            Some(_) => {}
        }
        if let Err(error) = connection.table().and_then(|table| table.check()) {
            findings.add(place(&error, connection, places), format!("crm {name}: {error}"));
        }
    }
}

/// Whether it can be called at all. Which addresses may be is decided when they are called.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.and_then(|rest| rest.split(['/', '?', '#']).next())
        .is_some_and(|host| !host.is_empty() && !host.contains(['@', ' ']) && !host.starts_with(':'))
}

/// Where what is wrong stands.
fn place<'a>(error: &MappingError, connection: &CrmConnection, places: &'a CrmPlaces) -> Option<&'a Spanned<String>> {
    let of_field = |field: &String| {
        let fact = connection.fields.iter().rfind(|(_, to)| *to == field).map(|(fact, _)| fact);
        fact.and_then(|fact| places.fields.get(fact)).or_else(|| places.constants.get(field))
    };
    let place = match error {
        MappingError::UnknownSource { name } => places.fields.get(name),
        MappingError::ExternalId { .. } => places.external_id.as_ref(),
        MappingError::ObjectElsewhere => places.object.as_ref(),
        MappingError::FieldName { field, .. } if connection.object.as_ref() == Some(field) => places.object.as_ref(),
        MappingError::FieldName { field, .. }
        | MappingError::ReadOnly { field }
        | MappingError::Twice { field, .. } => of_field(field).or(places.external_id.as_ref()),
        MappingError::NoObject | MappingError::Nothing | MappingError::Required { .. } => None,
    };
    place.or(places.name.as_ref())
}
