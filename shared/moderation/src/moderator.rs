//! The judge: lists, links, volume, and whatever a brand plugs in.

use std::sync::{Arc, LazyLock};

use crate::{
    Category, Finding, Language, Layer, Level, Lexicon, List, ListErrors, Message, READ_MAX_BYTES, Verdict,
    fold::readings, links,
};

/// A brand's own judge beside the built-in ones: a model, a service's answer that was fetched before, another list.
pub trait Classifier: Send + Sync {
    /// Names it in rules.
    fn name(&self) -> &str;

    /// What speaks against the message; the rules of its findings are shown behind the classifier's name.
    fn classify(&self, message: &Message<'_>) -> Result<Vec<Finding>, ClassifierError>;
}

/// A classifier could not judge. The message is put before a person: not judged is not clean.
#[derive(Debug, thiserror::Error)]
#[error("the classifier could not judge: {0}")]
pub struct ClassifierError(pub String);

/// From how much on a volume is a reason.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Accounts named in one message.
    pub mentions: usize,
    /// The same text from one viewer within the caller's window: a reason, and a grave one from twice as often on.
    pub same_text: u32,
    /// Messages of any text from one viewer within the caller's window.
    pub messages: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { mentions: 5, same_text: 3, messages: 30 }
    }
}

/// Compiled once, since it takes some 30 ms and 6 MB; a brand's own lists take what is in them.
static BUILT_IN: LazyLock<Result<Arc<Layer<Category>>, ListErrors>> =
    LazyLock::new(|| Layer::compile(&built_in()).map(Arc::new));

/// Judges messages for one brand.
pub struct Moderator {
    lexicon: Lexicon<Category>,
    thresholds: Thresholds,
    own_hosts: Vec<String>,
    classifiers: Vec<Box<dyn Classifier>>,
}

impl Moderator {
    /// The built-in lists of every language, with a brand's lists on top.
    pub fn new(brand: &[List<'_>], thresholds: Thresholds) -> Result<Self, ListErrors> {
        let lexicon = Lexicon::on(BUILT_IN.clone()?, brand)?;
        Ok(Self { lexicon, thresholds, own_hosts: Vec::new(), classifiers: Vec::new() })
    }

    /// Trusts links to `hosts` and their subdomains.
    #[must_use]
    pub fn with_own_hosts(mut self, hosts: Vec<String>) -> Self {
        self.own_hosts = hosts;
        self
    }

    /// Asks `classifier` as well.
    #[must_use]
    pub fn with_classifier(mut self, classifier: Box<dyn Classifier>) -> Self {
        self.classifiers.push(classifier);
        self
    }

    /// Everything that speaks against a message.
    pub fn judge(&self, message: &Message<'_>) -> Verdict {
        let hits = self.lexicon.search(&readings(message.text), message.language).hits;
        let mut findings: Vec<Finding> = hits
            .into_iter()
            .map(|hit| Finding { category: hit.label, severity: hit.level, rule: hit.rule, excerpt: hit.excerpt })
            .collect();
        findings.extend(links::findings(message.text, &self.own_hosts));
        findings.extend(self.counted(message));
        for classifier in &self.classifiers {
            findings.extend(asked(classifier.as_ref(), message));
        }
        Verdict::new(findings)
    }

    fn counted(&self, message: &Message<'_>) -> Vec<Finding> {
        let Thresholds { mentions, same_text, messages } = self.thresholds;
        let volume = message.volume;
        let named = message.text.split_whitespace().filter(|word| is_mention(word)).count();
        let mut findings = Vec::new();
        let mut add = |category, severity, rule: &str, excerpt| {
            findings.push(Finding { category, severity, rule: rule.to_owned(), excerpt });
        };
        if named >= mentions {
            add(Category::Mentions, Level::Medium, "mentions.many", format!("{named} accounts"));
        }
        if volume.same_text >= same_text {
            let severity = if volume.same_text >= same_text.saturating_mul(2) { Level::High } else { Level::Medium };
            add(Category::Repetition, severity, "volume.same_text", format!("{} times", volume.same_text));
        }
        if volume.messages >= messages {
            add(Category::Repetition, Level::Medium, "volume.messages", format!("{} messages", volume.messages));
        }
        if message.text.len() > READ_MAX_BYTES {
            let unread = message.text.len() - READ_MAX_BYTES;
            add(Category::Unjudged, Level::Low, "length.unread", format!("{unread} bytes"));
        }
        findings
    }
}

fn is_mention(word: &str) -> bool {
    word.strip_prefix('@').is_some_and(|name| name.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn asked(classifier: &dyn Classifier, message: &Message<'_>) -> Vec<Finding> {
    let name = classifier.name();
    match classifier.classify(message) {
        Ok(findings) => findings.into_iter().map(|f| Finding { rule: format!("{name}: {}", f.rule), ..f }).collect(),
        Err(error) => vec![Finding {
            category: Category::Unjudged,
            severity: Level::Low,
            rule: format!("{name}: failed"),
            excerpt: error.to_string(),
        }],
    }
}

macro_rules! lists {
    ($($name:literal $language:ident),* $(,)?) => {
        [$(List {
            name: $name,
            language: Some(Language::$language),
            text: include_str!(concat!("../lists/", $name, ".txt")),
        }),*]
    };
}

fn built_in() -> [List<'static>; 14] {
    lists![
        "abuse.en" English, "abuse.nl" Dutch, "abuse.de" German, "abuse.fr" French, "abuse.es" Spanish,
        "abuse.pt" Portuguese, "abuse.it" Italian,
        "spam.en" English, "spam.nl" Dutch, "spam.de" German, "spam.fr" French, "spam.es" Spanish,
        "spam.pt" Portuguese, "spam.it" Italian,
    ]
}
