//! Lists: what is accepted, what is refused, and where.

use afterglow_moderation::{
    Category, Classifier, ClassifierError, Confidence, Disposition, Finding, Handover, Kind, Language, Level, List,
    Message, Moderator, Need, Thresholds, Topic, Volume,
};

use crate::moderation::moderator;

fn brand(text: &str) -> List<'_> {
    List { name: "brand", language: None, text }
}

fn with(text: &str) -> Moderator {
    Moderator::new(&[brand(text)], Thresholds::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_mistake_is_named_with_its_place_and_its_mend() {
    let text = "\
stray
[insult medium]
ok phrase
***
!!
x
foo*bar
/open
/(unclosed/
/ÉCOLE/
  /[A-Z]+/
/a*/
/(\\w{1000}){1000}/
(a|b)
~bound
ok phrase
[nonsense high]
its lines are not reported again
[insult extreme]
[insult medium
[remove]
idiott
qqqqqqqqqqqqqqq";
    let error = Moderator::new(&[brand(text)], Thresholds::default()).err();
    insta::assert_snapshot!(error.map(|e| e.to_string()).unwrap_or_default(), @r"
    brand:1:1: this pattern stands in no section; put a line such as [insult medium] above it
    brand:4:2: a star may stand at the beginning or the end alone; remove it, or write a regular expression between slashes
    brand:5:1: nothing is left of this phrase without its signs; write a word with letters or digits
    brand:6:1: a single letter would be found nearly everywhere; write a longer word or a phrase
    brand:7:4: a star may stand at the beginning or the end alone; remove it, or write a regular expression between slashes
    brand:8:6: this regular expression has no closing slash; end the line with /
    brand:9:2: this is no regular expression: unclosed group; mend it at this column, or write a plain phrase without slashes
    brand:10:2: “É” never occurs in folded text; write “e”
    brand:11:5: “A” never occurs in folded text; write “a”
    brand:12:1: this regular expression matches every text, the empty one too; ask for at least one letter: + instead of *, for example
    brand:13:1: this regular expression takes more than 1048576 bytes when compiled; use smaller repetition counts, or several patterns
    brand:14:1: this phrase looks like a regular expression; put it between slashes, or remove the signs
    brand:15:1: this list has no language to which ~ could bind a pattern; remove the ~, or give the list a language
    brand:16:1: this pattern stands on line 3 already; remove one of the two
    brand:17:2: there is no label “nonsense”; use one of insult, hate, threat, self_harm, sexual, scam, promotion, innocent, remove
    brand:19:8: the section's level is missing or unknown; write low, medium or high after the label
    brand:20:14: this section has no closing bracket; end the line with ]
    brand:22:1: no built-in pattern is written like this; did you mean “idioti”?
    brand:23:1: no built-in pattern is written like this; remove the line
    ");
}

#[test]
fn a_brand_adds_and_removes() {
    let text = "he is a moron and a nincompoop";
    let rules = |m: &Moderator| m.judge(&Message::new(text)).findings.into_iter().map(|f| f.rule).collect::<Vec<_>>();
    assert_eq!(rules(&with("[insult high]\nnincompoop")), ["brand:2 nincompoop", "abuse.en:15 moron*"]);
    // Removing takes the pattern as it is written; what other lists hold stays
    let removed = with("[remove]\nmoron*\n");
    assert!(rules(&removed).is_empty(), "{:?}", rules(&removed));
    assert_eq!(rules(&with("[innocent]\na moron and")), Vec::<String>::new());
}

#[test]
fn a_bound_pattern_counts_only_in_its_language() {
    let moderator = moderator();
    for (text, language, expected) in [
        ("espèce de gros con", None, Disposition::Review),
        ("con", Some(Language::French), Disposition::Review),
        ("con mucho gusto", Some(Language::Spanish), Disposition::Pass),
        ("con mucho gusto", None, Disposition::Pass),
    ] {
        assert_eq!(moderator.judge(&Message { language, ..Message::new(text) }).disposition(), expected, "{text}");
    }
}

#[test]
fn volume_is_a_reason() {
    let moderator = moderator();
    for (same_text, messages, expected) in [
        (1, 1, None),
        (2, 29, None),
        (3, 3, Some(Level::Medium)),
        (6, 6, Some(Level::High)),
        (1, 30, Some(Level::Medium)),
    ] {
        let message = Message { volume: Volume { same_text, messages }, ..Message::new("so nice") };
        assert_eq!(moderator.judge(&message).severity(), expected, "{same_text} of {messages}");
    }
}

#[test]
fn what_is_too_long_to_read_is_not_clean() {
    let text = "so nice ".repeat(2_000) + "kill yourself";
    let verdict = moderator().judge(&Message::new(&text));
    assert_eq!(verdict.kind(), Some(Kind::Unjudged));
    assert_eq!(verdict.disposition(), Disposition::Review);
}

struct Fixed(Result<Category, &'static str>);

impl Classifier for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn classify(&self, message: &Message<'_>) -> Result<Vec<Finding>, ClassifierError> {
        let category = self.0.map_err(|why| ClassifierError(why.to_owned()))?;
        let excerpt = message.text.to_owned();
        Ok(vec![Finding { category, severity: Level::High, rule: "v1".to_owned(), excerpt }])
    }
}

#[test]
fn a_classifier_is_asked_and_its_failure_is_no_pass() {
    for (answer, disposition, rule) in [
        (Ok(Category::Threat), Disposition::Hide, "fixed: v1"),
        (Err("model not loaded"), Disposition::Review, "fixed: failed"),
    ] {
        let verdict = moderator().with_classifier(Box::new(Fixed(answer))).judge(&Message::new("so nice"));
        assert_eq!(verdict.disposition(), disposition);
        assert_eq!(verdict.findings.first().map(|f| f.rule.as_str()), Some(rule));
    }
}

#[test]
fn the_need_of_a_person_is_graded() {
    let handover = Handover::new(&[]).unwrap_or_else(|e| panic!("{e}"));
    let sure = |is| Some(Confidence { is, floor: 60 });
    for (text, confidence, need, topic) in [
        ("how much is it?", None, Need::No, None),
        ("how much is it?", sure(60), Need::No, None),
        ("how much is it?", sure(59), Need::Perhaps, Some(Topic::LowConfidence)),
        ("are you a bot", sure(10), Need::Yes, Some(Topic::Human)),
        ("I want a refund", sure(99), Need::Yes, Some(Topic::Refund)),
        ("the charger caught fire", None, Need::Urgent, Some(Topic::Safety)),
        ("сколько стоит эта лампа", None, Need::Perhaps, Some(Topic::OtherScript)),
        ("What is it? How big is it?", None, Need::Perhaps, Some(Topic::ManyQuestions)),
        ("really??? really???", None, Need::No, None),
        ("", None, Need::No, None),
    ] {
        let assessment = handover.assess(&Message::new(text), confidence);
        assert_eq!((assessment.need, assessment.reasons.first().map(|r| r.topic)), (need, topic), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged_and_every_finding_has_its_rule(text in proptest::prelude::any::<String>()) {
        use std::sync::LazyLock;
        static MODERATOR: LazyLock<Moderator> = LazyLock::new(moderator);
        for finding in MODERATOR.judge(&Message::new(&text)).findings {
            proptest::prop_assert!(!finding.rule.is_empty() && !finding.excerpt.is_empty());
        }
    }

    #[test]
    fn hiding_a_threat_does_not_help(at in 0_usize..17, gap in "[\u{200b}\u{ad}\u{2060}]{1,3}") {
        use std::sync::LazyLock;
        static MODERATOR: LazyLock<Moderator> = LazyLock::new(moderator);
        let mut text = "I will kill you now".to_owned();
        text.insert_str(at, &gap);
        proptest::prop_assert_eq!(MODERATOR.judge(&Message::new(&text)).disposition(), Disposition::Hide);
    }
}
