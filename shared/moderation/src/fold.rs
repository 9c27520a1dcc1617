//! What a text reads as, once the ways to hide a word are undone.
//!
//! A text has several readings, because each trick has more than one solution: `1` stands for `i` or for `l`, and
//! `asssss` for a word with one `s` or with two. A reading is lower case without accents; what is no letter or digit is
//! one space; it begins and ends with a space, so that a word can be looked up with its borders.
//!
//! | trick | undone by |
//! | --- | --- |
//! | full-width, circled, mathematical letters; ligatures | NFKC (Unicode Standard Annex 15) |
//! | letters of other scripts that look Latin; stacked marks | `decancer` |
//! | zero-width characters, soft hyphens, bidirectional controls | removed |
//! | `k1ll`, `a$$` | digits and signs inside a word of letters become the letter they resemble |
//! | `k.i.l.l`, `ki-ll`, `k i l l` | signs within a word are removed; three or more single letters join |
//! | `kiiiill` | three or more of one letter become one, or two |

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Bytes of a text that are read; what stands behind is not. Instagram's own limits are well below: 1000 bytes for a
/// message, 2200 characters for a comment.
pub const READ_MAX_BYTES: usize = 10_000;

/// The readings of `text`, each once; the plain one first.
pub(crate) fn readings(text: &str) -> Vec<String> {
    let latin = latin(head(text));
    let mut readings = vec![plain(&latin)];
    for one in ['i', 'l'] {
        let solved = unleet(&latin, one);
        for tight in [false, true] {
            let spaced = if tight { plain(&without_inner_signs(&solved)) } else { plain(&solved) };
            let joined = unleet(&join_single_letters(&spaced), one);
            for kept in [1, 2] {
                add(&mut readings, shorten_runs(&spaced, kept));
                add(&mut readings, shorten_runs(&joined, kept));
            }
            add(&mut readings, joined);
            add(&mut readings, spaced);
        }
    }
    readings
}

/// The plain reading: what two texts have in common that differ in case, accents, signs and look-alike letters alone.
/// Lists' phrases are looked up in this form, and a caller that counts how often a viewer wrote the same thing counts by
/// it. Empty, or beginning and ending with a space.
pub fn same_text_key(text: &str) -> String {
    plain(&latin(head(text)))
}

/// Without the characters that are not seen.
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(READ_MAX_BYTES)).unwrap_or(text)
}

fn add(readings: &mut Vec<String>, reading: String) {
    if !readings.contains(&reading) {
        readings.push(reading);
    }
}

/// Lower-case Latin letters as far as any reader would take them for such, signs still in place.
fn latin(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    // `decancer` takes ß for a b, as people who write "ßad" do; in German it is two letters
    for c in visible(text).nfkc() {
        match c {
            'ß' | 'ẞ' => spelled.push_str("ss"),
            '’' | '‘' | '´' | '`' | 'ʼ' => spelled.push('\''),
            // `decancer` reads hearts and other round pictures as an o
            c if c.is_ascii() || c == '€' || c.is_alphanumeric() || is_combining_mark(c) => spelled.push(c),
            _ => spelled.push(' '),
        }
    }
    decancer::cure(&spelled, decancer::Options::default()).map_or_else(
        // It refuses text whose bidirectional levels it cannot work out
        |_| spelled.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect(),
        Into::into,
    )
}

/// Default-ignorable and bidirectional characters (Unicode Standard Annex 44, `Default_Ignorable_Code_Point`), which are
/// drawn as nothing.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// French and Italian words that lose their vowel before another: they end where the apostrophe stands. Elsewhere an
/// apostrophe is dropped, because many write without it ("dont").
const ELIDED: &[&str] =
    &["l", "d", "j", "t", "s", "n", "m", "c", "qu", "un", "all", "dell", "nell", "sull", "dall", "quest", "bell"];

fn plain(latin: &str) -> String {
    let mut out = String::with_capacity(latin.len() + 2);
    out.push(' ');
    for c in latin.chars() {
        match c {
            '\'' if ELIDED.contains(&out.rsplit(' ').next().unwrap_or_default()) => out.push(' '),
            '\'' => {}
            c if c.is_alphanumeric() => out.push(c),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// Digits and signs amid letters, as the letters they resemble; `one` is what 1 stands for.
fn unleet(latin: &str, one: char) -> String {
    latin
        .split_inclusive(char::is_whitespace)
        .map(|word| if word.contains(char::is_alphabetic) { unleet_word(word, one) } else { word.to_owned() })
        .collect()
}

fn unleet_word(word: &str, one: char) -> String {
    let body = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '!' | '?' | '.' | ','));
    let (start, rest) = word.split_at(body.len());
    let solved = start.chars().map(|c| match c {
        '0' => 'o',
        '1' => one,
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '!' | '|' => 'i',
        c => c,
    });
    solved.chain(rest.chars()).collect()
}

fn without_inner_signs(latin: &str) -> String {
    latin.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect()
}

/// Three or more single letters in a row as one word: two may be initials.
fn join_single_letters(reading: &str) -> String {
    let words: Vec<&str> = reading.split_whitespace().collect();
    let single = |word: &str| word.chars().count() == 1;
    let mut out = String::from(" ");
    for run in words.chunk_by(|a, b| single(a) && single(b)) {
        out.push_str(&if run.len() >= 3 { run.concat() } else { run.join(" ") });
        out.push(' ');
    }
    out
}

/// Of three or more of one letter in a row, `kept` remain. Digits stay: 1000 is not 10.
fn shorten_runs(reading: &str, kept: usize) -> String {
    let chars: Vec<char> = reading.chars().collect();
    let runs = chars.chunk_by(|a, b| a == b && a.is_alphabetic());
    runs.flat_map(|run| if run.len() >= 3 { run.iter().take(kept) } else { run.iter().take(2) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tricks_are_undone() {
        for (text, word) in [
            ("IDIOT", "idiot"),
            ("ｉｄｉｏｔ", "idiot"),
            ("𝓲𝓭𝓲𝓸𝓽", "idiot"),
            ("іdіоt with Cyrillic letters", "idiot"),
            ("ⓘⓓⓘⓞⓣ", "idiot"),
            ("i\u{200b}d\u{200d}i\u{ad}o\u{2060}t", "idiot"),
            ("i\u{336}d\u{336}i\u{336}o\u{336}t\u{336}", "idiot"),
            ("1d10t", "idiot"),
            ("!d!ot", "idiot"),
            ("ki11er", "killer"),
            ("a$$", "ass"),
            ("i.d.i.o.t", "idiot"),
            ("i d i o t", "idiot"),
            ("id-iot", "idiot"),
            ("1 d 1 0 t you", "idiot"),
            ("idioooooot", "idiot"),
            ("asssss", "ass"),
            ("größe", "grosse"),
            ("don’t", "dont"),
            ("l'avocat", "avocat"),
            ("aujourd'hui", "aujourdhui"),
        ] {
            let readings = readings(text);
            assert!(readings.iter().any(|r| r.contains(&format!(" {word} "))), "{text:?}: {readings:?}");
        }
    }

    #[test]
    fn what_is_no_trick_stays() {
        for (text, expected) in [("I paid 1000 on 5 May", " i paid 1000 on 5 may "), ("", " "), ("❤️ 🔥", " ")] {
            assert_eq!(readings(text).first().map(String::as_str), Some(expected), "{text:?}");
        }
        assert!(readings("order 10029384").iter().all(|r| r.contains(" 10029384 ")));
    }

    proptest! {
        #[test]
        fn any_text_has_a_few_readings_bordered_by_spaces(text in any::<String>()) {
            let readings = readings(&text);
            prop_assert!(readings.len() <= 25);
            for reading in readings {
                prop_assert!(reading.starts_with(' ') && reading.ends_with(' '));
                prop_assert!(!reading.contains("  ") || reading.trim().is_empty());
            }
        }

        #[test]
        fn case_and_invisible_characters_do_not_matter(text in "[a-z ]{0,30}", at in 0_usize..30) {
            let mut hidden = text.to_uppercase();
            hidden.insert(at.min(hidden.len()), '\u{200b}');
            prop_assert_eq!(same_text_key(&hidden), same_text_key(&text));
        }
    }
}
