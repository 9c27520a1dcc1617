//! Posts and the comments under them, for finding what webhooks missed.
//!
//! Source: Meta, "IG User / Media" and "IG Media / Comments" (Instagram Platform reference), as read in 2026: at most 50
//! comments a page, the latest first; what was said during a broadcast can be read only while it lasts.

use afterglow_domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{GraphAccount, GraphClient};
use super::conversation::{ReadError, graph_time};
use super::sweep::Listing;

/// A post that was commented on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentedMedia {
    /// Meta's id of it.
    pub id: String,
    /// How many comments it has: another number means that there is something new to read.
    pub comments: i64,
}

/// A comment as the Graph API tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptComment {
    /// Meta's id of it.
    pub id: String,
    /// When; Meta gives whole seconds.
    pub created: Timestamp,
    from: String,
    username: Option<String>,
    text: Option<String>,
    parent: Option<String>,
    media: String,
}

impl SweptComment {
    /// The comment as a webhook body, so that it goes through the same door as any other.
    pub fn as_webhook(&self, object: &str, account: &str) -> Vec<u8> {
        let mut value = json!({
            "id": self.id, "from": { "id": self.from, "username": self.username }, "media": { "id": self.media },
            "text": self.text,
        });
        if let Some(parent) = &self.parent {
            value["parent_id"] = json!(parent);
        }
        let change = json!({ "field": "comments", "value": value });
        let entry = json!({ "id": account, "time": self.created.millis() / 1000, "changes": [change] });
        json!({ "object": object, "entry": [entry] }).to_string().into_bytes()
    }
}

#[derive(Deserialize)]
struct MediaItem {
    id: String,
    #[serde(default)]
    comments_count: i64,
}

#[derive(Deserialize)]
struct CommentItem {
    id: String,
    timestamp: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    from: Option<Value>,
    #[serde(default)]
    parent_id: Option<String>,
}

impl GraphClient {
    /// The latest posts of an account, at most 50, with how many comments each has.
    pub async fn commented_media(&self, account: &GraphAccount<'_>) -> Result<Vec<CommentedMedia>, ReadError> {
        let query = [("fields", "id,comments_count"), ("limit", "50")];
        let page: Listing<MediaItem> = self.read_page(account, account.id.as_str(), "media", &query).await?;
        let media = |item: MediaItem| CommentedMedia { id: item.id, comments: item.comments_count };
        Ok(page.data.into_iter().map(media).collect())
    }

    /// A page of a post's comments, the latest first, and where the next page begins.
    pub async fn comments(
        &self,
        account: &GraphAccount<'_>,
        media: &str,
        after: Option<&str>,
    ) -> Result<(Vec<SweptComment>, Option<String>), ReadError> {
        let mut query = vec![("fields", "id,text,timestamp,username,from,parent_id"), ("limit", "50")];
        query.extend(after.map(|after| ("after", after)));
        let page: Listing<CommentItem> = self.read_page(account, media, "comments", &query).await?;
        let after = page.after();
        let comment = |item: CommentItem| {
            // Without `from` there is nobody whom it could be attributed to.
            let from = item.from.as_ref()?.get("id")?.as_str()?.to_owned();
            Some(SweptComment {
                created: graph_time(&item.timestamp)?,
                id: item.id,
                from,
                username: item.username,
                text: item.text,
                parent: item.parent_id,
                media: media.to_owned(),
            })
        };
        Ok((page.data.into_iter().filter_map(comment).collect(), after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swept_comment_is_the_webhook_that_was_missed() {
        let swept = SweptComment {
            id: "c1".into(),
            created: Timestamp::from_millis(1_700_000_000_000),
            from: "7".into(),
            username: Some("maya".into()),
            text: Some("Lovely".into()),
            parent: None,
            media: "m1".into(),
        };
        let body: Value = serde_json::from_slice(&swept.as_webhook("instagram", "1")).unwrap();
        let entry = &body["entry"][0];
        assert_eq!((entry["id"].as_str(), entry["time"].as_i64()), (Some("1"), Some(1_700_000_000)));
        assert_eq!(entry["changes"][0]["value"]["media"]["id"], "m1");
        assert!(entry["changes"][0]["value"].get("parent_id").is_none());
    }
}
