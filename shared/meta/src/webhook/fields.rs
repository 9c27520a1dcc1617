//! Meta's webhook fields, and the kinds of interaction that come of each.
//!
//! Sources, as read in 2026: Meta, "Instagram Platform: Webhooks" and "Messenger Platform: Webhook events".

use afterglow_domain::Kind;

/// One field that an app can subscribe to.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, or names: objects differ in the plural.
    pub name: &'static str,
    /// Of which webhook objects.
    pub objects: &'static str,
    /// What it becomes.
    pub kinds: &'static [Kind],
    /// What a reader should know.
    pub note: &'static str,
}

const fn field(name: &'static str, objects: &'static str, kinds: &'static [Kind], note: &'static str) -> Field {
    Field { name, objects, kinds, note }
}

/// Every field that is understood.
pub const FIELDS: &[Field] = &[
    field(
        "messages",
        "instagram, page",
        &[Kind::Message, Kind::StoryReply, Kind::StoryMention, Kind::QuickReply, Kind::Unsend, Kind::SelfMessage],
        "by its contents; an inline reply is a message with `reply_to`",
    ),
    field("message_edit, message_edits", "instagram, page", &[Kind::MessageEdit], "parked until its message comes"),
    field("message_echoes", "instagram, page", &[Kind::MessageSent], "settles our sends; another's voice hands over"),
    field(
        "message_reactions",
        "instagram, page",
        &[Kind::Reaction, Kind::ReactionRemoved],
        "parked until its message comes",
    ),
    field("messaging_seen, message_reads", "instagram, page", &[Kind::Seen], "never a contact"),
    field("message_deliveries", "page", &[Kind::Delivered], "never a contact"),
    field("messaging_postbacks", "instagram, page", &[Kind::Postback], "buttons and ice breakers; `mid` may be absent"),
    field("messaging_referral, messaging_referrals", "instagram, page", &[Kind::Referral], "ig.me links and ads"),
    field("messaging_optins", "instagram, page", &[Kind::OptIn], "stop and resume words of its own"),
    field(
        "messaging_handover, messaging_handovers",
        "instagram, page",
        &[Kind::Handover],
        "pass, take, request, app roles; on the fast lane",
    ),
    field("standby", "instagram, page", &[Kind::Message], "as `messages`, marked; never answered"),
    field("messaging_policy_enforcement", "instagram, page", &[Kind::PolicyEnforcement], "Meta blocks or unblocks"),
    field("messaging_account_linking", "page", &[Kind::AccountLinking], ""),
    field("comments", "instagram", &[Kind::Comment], "`id` or `comment_id`; a boosted post's copy counts once"),
    field("live_comments", "instagram", &[Kind::LiveComment], "a private reply only during the broadcast"),
    field("mentions, mention", "instagram, page", &[Kind::Mention], "Instagram Login tells these as comments"),
    field("story_insights", "instagram", &[Kind::StoryInsights], "Facebook Login alone; -1 means fewer than 5"),
    field("feed", "page", &[Kind::Comment, Kind::Feed], "comments are comments; the rest is kept"),
];
