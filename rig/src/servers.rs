//! A private PostgreSQL and RabbitMQ, that can be stopped, killed, and started on the same data.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// Knows how private servers are started; `scripts/test` starts its own by the same file.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/private-server");

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The database.
    Postgres,
    /// The broker.
    Rabbitmq,
}

impl Server {
    const fn name(self) -> &'static str {
        match self {
            Server::Postgres => "postgres",
            Server::Rabbitmq => "rabbitmq",
        }
    }
}

/// Both servers, with data of their own; ended and removed when dropped.
#[derive(Debug)]
pub struct PrivateServers {
    folder: TempDir,
    postgres: (String, u32),
    rabbitmq: (String, u32),
}

impl PrivateServers {
    /// Starts both on free ports. Needs what `scripts/test` installs.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let postgres = start(folder.path(), Server::Postgres)?;
        match start(folder.path(), Server::Rabbitmq) {
            Ok(rabbitmq) => Ok(Self { folder, postgres, rabbitmq }),
            Err(error) => {
                let _ = act(folder.path(), Server::Postgres, "stop"); // the first error is the one to tell
                Err(error)
            }
        }
    }

    /// `postgres://…` of the server's own database.
    pub fn database_url(&self) -> &str {
        &self.postgres.0
    }

    /// `amqp://…`
    pub fn amqp_url(&self) -> &str {
        &self.rabbitmq.0
    }

    /// The server's first process.
    pub const fn pid(&self, server: Server) -> u32 {
        match server {
            Server::Postgres => self.postgres.1,
            Server::Rabbitmq => self.rabbitmq.1,
        }
    }

    /// Where the server keeps its data.
    pub fn data(&self, server: Server) -> PathBuf {
        self.folder.path().join(server.name()).join("data")
    }

    /// Ends it in order.
    pub fn stop(&self, server: Server) -> anyhow::Result<()> {
        act(self.folder.path(), server, "stop").map(drop)
    }

    /// Kills it, with all processes that belong to it.
    pub fn kill(&self, server: Server) -> anyhow::Result<()> {
        act(self.folder.path(), server, "kill").map(drop)
    }

    /// Copies the data of the running database aside.
    pub fn backup(&self) -> anyhow::Result<()> {
        act(self.folder.path(), Server::Postgres, "backup").map(drop)
    }

    /// Puts that copy in the place of the data of the database, which is down.
    pub fn restore(&self) -> anyhow::Result<()> {
        act(self.folder.path(), Server::Postgres, "restore").map(drop)
    }

    /// Makes the broker believe that its disk is full: it takes nothing until there is room.
    pub fn fill_disk(&self) -> anyhow::Result<()> {
        act(self.folder.path(), Server::Rabbitmq, "full").map(drop)
    }

    /// There is room again.
    pub fn free_disk(&self) -> anyhow::Result<()> {
        act(self.folder.path(), Server::Rabbitmq, "roomy").map(drop)
    }

    /// Starts it again, where it was, on the data it left.
    pub fn start_again(&mut self, server: Server) -> anyhow::Result<()> {
        let started = start(self.folder.path(), server)?;
        match server {
            Server::Postgres => self.postgres = started,
            Server::Rabbitmq => self.rabbitmq = started,
        }
        Ok(())
    }
}

impl Drop for PrivateServers {
    fn drop(&mut self) {
        for server in [Server::Postgres, Server::Rabbitmq] {
            if act(self.folder.path(), server, "stop").is_err() {
                let _ = act(self.folder.path(), server, "kill"); // it may be down already
            }
        }
    }
}

fn start(folder: &Path, server: Server) -> anyhow::Result<(String, u32)> {
    let told = act(folder, server, "start")?;
    let (url, pid) = told.trim().split_once(' ').context("the script tells an address and a number")?;
    Ok((url.to_owned(), pid.parse()?))
}

fn act(folder: &Path, server: Server, what: &str) -> anyhow::Result<String> {
    let name = server.name();
    let done =
        Command::new(SCRIPT).arg(folder).args([name, what]).output().context("cannot run scripts/private-server")?;
    ensure!(done.status.success(), "{name} {what}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}
