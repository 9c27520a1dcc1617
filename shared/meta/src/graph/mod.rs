//! Meta's Graph API, as far as we speak it: send a message, read a conversation back.
//!
//! The client asks once and says exactly what it learnt. Above all it tells "refused, so nothing went out" from "it may
//! have gone out": what is in doubt is never sent again by anybody.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `client` | requests, answers, limits of time and size |
//! | `send` | the Send API, and what its answers mean |
//! | `conversation` | what was said lately, for sends of unknown fate |
//! | `sweep` | conversations that moved, for finding what webhooks missed |
//! | `comments` | posts and their comments, for the same |
//! | `oauth` | how an account is connected, and its token kept alive |
//! | `insights` | live Stories and their figures |
//! | `moderation` | hiding, showing and deleting comments |
//! | `profile` | ice breakers |
//! | `subscriptions` | which webhook fields an account is subscribed to |
//! | `errors` | the table of error codes, with what each asks of us |
//! | `usage` | how much of the limits is used, from the headers |

mod client;
mod comments;
mod conversation;
pub mod errors;
mod insights;
mod moderation;
mod oauth;
mod profile;
mod send;
mod subscriptions;
mod sweep;
mod usage;

pub use client::{DirectCall, DirectWire, GraphAccount, GraphClient, GraphHosts};
pub use comments::{CommentedMedia, SweptComment};
pub use conversation::{ReadError, ThreadMessage};
pub use errors::{ErrorClass, GraphError};
pub use insights::LiveStory;
pub use oauth::{App, Connected, LivingToken, OAuthError};
pub use profile::{IceBreakerQuestion, IceBreakers};
pub use send::{Recipient, SendMessage, SendOutcome, SendReport};
pub use subscriptions::wanted_fields;
pub use sweep::{ConversationPage, MovedConversation, SweptMessage};
pub use usage::Usage;
