use afterglow_domain::{AccountId, BrandId, CrmConnection, Segment, Timestamp, ViewerId};

use super::*;

fn table(target: CrmTarget, external_id: &str, fields: &[(&str, &str)]) -> MappingTable {
    MappingTable {
        target,
        external_id: external_id.into(),
        fields: fields.iter().map(|(name, field)| ((*name).into(), (*field).into())).collect(),
        constants: BTreeMap::new(),
    }
}

fn salesforce(object: &str) -> CrmTarget {
    CrmTarget::Salesforce { object: object.into() }
}

#[test]
fn what_is_wrong_is_said() {
    for (given, message) in [
        (table(CrmTarget::HubSpot, "afterglow_id", &[]), "the mapping names no field"),
        (
            table(CrmTarget::HubSpot, "afterglow_id", &[("segmnet", "segment")]),
            "there is no \"segmnet\" to map; there are brand, account, viewer, username, name, segment, score, tags, \
             consent, last_contact, first_seen",
        ),
        (
            table(CrmTarget::HubSpot, "afterglow_id", &[("segment", "Story Segment")]),
            "\"Story Segment\" cannot be a field: a property's internal name has lower-case letters, digits and \
             underscores, a letter first",
        ),
        (
            table(CrmTarget::HubSpot, "afterglow_id", &[("score", "hs_object_id")]),
            "\"hs_object_id\" is set by the CRM itself and cannot be written",
        ),
        (
            table(CrmTarget::HubSpot, "email", &[("score", "score")]),
            "\"email\" cannot hold the external id: a viewer has no e-mail address; set up a property with unique values",
        ),
        (
            table(CrmTarget::HubSpot, "afterglow_id", &[("score", "a"), ("segment", "a")]),
            "\"a\" is mapped twice, from \"score\" and from \"segment\"",
        ),
        (
            table(CrmTarget::HubSpot, "afterglow_id", &[("viewer", "afterglow_id")]),
            "\"afterglow_id\" is mapped twice, from \"the external id\" and from \"viewer\"",
        ),
        (
            table(salesforce("Viewer__c"), "Id", &[("score", "Score__c")]),
            "\"Id\" cannot hold the external id: it is Salesforce's own id; set up a custom field as External ID and \
             Unique",
        ),
        (
            table(salesforce("Viewer__c"), "Ext__c", &[("score", "Score__c"), ("segment", "score__C")]),
            "\"score__C\" is mapped twice, from \"score\" and from \"segment\"",
        ),
        (
            table(salesforce("Viewer__c"), "Ext__c", &[("score", "Score-1")]),
            "\"Score-1\" cannot be a field: an API name has letters, digits and underscores, a letter first",
        ),
        (
            table(salesforce("Viewer__c/../User"), "Ext__c", &[("score", "Score__c")]),
            "\"Viewer__c/../User\" cannot be a field: it is not the API name of an object",
        ),
        (
            table(salesforce("Viewer__c"), "Ext__c?x", &[("score", "Score__c")]),
            "\"Ext__c?x\" cannot be a field: an API name has letters, digits and underscores, a letter first",
        ),
        (
            table(salesforce("Lead"), "Ext__c", &[("name", "LastName")]),
            "a Lead cannot be created without \"Company\": map \"name\" to it, or give it a constant",
        ),
        (
            table(CrmTarget::Generic, "id", &[("score", "")]),
            "\"\" cannot be a field: it is empty or has control characters",
        ),
    ] {
        assert_eq!(Mapping::new(given).unwrap_err().to_string(), message);
    }
}

#[test]
fn every_fact_has_a_name_and_a_value() {
    let record = ViewerRecord {
        brand: BrandId::new("lumen"),
        account: AccountId::new("1784"),
        viewer: ViewerId::new("900"),
        username: None,
        segment: Segment::Cool,
        score_milli: 250,
        tags: std::collections::BTreeSet::new(),
        consent: None,
        last_contact: None,
        first_seen: Timestamp::from_millis(5),
    };
    let all: Vec<(&str, &str)> = Source::ALL.iter().map(|(name, _)| (*name, *name)).collect();
    let mut given = table(CrmTarget::Generic, "id", &all);
    given.constants.insert("source".into(), "Instagram Stories".into());
    let mapping = Mapping::new(given).unwrap();
    insta::assert_debug_snapshot!(mapping.fields(&record));
}

#[test]
fn as_it_is_written_down() {
    let json = r#"{
        "name": "leads",
        "crm": "salesforce",
        "object": "Lead",
        "url": "https://lumen.my.salesforce.com",
        "external_id": "AfterglowId__c",
        "fields": {"name": "LastName", "segment": "Story_Segment__c"},
        "constants": {"Company": "Instagram"}
    }"#;
    let connection = |json: &str| serde_json::from_str::<CrmConnection>(json);
    let mapping = Mapping::new(connection(json).unwrap().table().unwrap()).unwrap();
    assert_eq!(*mapping.target(), salesforce("Lead"));
    let plain =
        r#"{"name": "hub", "crm": "hubspot", "external_id": "afterglow_id", "fields": {"score": "story_score"}}"#;
    let plain = connection(plain).unwrap();
    assert_eq!(plain.address(), Some("https://api.hubapi.com"));
    assert_eq!(*Mapping::new(plain.table().unwrap()).unwrap().target(), CrmTarget::HubSpot);
    let wrong = json.replace("\"constants\"", "\"constant\"");
    assert!(connection(&wrong).unwrap_err().to_string().contains("unknown field `constant`"));
    let without = connection(&json.replace("\"object\": \"Lead\",", "")).unwrap();
    assert_eq!(without.table().unwrap_err(), MappingError::NoObject);
}

#[test]
fn every_fact_has_its_source() {
    assert_eq!(Source::ALL.map(|(name, _)| name), afterglow_domain::FACTS);
}
