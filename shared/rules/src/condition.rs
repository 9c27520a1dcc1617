//! A CEL condition: parsed, checked, evaluated.

use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::parser::Parser;
use cel::{Context, Env, Value};

use crate::check;
use crate::vocabulary::{Scope, Type, Variables};
use crate::watch::{Watch, watches};

/// Bytes of a condition at most.
const TEXT_MAX: usize = 2_000;
/// How deep parentheses may nest.
const DEPTH_MAX: u16 = 40;

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition that was found good.
#[derive(Clone)]
pub struct Condition {
    text: String,
    expr: Arc<IdedExpr>,
    watches: Vec<Watch>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A condition is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at {line}:{column} of the condition)")]
pub struct ConditionError {
    /// Line within the condition, from 1.
    pub line: u32,
    /// Column within that line, in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// A condition failed all the same.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// CEL gave up.
    #[error("the condition cannot be evaluated: {0}")]
    Failed(String),
    /// It gives something else than true or false.
    #[error("the condition gives neither true nor false")]
    NotBool,
}

impl Condition {
    /// Parses and checks a condition.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, ConditionError> {
        let whole = |message: String| ConditionError { line: 1, column: 1, message };
        if text.trim().is_empty() {
            return Err(whole("an empty condition".into()));
        }
        if text.len() > TEXT_MAX {
            return Err(whole(format!("a condition of {} bytes; {TEXT_MAX} are the limit", text.len())));
        }
        if too_deep(text) {
            return Err(whole(format!("parentheses nest deeper than {DEPTH_MAX}")));
        }
        let parsed = Parser::default().max_recursion_depth(200).parse_with_source_info(text);
        let (mut expr, source) = parsed.map_err(|errors| {
            let first = errors.errors.first();
            let place = |n: isize| u32::try_from(n.max(1)).unwrap_or(1);
            let (line, column) = first.map_or((1, 1), |error| error.pos);
            let message = first.map_or_else(|| "not CEL".to_owned(), |error| format!("not CEL: {}", error.msg));
            ConditionError { line: place(line), column: place(column), message }
        })?;
        let fault = match check::check(&mut expr, scope) {
            Ok(Type::Bool) => None,
            Ok(other) => {
                let message = format!("a condition is true or false; this is {}", other.as_str());
                Some(check::Fault { node: expr.id, message })
            }
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            let offset = source.offset_for(fault.node).map_or(0, |(start, _)| start as usize);
            let (line, column) = place(text, offset);
            return Err(ConditionError { line, column, message: fault.message });
        }
        let watches = watches(&expr);
        Ok(Self { text: text.to_owned(), expr: Arc::new(expr), watches })
    }

    /// Whether it holds.
    pub fn holds(&self, variables: &Variables<'_>) -> Result<bool, EvaluationError> {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        context.set_variable_resolver(variables);
        match context.resolve(&self.expr) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(EvaluationError::NotBool),
            Err(error) => Err(EvaluationError::Failed(error.to_string())),
        }
    }

    /// What it waits for.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// CEL's parser recurses by its grammar's levels, a dozen for each parenthesis: a stack is finite, and a document is not ours.
fn too_deep(text: &str) -> bool {
    let mut depth = 0_u16;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    let chained = |sign: &str| text.matches(sign).count() > 200;
    chained("!") || chained("-") || chained("?")
}

/// Line and column, from 1, of a character.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    for character in text.chars().take(offset) {
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use afterglow_domain::{Kind, Segment};
    use proptest::prelude::*;

    use super::*;
    use crate::vocabulary::Happening;

    fn variables(counts: &BTreeMap<Kind, u32>) -> Variables<'_> {
        Variables {
            score: 12.5,
            needs_reply: true,
            hours_waiting: 0.5,
            hours_overdue: 0.0,
            hours_since_spoke: 2.0,
            hours_since_contact: 2.0,
            hours_since_profile_visit: f64::INFINITY,
            hours_since_repeat_view: f64::INFINITY,
            hours_since_view: 30.0,
            hours_since_first_seen: 90.0,
            hours_since_last_seen: 2.0,
            counts,
            segment: Some(Segment::Hot),
            happening: Some(Happening {
                kind: Kind::StoryReply,
                text: "What does it cost?",
                story_id: "s1",
                payload: "",
            }),
        }
    }

    #[test]
    fn what_conditions_say() {
        let counts = BTreeMap::from([(Kind::StoryReply, 3)]);
        for (text, expected) in [
            ("score >= 12.5", true),
            ("score * 2.0 - 1.0 > 24.0", false),
            ("needs_reply && hours_waiting < 1.0", true),
            ("!needs_reply", false),
            ("hours_since_profile_visit < 24.0", false),
            ("hours_since_profile_visit > 100000.0", true),
            ("count.story_reply >= 3 && count.comment == 0", true),
            ("count.story_reply % 2 == 1", true),
            ("double(count.story_reply) / 2.0 > 1.4", true),
            ("segment == 'hot' ? score > 10.0 : false", true),
            ("segment in ['hot', 'warm']", true),
            ("kind == 'story_reply' && text.contains('cost')", true),
            ("story_id == 's1' && text.startsWith('What') && !text.endsWith('!')", true),
            ("-score < 0.0", true),
        ] {
            let condition = Condition::compile(text, Scope::Play).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.holds(&variables(&counts)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        for (text, line, column, message) in [
            ("", 1, 1, "an empty condition"),
            ("score >", 1, 8, "not CEL"),
            ("score > 3", 1, 7, "compare int with int"),
            ("score", 1, 1, "true or false; this is double"),
            ("needs_reply &&\n  hours_since_spoken < 1.0", 2, 3, "nothing called `hours_since_spoken`"),
            ("count.likes > 1", 1, 6, "`likes` is no kind"),
            ("count > 1", 1, 1, "needs a kind"),
            ("score / 0.0 > 1.0", 1, 9, "division by zero"),
            ("10.0 / score > 1.0", 1, 8, "may be zero"),
            ("count.comment / count.message > 1", 1, 22, "may be zero"),
            ("[1, 2].all(x, x > 0)", 1, 11, "no loops"),
            ("kind == 'comment'", 1, 1, "nothing called `kind`"),
            ("score.x > 1.0", 1, 6, "only `count` has parts"),
            ("matches(text)", 1, 9, "nothing called `text`"),
            ("needs_reply == 1", 1, 13, "one type"),
            ("1 in ['a']", 1, 3, "`in` looks for"),
            ("{'a': 1}.a > 0", 1, 9, "only `count`"),
            ("size('a') > 1", 1, 5, "no function `size`"),
        ] {
            let error = Condition::compile(text, Scope::Segment).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        }
        let deep = format!("{}score > 1.0{}", "(".repeat(5_000 / 6), ")".repeat(5_000 / 6));
        assert!(Condition::compile(&deep, Scope::Segment).unwrap_err().message.contains("nest"));
    }

    #[test]
    fn what_conditions_wait_for() {
        let watches = |text| Condition::compile(text, Scope::Tag).unwrap().watches().to_vec();
        let crossing = |name: &str, at| Watch::Crossing { name: name.into(), at };
        assert_eq!(watches("needs_reply"), []);
        let both = "score >= 5.0 && 24.0 > hours_since_spoke";
        assert_eq!(watches(both), [crossing("score", 5.0), crossing("hours_since_spoke", 24.0)]);
        assert_eq!(watches("hours_since_spoke * 2.0 < 3.0"), [Watch::Regularly]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn nothing_that_is_taken_fails(
            text in r"((score|hours_waiting|count\.comment|segment|needs_reply|1|2\.5|'a'|[(]|[)]|!|-) ?(<|>|==|&&|\|\||\+|/|%|in|\?|:)? ?){1,6}",
        ) {
            let counts = BTreeMap::new();
            if let Ok(condition) = Condition::compile(&text, Scope::Play) {
                prop_assert!(condition.holds(&variables(&counts)).is_ok(), "{}", text);
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = Condition::compile(&text, Scope::Play);
        }
    }
}
