//! Where in a document's text stands what may be wrong in it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A document's text, and where in it stands what validation looks at.
pub(crate) struct Ground<'a> {
    lines: Vec<&'a str>,
    pub(crate) places: Places,
}

impl<'a> Ground<'a> {
    /// Reads a text, which is a document, for its places.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect(), places: serde_saphyr::from_str(text).unwrap_or_default() }
    }

    /// Where in the document a place within a text of it is.
    pub(crate) fn within(&self, place: Option<&Spanned<String>>, line: u32, column: u32) -> (u64, u64) {
        let (first, start) = coordinates(place);
        if first == 0 {
            return (0, 0);
        }
        let from = usize::try_from(first - 1).unwrap_or(0);
        let line_at = |n: usize| self.lines.get(n).copied().unwrap_or_default();
        let written = line_at(from);
        let opening = written.chars().nth(usize::try_from(start.saturating_sub(1)).unwrap_or(0));
        match opening {
            // A block begins on the next line, and all of its lines are indented alike.
            Some('|') => {
                let below = line_at(from + line as usize);
                (first + u64::from(line), indent(below) + u64::from(column))
            }
            // A folded one has its lines joined by one space each.
            Some('>') => {
                let (mut left, mut at) = (u64::from(column), first + 1);
                for below in self.lines.iter().skip(from + 1) {
                    let length = below.trim().chars().count() as u64;
                    if left <= length + 1 {
                        return (at, indent(below) + left);
                    }
                    left -= length + 1;
                    at += 1;
                }
                (first, start)
            }
            Some('"' | '\'') if line == 1 => (first, start + u64::from(column)),
            _ if line == 1 => (first, start + u64::from(column) - 1),
            _ => (first + u64::from(line) - 1, u64::from(column)),
        }
    }
}

fn indent(line: &str) -> u64 {
    line.chars().take_while(|character| *character == ' ').count() as u64
}

/// Line and column of what was read with its place; zeros if it is not in the text.
pub(crate) fn coordinates<T>(place: Option<&Spanned<T>>) -> (u64, u64) {
    place.map_or((0, 0), |place| (place.referenced.line(), place.referenced.column()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Places {
    pub(crate) brand: Option<Spanned<String>>,
    pub(crate) time_zone: Option<Spanned<String>>,
    pub(crate) scoring: ScoringPlaces,
    pub(crate) segments: BTreeMap<String, SegmentPlaces>,
    pub(crate) tags: Vec<TagPlaces>,
    pub(crate) plays: Vec<PlayPlaces>,
    pub(crate) experiments: Vec<ExperimentPlaces>,
    pub(crate) snippets: BTreeMap<String, SnippetPlaces>,
    pub(crate) values: BTreeMap<String, Spanned<String>>,
    pub(crate) ice_breakers: Vec<IceBreakerPlaces>,
    pub(crate) handover: HandoverPlaces,
    pub(crate) moderation: ModerationPlaces,
    pub(crate) limits: LimitPlaces,
    pub(crate) safety: BTreeMap<String, Spanned<f64>>,
    pub(crate) crm: Vec<CrmPlaces>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ScoringPlaces {
    pub(crate) half_life_hours: Option<Spanned<f64>>,
    pub(crate) signals: BTreeMap<String, SignalPlaces>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SignalPlaces {
    pub(crate) points: Option<Spanned<f64>>,
    pub(crate) half_life_hours: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SegmentPlaces {
    pub(crate) when: Option<Spanned<String>>,
    pub(crate) hold_hours: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TagPlaces {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) when: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PlayPlaces {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) when: Option<Spanned<String>>,
    pub(crate) say: Option<Spanned<String>>,
    pub(crate) steps: Vec<StepPlaces>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct StepPlaces {
    pub(crate) after: Option<Spanned<String>>,
    pub(crate) say: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SnippetPlaces {
    pub(crate) text: Option<Spanned<String>>,
    pub(crate) languages: BTreeMap<String, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct IceBreakerPlaces {
    pub(crate) question: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct HandoverPlaces {
    pub(crate) idle_hours: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModerationPlaces {
    pub(crate) messages: Option<Spanned<String>>,
    pub(crate) delete_after_hours: Option<Spanned<u32>>,
    pub(crate) lists: BTreeMap<String, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct LimitPlaces {
    pub(crate) ad_window_days: Option<Spanned<u8>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CrmPlaces {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) object: Option<Spanned<String>>,
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) external_id: Option<Spanned<String>>,
    pub(crate) fields: BTreeMap<String, Spanned<String>>,
    pub(crate) constants: BTreeMap<String, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExperimentPlaces {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) hypothesis: Option<Spanned<String>>,
    pub(crate) play: Option<Spanned<String>>,
    pub(crate) step: Option<Spanned<u8>>,
    pub(crate) holdout: Option<Spanned<u8>>,
    pub(crate) starts: Option<Spanned<String>>,
    pub(crate) ends: Option<Spanned<String>>,
    pub(crate) detect_percent: Option<Spanned<f64>>,
    pub(crate) arms: Vec<ArmPlaces>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ArmPlaces {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) say: Option<Spanned<String>>,
    pub(crate) share: Option<Spanned<u8>>,
}
