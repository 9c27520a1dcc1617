//! One door to the three kinds of CRM.

use afterglow_domain::{BrandId, CrmConnection, CrmKind, Timestamp};
use secrecy::SecretString;
use url::Url;

use crate::egress::Reply;
use crate::upsert::{
    Batch, BatchOutcome, Generic, HubSpot, Mapping, Pace, Salesforce, generic_pace, hubspot_pace, salesforce_pace,
};
use crate::viewer_record::ViewerRecord;

/// What a connection's token is sealed with.
pub fn token_context(brand: &BrandId, connection: &str) -> String {
    format!("crm/{brand}/{connection}")
}

/// A connection that can be asked.
pub(super) enum Crm {
    HubSpot(HubSpot),
    Salesforce(Salesforce),
    Generic(Generic),
}

impl Crm {
    /// From a connection as the brand wrote it. The error says what is wrong, and holds no secret.
    pub(super) fn new(connection: &CrmConnection, token: Option<SecretString>) -> Result<(Self, Mapping), String> {
        let mapping = Mapping::new(connection.table().map_err(|error| error.to_string())?);
        let mapping = mapping.map_err(|error| error.to_string())?;
        let url = connection.address().unwrap_or_default();
        let url: Url = url.parse().map_err(|error| format!("its address: {error}"))?;
        let needed = || token.clone().ok_or("it has no access token: give it one with `afterglow feed crm token`");
        let crm = match connection.crm {
            CrmKind::HubSpot => Self::HubSpot(HubSpot::new(&url, needed()?, mapping.clone())),
            CrmKind::Salesforce => {
                let made = Salesforce::new(&url, needed()?, mapping.clone());
                Self::Salesforce(made.map_err(|error| error.to_string())?)
            }
            CrmKind::Generic => Self::Generic(Generic::new(url, token, mapping.clone())),
        };
        Ok((crm, mapping))
    }

    pub(super) fn requests(&self, records: &[ViewerRecord]) -> Result<Vec<Batch>, String> {
        let requests = match self {
            Self::HubSpot(crm) => crm.requests(records),
            Self::Salesforce(crm) => crm.requests(records),
            Self::Generic(crm) => crm.requests(records),
        };
        requests.map_err(|error| error.to_string())
    }

    pub(super) fn read(&self, batch: &Batch, reply: &Reply) -> BatchOutcome {
        match self {
            Self::HubSpot(crm) => crm.read(batch, reply),
            Self::Salesforce(crm) => crm.read(batch, reply),
            Self::Generic(crm) => crm.read(reply),
        }
    }

    pub(super) fn pace(&self, reply: &Reply, now: Timestamp) -> Pace {
        match self {
            Self::HubSpot(_) => hubspot_pace(reply, now),
            Self::Salesforce(_) => salesforce_pace(reply, now),
            Self::Generic(_) => generic_pace(reply, now),
        }
    }
}
