//! Installations of real processes on servers of their own, that can be harmed and are held to account: for benches and
//! for tests of what no unit test can show.
//!
//! Everything runs on this machine's loopback addresses. What the rig starts, it ends.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `servers` | a private PostgreSQL and RabbitMQ, that can be stopped, killed, and started on the same data |
//! | `process` | a process of the real binary, and signals to it |
//! | `usage` | what a process has used: processor, memory, file handles |
//! | `balancer` | connections dealt out to ready members, as a Kubernetes Service does |
//! | `link` | a TCP connection that can be cut, slowed and silenced |
//! | `http` | one question to a process' health and metrics |
//! | `chaos` | faults in mid-load, drawn from a seed |
//! | `installation` | several members of each service, beside a simulated Meta |
//! | `reckoning` | whether what was answered 200 is there, once, and whether anybody was written to who should not have been |
//! | `percentile` | percentiles of durations |
//! | `ports` | ports that nobody listens on |
//! | `scratch_database` | a database of one's own on a server that is there |
//! | `trend` | whether a figure stays flat |

mod balancer;
mod chaos;
mod http;
mod installation;
mod link;
mod percentile;
mod ports;
mod process;
mod reckoning;
mod scratch_database;
mod servers;
mod trend;
mod usage;

pub use balancer::Balancer;
pub use chaos::{Aftermath, Chaos, Fault};
pub use installation::{Installation, Layout, Service, TrafficSource, now};
pub use link::{Link, Weather};
pub use percentile::percentile;
pub use ports::free_port;
pub use process::{Process, Signal};
pub use reckoning::{Reckoning, Told};
pub use scratch_database::with_scratch_database;
pub use servers::{PrivateServers, Server};
pub use trend::Trend;
pub use usage::Usage;
