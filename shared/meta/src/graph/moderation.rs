//! Hiding, showing and deleting comments.
//!
//! Source: Meta, "Instagram (IG) Comment" (read 2026): `POST /{ig-comment-id}?hide=true|false`, `DELETE /{ig-comment-id}`. A
//! hidden comment is seen by its writer alone, and can be shown again; a deleted one is gone.

use serde_json::json;

use super::client::{GraphAccount, GraphClient};
use super::conversation::ReadError;
use super::subscriptions::done;

impl GraphClient {
    /// Hides a comment, or shows it again. Doing it twice does no harm.
    pub async fn hide_comment(&self, account: &GraphAccount<'_>, comment: &str, hide: bool) -> Result<(), ReadError> {
        done(account, self.post_node(account, comment, &json!({ "hide": hide })).await)
    }

    /// Deletes a comment, for good.
    pub async fn delete_comment(&self, account: &GraphAccount<'_>, comment: &str) -> Result<(), ReadError> {
        done(account, self.delete(account, comment, "", None).await)
    }
}
