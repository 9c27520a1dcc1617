//! The whole path, with real processes: a simulated Meta posts signed webhooks and answers the Graph API; what comes out
//! is held against what it knows. Every case runs in both forms: one process on embedded stores, and a process for each
//! service over PostgreSQL and RabbitMQ.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod broker_away;
mod callbacks;
mod chaos;
mod connect;
mod conversations;
mod crash;
mod crms;
mod database_away;
mod deeds;
mod experiments;
mod faults;
mod feed;
mod feed_broker;
mod figures;
mod flow;
mod forgetting;
mod frozen;
mod hostile;
#[path = "../../crm/tests/delivery/hubspot_sim.rs"]
mod hubspot_sim;
mod installation;
mod keys;
mod observations;
mod partners;
mod processes;
mod rules;
#[path = "../../crm/tests/delivery/salesforce_sim.rs"]
mod salesforce_sim;
mod secrets;
mod stopping;
mod story_insights;
mod sweep;
mod traces;
mod waiting;
