//! What the API answers with. Times are RFC 3339 in UTC.

use afterglow_domain::{Interaction, Timestamp};
use afterglow_scorer::{Explanation, Prospect};
use afterglow_store::DecisionRecord;
use serde::Serialize;
use utoipa::ToSchema;

/// A viewer as they stand now.
#[expect(clippy::struct_field_names, reason = "account and viewer are the two parts of a viewer's name")]
#[derive(Serialize, ToSchema)]
pub(crate) struct Viewer {
    /// The account that sees them, by Meta's id.
    pub(crate) account: String,
    /// Meta's id of them, as that account sees them.
    pub(crate) viewer: String,
    pub(crate) username: Option<String>,
    /// `hot`, `warm` or `cool`
    pub(crate) segment: String,
    pub(crate) score: f64,
    /// `reply now`, `monitor` or `nurture`
    pub(crate) to_do: Option<String>,
    /// Until when an answer is due, if one is.
    pub(crate) due: Option<String>,
    pub(crate) tags: Vec<String>,
    /// When they last did something that opens the standard window of 24 hours.
    pub(crate) last_contact: Option<String>,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
}

/// A page of viewers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Viewers {
    pub(crate) viewers: Vec<Viewer>,
    /// Give it back as `cursor` for the next page; none: this was the last.
    pub(crate) next: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Happened {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) occurred: String,
    pub(crate) source: String,
    pub(crate) text: Option<String>,
    pub(crate) story_id: Option<String>,
}

impl From<&Interaction> for Happened {
    fn from(interaction: &Interaction) -> Self {
        Self {
            id: interaction.id.to_string(),
            kind: interaction.kind().as_str().into(),
            occurred: interaction.occurred.to_rfc3339(),
            source: interaction.source.as_str().into(),
            text: interaction.body.text().map(Into::into),
            story_id: interaction.body.story_id().map(Into::into),
        }
    }
}

/// Something that happened, with whose it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Logged {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) viewer: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) kind: String,
    pub(crate) occurred: String,
    pub(crate) received: String,
    pub(crate) source: String,
    pub(crate) text: Option<String>,
    pub(crate) story_id: Option<String>,
}

impl From<&Interaction> for Logged {
    fn from(interaction: &Interaction) -> Self {
        let Happened { id, kind, occurred, source, text, story_id } = interaction.into();
        Self {
            account: interaction.account.to_string(),
            viewer: interaction.viewer.as_ref().map(ToString::to_string),
            username: interaction.username.clone(),
            received: interaction.received.to_rfc3339(),
            id,
            kind,
            occurred,
            source,
            text,
            story_id,
        }
    }
}

/// A part of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Log {
    pub(crate) interactions: Vec<Logged>,
    /// What to give back for what follows; none at the end.
    pub(crate) next: Option<String>,
}

/// What one interaction adds to a score.
#[derive(Serialize, ToSchema)]
pub(crate) struct Adds {
    pub(crate) interaction: String,
    pub(crate) kind: String,
    pub(crate) occurred: String,
    /// When it happened.
    pub(crate) points: f64,
    pub(crate) half_life_hours: f64,
    /// Now, faded.
    pub(crate) now: f64,
}

/// Where a viewer would stand.
#[derive(Serialize, ToSchema)]
pub(crate) struct Would {
    /// After which kind of interaction; none: with time alone.
    pub(crate) after: Option<String>,
    pub(crate) at: String,
    pub(crate) score: f64,
    pub(crate) segment: String,
}

impl From<&Prospect> for Would {
    fn from(prospect: &Prospect) -> Self {
        Self {
            after: prospect.after.map(|kind| kind.as_str().into()),
            at: prospect.at.to_rfc3339(),
            score: prospect.score,
            segment: prospect.segment.as_str().into(),
        }
    }
}

/// Why a viewer stands where they stand.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explained {
    pub(crate) at: String,
    pub(crate) rules_version: i64,
    pub(crate) score: f64,
    pub(crate) segment: String,
    /// The condition that says so.
    pub(crate) because: String,
    pub(crate) contributions: Vec<Adds>,
    /// What the interactions that are not listed add.
    pub(crate) rest: f64,
    pub(crate) raises: Vec<Would>,
    pub(crate) next: Option<Would>,
}

impl From<&Explanation> for Explained {
    fn from(explanation: &Explanation) -> Self {
        let adds = |c: &afterglow_scorer::Contribution| Adds {
            interaction: c.interaction.to_string(),
            kind: c.kind.as_str().into(),
            occurred: c.occurred.to_rfc3339(),
            points: c.points,
            half_life_hours: c.half_life_hours,
            now: c.now,
        };
        Self {
            at: explanation.at.to_rfc3339(),
            rules_version: explanation.rules_version,
            score: explanation.score,
            segment: explanation.standing.segment.as_str().into(),
            because: explanation.standing.because.clone(),
            contributions: explanation.contributions.iter().map(adds).collect(),
            rest: explanation.rest,
            raises: explanation.raises.iter().map(Would::from).collect(),
            next: explanation.next.as_ref().map(Would::from),
        }
    }
}

/// A decision of the gate.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decided {
    /// Its place in the order of decisions.
    pub(crate) seq: i64,
    pub(crate) at: String,
    pub(crate) intent: String,
    pub(crate) account: String,
    pub(crate) viewer: String,
    pub(crate) play: String,
    /// The interaction that would be answered.
    pub(crate) cause: String,
    /// `send`, `defer`, `hold` or `drop`
    pub(crate) verdict: String,
    pub(crate) reasons: Vec<String>,
    pub(crate) until: Option<String>,
    pub(crate) policy_version: String,
}

impl From<&DecisionRecord> for Decided {
    fn from(record: &DecisionRecord) -> Self {
        Self {
            seq: record.seq,
            at: record.at.to_rfc3339(),
            intent: record.intent.to_string(),
            account: record.account.to_string(),
            viewer: record.viewer.to_string(),
            play: record.play.to_string(),
            cause: record.cause.to_string(),
            verdict: record.decision.verdict.as_str().into(),
            reasons: record.decision.reasons.iter().map(|reason| reason.as_str().into()).collect(),
            until: record.decision.until.map(Timestamp::to_rfc3339),
            policy_version: record.policy_version.clone(),
        }
    }
}

/// Changes that follow a cursor.
#[derive(Serialize, ToSchema)]
pub(crate) struct Changes {
    /// `CloudEvents` 1.0 of the types `app.afterglow.viewer.changed` and `app.afterglow.viewer.forgotten`.
    #[schema(value_type = Vec<Object>, rename = "changes")]
    #[serde(rename = "changes")]
    pub(crate) events: Vec<serde_json::Value>,
    /// Give it back for what follows.
    pub(crate) cursor: u64,
    /// The number of the latest change there is.
    pub(crate) head: u64,
}
