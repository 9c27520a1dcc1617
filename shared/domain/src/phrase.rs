//! Words and phrases, looked for whole and in upper or lower case.

/// The words of a text in lower case, whatever stands between them.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
}

/// Whether `phrase`'s words stand in `said` one after another. An empty phrase stands nowhere.
pub fn stands_in(phrase: &[String], said: &[String]) -> bool {
    !phrase.is_empty() && said.windows(phrase.len()).any(|window| window == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_borders_in_every_script() {
        assert_eq!(words("Wat kost dit? €20-30 … ÇA VA"), ["wat", "kost", "dit", "20", "30", "ça", "va"]);
        for (phrase, text, stands) in [
            ("how much", "So HOW much?", true),
            ("how much", "how very much", false),
            ("price", "prices", false),
            ("", "anything", false),
            ("中文", "说 中文", true),
        ] {
            assert_eq!(stands_in(&words(phrase), &words(text)), stands, "{phrase} in {text}");
        }
    }
}
