//! Comments at the posts of accounts: read back, hidden, shown again, taken away.

use std::collections::HashMap;

use afterglow_domain::{AccountId, Timestamp, ViewerId};

use super::World;

#[derive(Debug)]
pub(super) struct CommentState {
    pub(super) author: ViewerId,
    pub(super) at: Timestamp,
    pub(super) live: bool,
    pub(super) media: String,
    pub(super) text: String,
    pub(super) by_account: bool,
    pub(super) replied: Option<u64>,
    pub(super) shown: Shown,
}

/// To whom a comment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Everybody,
    ItsWriter,
    /// It is gone.
    Nobody,
}

/// A comment as it can be read back from its post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedComment {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub author: ViewerId,
    /// When.
    pub at: Timestamp,
    /// Its text.
    pub text: String,
    /// Its writer alone sees it.
    pub hidden: bool,
}

impl World {
    /// The posts of an account that have comments, the one that was commented on last first, each with its comments, the
    /// latest first. What was said during a broadcast cannot be read back.
    pub fn posts(&self, account: &AccountId) -> Vec<(String, Vec<PostedComment>)> {
        let mut posts: HashMap<&str, Vec<PostedComment>> = HashMap::new();
        for ((_, id), comment) in
            self.comments.iter().filter(|((owner, _), c)| owner == account && !c.live && c.shown != Shown::Nobody)
        {
            let (author, text) = (comment.author.clone(), comment.text.clone());
            let hidden = comment.shown == Shown::ItsWriter;
            let comments = posts.entry(&comment.media).or_default();
            comments.push(PostedComment { id: id.clone(), author, at: comment.at, text, hidden });
        }
        let mut posts: Vec<_> = posts.into_iter().map(|(media, comments)| (media.to_owned(), comments)).collect();
        for (_, comments) in &mut posts {
            comments.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        }
        posts.sort_by(|(a, x), (b, y)| y.first().map(|c| c.at).cmp(&x.first().map(|c| c.at)).then_with(|| a.cmp(b)));
        posts
    }

    /// A comment that is still there.
    pub fn comment(&self, account: &AccountId, id: &str) -> Option<PostedComment> {
        let comment =
            self.comments.get(&(account.clone(), id.to_owned())).filter(|comment| comment.shown != Shown::Nobody)?;
        let (author, text) = (comment.author.clone(), comment.text.clone());
        let hidden = comment.shown == Shown::ItsWriter;
        Some(PostedComment { id: id.to_owned(), author, at: comment.at, text, hidden })
    }

    /// Hides a comment of somebody else's or shows it again; `false` if there is none that could be.
    pub fn hide_comment(&mut self, account: &AccountId, id: &str, hidden: bool) -> bool {
        let comment = self.comments.get_mut(&(account.clone(), id.to_owned()));
        let Some(comment) = comment.filter(|c| c.shown != Shown::Nobody && !c.by_account && !c.live) else {
            return false;
        };
        comment.shown = if hidden { Shown::ItsWriter } else { Shown::Everybody };
        true
    }

    /// Takes a comment away for good; `false` if there is none.
    pub fn delete_comment(&mut self, account: &AccountId, id: &str) -> bool {
        let comment = self.comments.get_mut(&(account.clone(), id.to_owned()));
        let Some(comment) = comment.filter(|comment| comment.shown != Shown::Nobody) else { return false };
        comment.shown = Shown::Nobody;
        true
    }
}
