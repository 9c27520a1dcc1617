//! Moderation and hand-over over labelled messages.

mod corpus;
mod handover;
mod language;
mod lists;
mod moderation;
