//! From a message to a draft, or to the reason why there is none.

use std::{collections::HashSet, sync::Mutex};

use afterglow_moderation::{Language, same_text_key};
use serde::{Deserialize, Serialize};

use crate::{
    Breaker, BreakerSettings, Budget, DraftError, EndpointError, EndpointSettings, Prices, SettingsError, Spent,
    endpoint::{Completion, Endpoint},
    guard,
    prompt::{ChatMessage, disclosure, messages},
};

/// Bytes of a viewer's message that may be sent to a model. Instagram's own limits are below.
const VIEWER_MAX_BYTES: usize = 4_000;
/// Bytes of all facts together.
const FACTS_MAX_BYTES: usize = 16_000;

/// What is to be answered, and on what ground.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The brand's name.
    pub brand: &'a str,
    /// The language of the answer and of its disclosure.
    pub language: Language,
    /// What the brand says of itself and its goods; the only ground of an answer.
    pub facts: &'a [String],
    /// What the viewer wrote.
    pub viewer_text: &'a str,
}

/// A proposal for a reply. It was not sent, and nothing in this crate can send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The whole text: the disclosure, a line's end, the reply.
    pub text: String,
    /// What speaks for it and against it.
    pub reasons: Vec<DraftReason>,
    /// 0 to 100: how much of the reply rests on the facts. No probability.
    pub confidence: u8,
    /// What should become of it.
    pub disposition: Disposition,
}

/// What speaks for or against a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftReason {
    /// The model names these facts, from 1, as its ground.
    RestsOn(Vec<usize>),
    /// The model names no fact, or one that there is not.
    NamesNoFact,
    /// So many of the reply's longer words are words of the facts. The viewer's words are no ground: "do you ship to
    /// Norway?" does not make it so.
    KnownWords {
        /// How many are.
        known: usize,
        /// Of how many.
        of: usize,
    },
    /// The brand wants a person to read every draft.
    EveryDraftIsRead,
    /// The confidence is below the brand's floor.
    BelowFloor {
        /// The floor.
        floor: u8,
    },
}

/// What should become of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// A person reads it first.
    Hold,
    /// The brand lets drafts of this confidence pass to the gate without being read.
    Pass,
}

/// Which drafts a person has to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Review {
    /// All.
    #[default]
    Always,
    /// Those with less confidence than this, 0 to 100. What is not read may be untrue: of 20 untruths in plain words the
    /// tests let 1 pass with a floor of 80, and 3 with a floor of 50.
    Below(u8),
}

/// What became of one ask.
#[derive(Debug)]
pub struct Attempt {
    /// The draft, or why there is none.
    pub outcome: Result<Draft, DraftError>,
    /// What it cost, for the brand's counters, also where there is no draft. Where the endpoint did not tell: the most it
    /// can have cost.
    pub spent: Spent,
}

/// Asks one endpoint for drafts.
pub struct Drafter {
    endpoint: Endpoint,
    prices: Prices,
    breaker: Mutex<Breaker>,
}

impl Drafter {
    /// For one endpoint, at its prices.
    pub fn new(settings: EndpointSettings, prices: Prices, breaker: BreakerSettings) -> Result<Self, SettingsError> {
        Ok(Self { endpoint: Endpoint::new(settings)?, prices, breaker: Mutex::new(Breaker::new(breaker)) })
    }

    /// Asks for a draft. `spent_today` is what the brand spent before, and `clock` tells epoch milliseconds: it is asked
    /// before the call and after.
    pub async fn draft(
        &self,
        ask: &Ask<'_>,
        budget: Budget,
        spent_today: Spent,
        review: Review,
        clock: impl Fn() -> i64,
    ) -> Attempt {
        let chat = match self.admit(ask, budget, spent_today, clock()) {
            Ok(chat) => chat,
            Err(error) => return Attempt { outcome: Err(error), spent: Spent::default() },
        };
        let most = self.most(&chat);
        match self.endpoint.complete(&chat).await {
            Ok(completion) => {
                self.with_breaker(Breaker::succeeded);
                let told = completion.usage.map(|(input, output)| self.prices.cost(input, output));
                // An endpoint that claims to have taken nothing, or more than there was to take, is not believed
                let spent = told.filter(|told| told.tokens > 0 && told.tokens <= most.tokens).unwrap_or(most);
                Attempt { outcome: judge(ask, &completion, review), spent }
            }
            Err(error) => {
                let wait = if let EndpointError::TooMany { retry_after_ms } = &error { *retry_after_ms } else { None };
                self.with_breaker(|breaker| breaker.failed(clock(), wait));
                let spent = if may_have_cost(&error) { most } else { Spent::default() };
                Attempt { outcome: Err(error.into()), spent }
            }
        }
    }

    /// The most that a draft for `ask` can cost, for callers that reserve before they ask.
    pub fn most_for(&self, ask: &Ask<'_>) -> Spent {
        self.most(&messages(ask))
    }

    fn admit(&self, ask: &Ask<'_>, budget: Budget, spent: Spent, now_ms: i64) -> Result<[ChatMessage; 2], DraftError> {
        let facts: usize = ask.facts.iter().map(String::len).sum();
        for (what, bytes, limit) in
            [("message", ask.viewer_text.len(), VIEWER_MAX_BYTES), ("list of facts", facts, FACTS_MAX_BYTES)]
        {
            if bytes > limit {
                return Err(DraftError::AskTooLarge { what, bytes, limit });
            }
        }
        if ask.viewer_text.trim().is_empty() {
            return Err(DraftError::NothingToDraft("message"));
        }
        if facts == 0 {
            return Err(DraftError::NothingToDraft("fact"));
        }
        let chat = messages(ask);
        budget.admit(spent, self.most(&chat))?;
        // Last, because whoever is let through has to report back
        self.with_breaker(|breaker| breaker.admit(now_ms))?;
        Ok(chat)
    }

    /// The most that a call can cost. A token is at least one byte, and a template of the model's own stands around each
    /// message.
    fn most(&self, chat: &[ChatMessage]) -> Spent {
        const TEMPLATE_TOKENS: usize = 16;
        let input = chat.iter().map(|message| message.content.len() + TEMPLATE_TOKENS).sum::<usize>();
        self.prices.cost(u64::try_from(input).unwrap_or(u64::MAX), u64::from(self.endpoint.max_output_tokens()))
    }

    fn with_breaker<T>(&self, change: impl FnOnce(&mut Breaker) -> T) -> T {
        // No change can panic half-way: a poisoned lock holds a whole breaker
        change(&mut self.breaker.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Whether an endpoint that failed like this may have computed an answer, and charge for it.
const fn may_have_cost(error: &EndpointError) -> bool {
    match error {
        EndpointError::TooMany { .. } => false,
        EndpointError::Status { status } => *status >= 500,
        EndpointError::Timeout
        | EndpointError::Connection(_)
        | EndpointError::NotJson { .. }
        | EndpointError::TooLarge { .. }
        | EndpointError::Shape(_)
        | EndpointError::NoChoice => true,
    }
}

/// The form in which the model is told to answer.
#[derive(Deserialize)]
struct Form {
    answered: bool,
    #[serde(default)]
    facts: Vec<usize>,
    #[serde(default)]
    reply: String,
}

fn judge(ask: &Ask<'_>, completion: &Completion, review: Review) -> Result<Draft, DraftError> {
    if let Some(reason) = completion.finish_reason.as_deref().filter(|reason| *reason != "stop") {
        return Err(DraftError::Unfinished { finish_reason: reason.chars().take(40).collect() });
    }
    let form: Form =
        serde_json::from_str(unfenced(&completion.content)).map_err(|_| DraftError::Form("no JSON object as asked"))?;
    if !form.answered {
        return Err(DraftError::NotInFacts);
    }
    let said = form.reply.trim();
    if said.is_empty() {
        return Err(DraftError::Form("an answer without text"));
    }
    let text = format!("{}\n{said}", disclosure(ask.language));
    // The disclosure is ours; but the length is that of the whole
    let mut refusals = guard(said, ask.facts, ask.viewer_text).err().unwrap_or_default();
    if text.len() > crate::TEXT_MAX_BYTES && said.len() <= crate::TEXT_MAX_BYTES {
        refusals.push(crate::Refusal::TooLong { bytes: text.len() });
    }
    if !refusals.is_empty() {
        return Err(DraftError::Refused(refusals));
    }
    let named = !form.facts.is_empty() && form.facts.iter().all(|fact| (1..=ask.facts.len()).contains(fact));
    let (known, of) = known_words(said, ask);
    let share = u8::try_from((known * 100).checked_div(of).unwrap_or(0)).unwrap_or(100);
    let confidence = if named { share } else { share / 2 };
    let mut reasons = vec![
        if named { DraftReason::RestsOn(form.facts) } else { DraftReason::NamesNoFact },
        DraftReason::KnownWords { known, of },
    ];
    let disposition = match review {
        Review::Always => {
            reasons.push(DraftReason::EveryDraftIsRead);
            Disposition::Hold
        }
        Review::Below(floor) if confidence < floor => {
            reasons.push(DraftReason::BelowFloor { floor });
            Disposition::Hold
        }
        Review::Below(_) => Disposition::Pass,
    };
    Ok(Draft { text, reasons, confidence, disposition })
}

/// Many models put JSON into a block of code, whatever they are told.
fn unfenced(content: &str) -> &str {
    let content = content.trim();
    let inner = content.strip_prefix("```json").or_else(|| content.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).unwrap_or(content).trim()
}

/// How many of the reply's words of three letters or more are words of the facts, and of how many.
fn known_words(reply: &str, ask: &Ask<'_>) -> (usize, usize) {
    let ground = ask.facts.iter().map(String::as_str).chain([ask.brand]).map(same_text_key);
    let ground: Vec<String> = ground.collect();
    let ground: HashSet<&str> = ground.iter().flat_map(|text| text.split_whitespace()).collect();
    let reply = same_text_key(reply);
    let words: Vec<&str> = reply.split_whitespace().filter(|word| word.chars().count() >= 3).collect();
    (words.iter().filter(|word| ground.contains(*word)).count(), words.len())
}
