//! Moderation and hand-over over labelled messages.

mod corpus;
mod handover;
mod lists;
mod moderation;
