//! Message templates: filled in, in the viewer's language, within what Meta takes; and eleven that are ready to use.
//!
//! Pure. A template is Jinja in a small room: it has no loops without end (fuel), includes nothing, reads nothing but the
//! names that it is given, and what it makes is bounded. A name that it does not know is an error, never an empty place
//! in a message.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `bounds` | how large a template may be |
//! | `template` | filling in, and what may be named |
//! | `compose` | a snippet as a message in one language |
//! | `check` | what is wrong with a snippet, before anybody waits for it |
//! | `library` | snippets that are ready to use, in every language |

mod bounds;
mod check;
mod compose;
mod library;
mod template;

pub use check::{Fault, MESSAGE_MAX_BYTES, check, check_value_name};
pub use compose::{Brand, compose};
pub use library::{PREFIX, library, ready};
pub use template::{Fill, OPTIONAL, TemplateError};
