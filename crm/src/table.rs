//! The log as CSV and JSON.

use crate::daily_log::{Action, DailyLog, LogRow, Trigger};

/// The log as JSON, for programs.
pub fn to_json(log: &DailyLog) -> String {
    serde_json::to_string(log).unwrap_or_default() // names, numbers and texts always serialise
}

/// The log as CSV (RFC 4180), for spreadsheets.
pub fn to_csv(log: &DailyLog) -> String {
    let mut head: Vec<String> =
        ["date", "story_id", "username", "tags", "trigger", "required_action"].map(Into::into).to_vec();
    let steps = log.rows.first().map_or(&[][..], |row| &row.steps);
    for step in steps {
        for column in ["sent", "reaction", "conversion", "follow_up_needed"] {
            head.push(format!("{} {column}", step.step));
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(&head);
    for row in &log.rows {
        let _ = writer.write_record(line(row));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Rows of any kind as CSV, their fields' names at the head.
pub fn rows_to_csv<T: serde::Serialize>(rows: &[T]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().unwrap_or_default();
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// A text that no spreadsheet takes for a formula (OWASP, "CSV Injection").
pub fn plain_cell(text: &str) -> String {
    let calculates = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if calculates { format!("'{text}") } else { text.to_owned() }
}

fn line(row: &LogRow) -> Vec<String> {
    let trigger = match row.trigger {
        Trigger::Dm => "DM",
        Trigger::Comment => "comment",
        Trigger::Reaction => "reaction",
        Trigger::Repeat => "repeat",
        Trigger::View => "view",
    };
    let action = match row.required_action {
        Action::ReplyNow => "reply now",
        Action::FollowUp => "follow up within 6-24 h",
        Action::Nurture => "nurture",
        Action::Answered => "answered",
        Action::LeaveAlone => "leave alone: they said stop",
    };
    let mut line = vec![
        row.date.clone(),
        row.story_id.clone().unwrap_or_default(),
        harmless(&row.username),
        harmless(&row.tags.join(", ")),
        trigger.to_owned(),
        action.to_owned(),
    ];
    let yes = |holds: bool| if holds { "yes".to_owned() } else { String::new() };
    for step in &row.steps {
        line.push(step.sent.map(afterglow_domain::Timestamp::to_rfc3339).unwrap_or_default());
        line.extend([yes(step.reaction), yes(step.conversion), yes(step.follow_up_needed)]);
    }
    line
}

/// A cell that a spreadsheet would run as a formula gets a quote in front (OWASP, "CSV Injection").
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily_log::Step;

    #[test]
    fn rows_for_spreadsheets() {
        let step = Step { step: "day 0", sent: None, reaction: false, conversion: false, follow_up_needed: true };
        let row = LogRow {
            date: "2026-11-24".into(),
            story_id: None,
            username: "=cmd|' /C calc'!A0".into(),
            tags: vec!["vip".into(), "a \"b\"".into()],
            trigger: Trigger::Dm,
            required_action: Action::ReplyNow,
            steps: vec![step],
        };
        let csv = to_csv(&DailyLog { date: "2026-11-24".into(), rows: vec![row] });
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines,
            [
                "date,story_id,username,tags,trigger,required_action,day 0 sent,day 0 reaction,day 0 conversion,\
                 day 0 follow_up_needed",
                "2026-11-24,,'=cmd|' /C calc'!A0,\"vip, a \"\"b\"\"\",DM,reply now,,,,yes",
            ]
        );
    }
}
