//! Comments that webhooks missed are found under the posts.

use std::collections::HashMap;

use afterglow_domain::{InteractionId, Timestamp};
use afterglow_meta::graph::{GraphAccount, SweptComment};
use afterglow_store::Account;
use afterglow_tokens::Reads;

use super::sweep::{Found, Sweep, SweepError};

/// Pages of a post's comments that one sweep reads at most: a post that grows faster is read on next time.
const PAGES_MAX: usize = 20;

/// How many comments a post had when it was last read to the point where everything is known.
pub(crate) type Counted = HashMap<String, i64>;

impl Sweep {
    /// Looks under the posts whose number of comments changed. Returns how many comments had been missed since `from`.
    pub(crate) async fn comments(
        &self,
        account: &Account,
        asking: &GraphAccount<'_>,
        from: Timestamp,
        counted: &mut Counted,
    ) -> Result<u64, SweepError> {
        let mut found = 0;
        self.room(Reads::Comments, &account.id).await?;
        for media in self.graph.commented_media(asking).await? {
            if counted.get(&media.id) == Some(&media.comments) {
                continue;
            }
            let (mut after, mut ripe) = (None, true);
            for _ in 0..PAGES_MAX {
                self.room(Reads::Comments, &account.id).await?;
                let now = (self.rounds.clock)();
                let (comments, next) = self.graph.comments(asking, &media.id, after.as_deref()).await?;
                let oldest = comments.iter().map(|comment| comment.created).min();
                // Meta gives whole seconds.
                ripe &= comments.iter().all(|comment| now.since(comment.created) > self.grace_ms + 1_000);
                found += self.missed_comments(account, comments, from, now).await?;
                after = next;
                if after.is_none() || oldest.is_none_or(|oldest| oldest < from) {
                    break;
                }
            }
            if ripe {
                counted.insert(media.id, media.comments);
            }
        }
        Ok(found)
    }

    async fn missed_comments(
        &self,
        account: &Account,
        comments: Vec<SweptComment>,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<u64, SweepError> {
        let ripe = |comment: &SweptComment| comment.created >= from && now.since(comment.created) >= self.grace_ms;
        let read = |comment: SweptComment| {
            let body = comment.as_webhook(account.channel.as_str(), account.id.as_str());
            Found::read(body, now, &*self.accounts)
        };
        let candidates: Vec<Found> = comments.into_iter().filter(ripe).map(read).collect();
        let ids: Vec<InteractionId> = candidates.iter().flat_map(Found::ids).collect();
        let known = self.rounds.store.known_interactions(ids).await?;
        let mut found = 0;
        for candidate in candidates.into_iter().filter(|one| one.ids().any(|id| !known.contains(&id))) {
            self.publish(&candidate).await?;
            found += 1;
        }
        Ok(found)
    }
}
