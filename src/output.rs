//! Standard output: what was asked for, and nothing else.

use std::io::{ErrorKind, Write as _};

/// Writes a line. A reader that has seen enough (`| head`) ends the program without a complaint.
pub(crate) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}
