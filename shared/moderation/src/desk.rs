//! What one brand's messages are judged by: the built-in lists, and what the brand wants beside them.

use afterglow_domain::phrase::{stands_in, words};
use afterglow_domain::{HandoverRules, Language, ModerationRules, NeedsPerson};

use crate::{Handover, List, ListErrors, Message, Moderator, Need, Thresholds, Verdict, Volume};

/// In a brand's lists: for every language.
const ANY: &str = "any";

/// A brand's judge of messages.
pub struct Desk {
    moderator: Moderator,
    handover: Handover,
    language: Language,
    from: NeedsPerson,
    keywords: Vec<(String, Vec<String>)>,
}

impl Desk {
    /// For a brand with these rules, which writes in `language`.
    pub fn new(rules: &ModerationRules, people: &HandoverRules, language: Language) -> Result<Self, ListErrors> {
        let names: Vec<String> = rules.lists.keys().map(|language| format!("moderation.lists.{language}")).collect();
        let lists: Vec<List<'_>> = rules
            .lists
            .iter()
            .zip(&names)
            .map(|((language, text), name)| List { name, language: Language::from_tag(language), text })
            .collect();
        let moderator = Moderator::new(&lists, Thresholds::default())?.with_own_hosts(rules.own_hosts.clone());
        let keywords = people.keywords.iter().map(|keyword| (keyword.clone(), words(keyword))).collect();
        Ok(Self { moderator, handover: Handover::new(&[])?, language, from: people.when, keywords })
    }

    /// Whether `tag` can be a key of a brand's lists.
    pub fn knows_language(tag: &str) -> bool {
        tag == ANY || Language::from_tag(tag).is_some_and(|language| language.code() == tag)
    }

    /// Whether a text is spam or abuse.
    pub fn judge(&self, text: &str, volume: Volume) -> Verdict {
        self.moderator.judge(&Message { text, language: Some(self.language_of(text)), volume })
    }

    /// Why a text needs a person, if it does by this brand's rules. `answered` says that a play was made for just this: then a
    /// mere "nothing in it is known" does not count.
    pub fn needs_person(&self, text: &str, answered: bool) -> Option<String> {
        if self.from == NeedsPerson::Never || text.trim().is_empty() {
            return None;
        }
        let said = words(text);
        if let Some((keyword, _)) = self.keywords.iter().find(|(_, phrase)| stands_in(phrase, &said)) {
            return Some(format!("keyword: {keyword}"));
        }
        let assessed = self.handover.assess(&Message::new(text).in_language(self.language_of(text)), None);
        let enough = match (self.from, answered) {
            (NeedsPerson::Never, _) => return None,
            (NeedsPerson::Perhaps, false) => Need::Perhaps,
            (NeedsPerson::Perhaps, true) | (NeedsPerson::Yes, _) => Need::Yes,
            (NeedsPerson::Urgent, _) => Need::Urgent,
        };
        let first = assessed.reasons.first().filter(|_| assessed.need >= enough)?;
        // The rule, not the viewer's words: this goes where words do not.
        Some(format!("{} ({})", first.topic.as_str(), first.rule))
    }

    fn language_of(&self, text: &str) -> Language {
        Language::guess(text).unwrap_or(self.language)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("language", &self.language).field("from", &self.from).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use afterglow_domain::BrandSettings;

    use super::*;
    use crate::Disposition;

    fn desk(change: impl FnOnce(&mut BrandSettings)) -> Result<Desk, ListErrors> {
        let mut settings = BrandSettings::default();
        change(&mut settings);
        Desk::new(&settings.moderation, &settings.handover, settings.language)
    }

    #[test]
    fn what_needs_a_person_is_the_brands_to_say() {
        let by_default = desk(|_| ()).unwrap();
        for (text, needs) in [
            ("can I talk to a human please", true),
            ("I want my money back", true),
            ("love it!", false),
            ("how much is it?", false),
            ("", false),
        ] {
            assert_eq!(by_default.needs_person(text, false).is_some(), needs, "{text}");
        }
        let keyword = desk(|s| s.handover.keywords = vec!["press kit".into()]).unwrap();
        assert_eq!(keyword.needs_person("Where is the PRESS-KIT?", true).as_deref(), Some("keyword: press kit"));
        let never =
            desk(|s| s.handover = HandoverRules { when: NeedsPerson::Never, ..HandoverRules::default() }).unwrap();
        assert_eq!(never.needs_person("I want my money back", false), None);
        let unknown = "the violet gnomes sing quietly tonight";
        let perhaps = desk(|s| s.handover.when = NeedsPerson::Perhaps).unwrap();
        assert!(perhaps.needs_person(unknown, false).is_some());
        assert!(perhaps.needs_person(unknown, true).is_none() && by_default.needs_person(unknown, false).is_none());
    }

    #[test]
    fn a_brands_own_lists_and_hosts() {
        let with = |text: &str| {
            desk(|s| s.moderation.lists = BTreeMap::from([("any".into(), text.into())]))
                .map(|desk| desk.judge("what a blorf", Volume::default()).disposition())
        };
        assert_eq!(with("[insult high]\nblorf").unwrap(), Disposition::Hide);
        let error = with("[insult high]\n/(/").unwrap_err().to_string();
        assert!(error.contains("moderation.lists.any:2"), "{error}");
        assert!(Desk::knows_language("any") && Desk::knows_language("nl") && !Desk::knows_language("xx"));
    }
}
