//! What leaves for the systems beside, against real servers on loopback.

mod egress;
mod server;
