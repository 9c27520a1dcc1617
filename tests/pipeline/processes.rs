//! Processes of the real binary.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// One running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `afterglow ARGUMENTS`; its log goes to a file of the folder.
    pub(crate) fn start(arguments: &[&str], environment: &[(String, String)], folder: &Path) -> Self {
        let log = folder.join(format!("{}.log", arguments[0]));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command(arguments, environment).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9: no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how the process ended.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still running 30 s after SIGTERM:\n{}", self.log_text());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// Sends a signal: by the shell, which has the command built in, for sending it oneself would take unsafe code, and a bare machine
/// has no program for it.
pub(crate) fn signal(pid: u32, name: &str) {
    let command = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// Runs `afterglow ARGUMENTS` to its end.
pub(crate) fn run(arguments: &[&str], environment: &[(String, String)], input: &str) -> Output {
    use std::io::Write as _;
    let mut command = command(arguments, environment);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // it need not read
    child.wait_with_output().unwrap()
}

fn command(arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterglow"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFTERGLOW_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env_remove("AMQP_URL").stdin(Stdio::null());
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    command
}
