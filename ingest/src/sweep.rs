//! Nobody is lost silently: what webhooks missed is found in the conversations, and goes through the same door.
//!
//! Meta gives up on a webhook after a time, an app may be unsubscribed for an hour, a deployment may go wrong. The sweep
//! reads the conversations that moved, and makes webhooks of the messages that the log does not have; they become
//! interactions with the same ids, marked `source = reconcile`. One process sweeps at a time.

use std::collections::HashMap;
use std::sync::Arc;

use afterglow_bus::{Bus, PublishError};
use afterglow_domain::{AccountId, HOUR_MS, Interaction, InteractionId, Source, Timestamp};
use afterglow_meta::Verified;
use afterglow_meta::graph::{GraphAccount, GraphClient, ReadError, SweptMessage};
use afterglow_meta::webhook::{Interpretation, Interpreted, interpret};
use afterglow_runtime::error_chain;
use afterglow_store::{Account, StoreError};
use afterglow_tokens::{Reads, TokenError, Tokens, read_room};
use futures_util::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::comment_sweep::Counted;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::{Accounts, Rounds};

const ROUND: &str = "sweep";
/// How far back the first sweep after a start looks, in ms: a window may still be open.
const FIRST_MS: i64 = 24 * HOUR_MS;
/// How much of the last sweep's time is swept again, in ms.
const OVERLAP_MS: i64 = 600_000;
/// Accounts that are swept at once.
const AT_ONCE: usize = 8;
/// Conversations that are remembered before old ones are forgotten.
const READ_MAX: usize = 100_000;

/// Finds what webhooks missed.
pub struct Sweep {
    /// Through the accounts, and what is known.
    pub rounds: Rounds,
    /// Where it goes.
    pub bus: Arc<dyn Bus>,
    /// How Meta is asked.
    pub graph: GraphClient,
    /// In whose name.
    pub tokens: Tokens,
    /// Who owns which account.
    pub accounts: Arc<dyn Accounts>,
    /// As for the endpoint.
    pub our_apps: Vec<String>,
    /// How old a message must be before it counts as missed, in ms: younger ones may be on their way.
    pub grace_ms: i64,
}

/// How far the sweeps of an account have come, in this process.
#[derive(Default)]
struct Progress {
    /// When the last good sweep began.
    since: Option<Timestamp>,
    /// Conversations that were read to their end, with the time of their last message then. Those that no sweep looks at
    /// any more are forgotten when there are many.
    read: HashMap<String, Timestamp>,
    /// Comments that were counted, by post.
    counted: Counted,
}

impl Progress {
    fn forget_old(&mut self, now: Timestamp) {
        if self.read.len() > READ_MAX {
            self.read.retain(|_, updated| now.since(*updated) < FIRST_MS);
        }
        if self.counted.len() > READ_MAX {
            self.counted.clear(); // read once more, nothing else
        }
    }
}

/// An account could not be swept; it is tried again next time, from where the last good sweep began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("no access token")]
    Token(#[from] TokenError),
    #[error("Meta does not tell")]
    Read(#[from] ReadError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the bus did not take what was found")]
    Bus(#[from] PublishError),
    #[error("what was found cannot be written")]
    Write(#[from] OutgoingError),
}

impl Sweep {
    /// Sweeps until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if self.rounds.every.is_zero() {
            stop.cancelled().await;
            return;
        }
        let mut progress = HashMap::new();
        while stop.run_until_cancelled(tokio::time::sleep(self.rounds.every)).await.is_some() {
            let swept = stop.run_until_cancelled(self.all(&mut progress)).await;
            if let Some(Err(error)) = swept {
                tracing::warn!(error = %error_chain(&error), "the sweep waits");
            }
        }
        self.rounds.end(ROUND).await;
    }

    async fn all(&self, progress: &mut HashMap<AccountId, Progress>) -> Result<(), StoreError> {
        if !self.rounds.is_ours(ROUND).await? {
            return Ok(()); // another process sweeps
        }
        // Meta's limits are each account's own: accounts need not wait for each other.
        let sweeps = self.rounds.accounts().await?.map(|account| {
            let mut own = progress.remove(&account.id).unwrap_or_default();
            async move {
                self.one(&account, &mut own).await;
                (account.id, own)
            }
        });
        let sweeps: Vec<_> = sweeps.collect();
        let swept: Vec<(AccountId, Progress)> = stream::iter(sweeps).buffer_unordered(AT_ONCE).collect().await;
        progress.extend(swept);
        Ok(())
    }

    async fn one(&self, account: &Account, progress: &mut Progress) {
        let now = (self.rounds.clock)();
        progress.forget_old(now);
        let from = progress.since.map_or(now.minus(FIRST_MS), |last| last.minus(OVERLAP_MS));
        match self.account(account, from, now, progress).await {
            Ok(found) => {
                progress.since = Some(now);
                if found > 0 {
                    tracing::warn!(account = %account.id, found, "webhooks were missed; the sweep found what they told of");
                }
                metrics::counter!("afterglow_reconciled_total", "brand" => account.brand.as_str().to_owned())
                    .increment(found);
            }
            Err(error) => {
                metrics::counter!("afterglow_sweep_failures_total").increment(1);
                tracing::warn!(account = %account.id, error = %error_chain(&error), "an account was not swept");
            }
        }
    }

    /// Sweeps one account: what was said and what was commented since `from`. Returns how much had been missed.
    async fn account(
        &self,
        account: &Account,
        from: Timestamp,
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<u64, SweepError> {
        let token = self.tokens.of(&account.id).await?;
        let asking = GraphAccount { id: &account.id, login: token.login, token: &token.secret };
        let Progress { read, counted, .. } = progress;
        let (messages, comments) = tokio::join!(
            self.conversations(account, &asking, from, now, read),
            self.comments(account, &asking, from, counted),
        );
        Ok(messages? + comments?)
    }

    /// The conversations that moved since `from`.
    async fn conversations(
        &self,
        account: &Account,
        asking: &GraphAccount<'_>,
        from: Timestamp,
        now: Timestamp,
        read: &mut HashMap<String, Timestamp>,
    ) -> Result<u64, SweepError> {
        let (mut found, mut after) = (0, None);
        loop {
            self.room(Reads::Conversations, &account.id).await?;
            let page = self.graph.conversations(asking, after.as_deref()).await?;
            for conversation in page.conversations.iter().filter(|conversation| conversation.updated >= from) {
                // Nothing was said since it was read: one call saved, of two a second.
                if read.get(&conversation.id) == Some(&conversation.updated) {
                    continue;
                }
                self.room(Reads::Conversations, &account.id).await?;
                let messages = self.graph.messages(asking, &conversation.id).await?;
                let ripe = now.since(conversation.updated) > self.grace_ms + 1_000; // Meta gives whole seconds
                found += self.missed(account, messages, from, now).await?;
                if ripe {
                    read.insert(conversation.id.clone(), conversation.updated);
                }
            }
            // The latest come first: a page that ends before `from` is the last one of interest.
            let done = page.conversations.last().is_none_or(|oldest| oldest.updated < from);
            after = page.after;
            if done || after.is_none() {
                return Ok(found);
            }
        }
    }

    pub(crate) async fn room(&self, reads: Reads, account: &AccountId) -> Result<(), StoreError> {
        self.rounds.is_ours(ROUND).await?; // for as long again
        read_room(&self.rounds.store, reads, account, &self.rounds.clock, tokio::time::sleep).await
    }

    /// Publishes the messages that the log does not have.
    async fn missed(
        &self,
        account: &Account,
        messages: Vec<SweptMessage>,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<u64, SweepError> {
        let ripe = |message: &SweptMessage| message.created >= from && now.since(message.created) >= self.grace_ms;
        let messages: Vec<SweptMessage> = messages.into_iter().filter(ripe).collect();
        let mids: Vec<String> = messages.iter().map(|message| message.mid.clone()).collect();
        let mut known = self.rounds.store.known_messages(&account.id, mids.clone()).await?;
        // Our own messages come back as echoes or are settled by their sender; without metadata they would look like a
        // person's, who took the conversation over.
        known.extend(self.rounds.store.claimed_messages(mids).await?);
        let open = self.rounds.store.open_sends_of(&account.id).await?;
        let mut found = 0;
        for message in messages.into_iter().filter(|message| !known.contains(&message.mid)) {
            let ours = message.from == account.id.as_str();
            if ours && message.to.as_ref().is_some_and(|to| open.contains(to)) {
                continue; // it may be the very one whose fate is being looked for
            }
            let body = message.as_webhook(account.channel.as_str(), account.id.as_str());
            self.publish(&Found::read(body, now, &*self.accounts)).await?;
            found += 1;
        }
        Ok(found)
    }

    pub(crate) async fn publish(&self, found: &Found) -> Result<(), SweepError> {
        for (lane, messages) in Outgoing::of(&found.0, None, &self.our_apps, |_| true)?.lanes() {
            if !messages.is_empty() {
                self.bus.publish(lane, messages).await?;
            }
        }
        Ok(())
    }
}

/// What was found, read as any webhook is.
pub(crate) struct Found(Interpretation);

impl Found {
    pub(crate) fn read(body: Vec<u8>, now: Timestamp, accounts: &dyn Accounts) -> Self {
        let mut interpretation = interpret(&Verified::replayed(body.into()), now, accounts);
        for event in &mut interpretation.events {
            if let Interpreted::Interaction(interaction) = event {
                mark(interaction);
            }
        }
        Self(interpretation)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = InteractionId> {
        self.0.events.iter().filter_map(|event| match event {
            Interpreted::Interaction(interaction) => Some(interaction.id),
            Interpreted::Quarantined(_) => None,
        })
    }
}

/// Who reads the log shall know that no webhook told of it. What was made up to go through the door is not Meta's own
/// fragment, and is not kept as one.
fn mark(interaction: &mut Interaction) {
    interaction.source = Source::Reconcile;
    interaction.raw = None;
}
