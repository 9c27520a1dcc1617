//! A process of the real binary, and signals to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// How long a process may take to end after SIGTERM: its linger and its drain, and some.
const END: Duration = Duration::from_secs(45);

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends in order.
    Terminate,
    /// Ends at once: no time for anything.
    Kill,
    /// Stands still, with its connections open.
    Stop,
    /// Goes on.
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        }
    }

    /// Sends it. By the shell, which has the command built in: sending signals oneself would take unsafe code.
    pub fn send(self, pid: u32) -> anyhow::Result<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -{} {pid}", self.name())]).status()?;
        ensure!(status.success(), "process {pid} takes no {self:?}");
        Ok(())
    }
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `binary ARGUMENTS` with nothing but `environment` of ours in its environment; its log goes to a file.
    pub fn start(
        binary: &Path,
        arguments: &[&str],
        environment: &[(String, String)],
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        let child = command(binary, arguments, environment)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}: build it first", binary.display()))?;
        Ok(Self { child, log })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and how the process ended.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        Signal::Terminate.send(self.pid())?;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < END {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("still running {END:?} after SIGTERM:\n{}", self.log_text())
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// What it logged.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// Runs `binary ARGUMENTS` to its end.
pub(crate) fn run(
    binary: &Path,
    arguments: &[&str],
    environment: &[(String, String)],
    input: &str,
) -> anyhow::Result<Output> {
    use std::io::Write as _;
    let mut command = command(binary, arguments, environment);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}: build it first", binary.display()))?;
    if let Some(mut to) = child.stdin.take() {
        let _ = to.write_all(input.as_bytes()); // it need not read
    }
    Ok(child.wait_with_output()?)
}

fn command(binary: &Path, arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFTERGLOW_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env_remove("AMQP_URL").stdin(Stdio::null());
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    command
}
