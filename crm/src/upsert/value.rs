//! A fact as each CRM writes it.

use afterglow_domain::Timestamp;

/// One value of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Words.
    Text(String),
    /// A number in thousandths.
    Milli(u32),
    /// A moment.
    Time(Timestamp),
    /// Several words.
    List(Vec<String>),
    /// Nothing: clears the field.
    Empty,
}

impl Value {
    /// As HubSpot takes it: always text; `""` clears ("Update contacts"); several options are separated by semicolons, a
    /// datetime is milliseconds ("Properties", <https://developers.hubspot.com/docs/guides/api/crm/properties>).
    pub fn to_hubspot(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Milli(milli) => decimal(*milli),
            Value::Time(at) => at.millis().to_string(),
            Value::List(items) => options(items),
            Value::Empty => String::new(),
        }
    }

    /// As Salesforce takes it: `null` clears; several picklist values are separated by semicolons, a dateTime is ISO 8601
    /// ("Valid Date and `DateTime` Formats", REST API Developer Guide).
    pub fn to_salesforce(&self) -> serde_json::Value {
        match self {
            Value::List(items) => options(items).into(),
            other => other.to_json(),
        }
    }

    /// As plain JSON: a list is a list, `null` is nothing.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Milli(milli) => (f64::from(*milli) / 1000.0).into(),
            Value::Time(at) => at.to_rfc3339().into(),
            Value::List(items) => items.iter().map(String::as_str).collect(),
            Value::Empty => serde_json::Value::Null,
        }
    }
}

fn decimal(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A semicolon inside an option would make two of it.
fn options(items: &[String]) -> String {
    items.iter().map(|item| item.replace(';', ",")).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_each_writes_it() {
        let list = Value::List(vec!["hot lead".into(), "a;b".into()]);
        let time = Value::Time(Timestamp::from_millis(1_569_262_485_349));
        for (value, hubspot, salesforce, plain) in [
            (Value::Text("mira".into()), "mira", json!("mira"), json!("mira")),
            (Value::Milli(12_340), "12.34", json!(12.34), json!(12.34)),
            (Value::Milli(10_000), "10", json!(10.0), json!(10.0)),
            (Value::Milli(5), "0.005", json!(0.005), json!(0.005)),
            (Value::Milli(0), "0", json!(0.0), json!(0.0)),
            (time, "1569262485349", json!("2019-09-23T18:14:45.349Z"), json!("2019-09-23T18:14:45.349Z")),
            (list, "hot lead;a,b", json!("hot lead;a,b"), json!(["hot lead", "a;b"])),
            (Value::Empty, "", json!(null), json!(null)),
        ] {
            assert_eq!(value.to_hubspot(), hubspot);
            assert_eq!(value.to_salesforce(), salesforce);
            assert_eq!(value.to_json(), plain);
        }
    }
}
