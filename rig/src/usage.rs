//! What processes have used, as Linux tells under `/proc` (`proc_pid_stat(5)`, `proc_pid_status(5)`).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second on every machine that this runs on (`sysconf(_SC_CLK_TCK)`).
const TICK: Duration = Duration::from_millis(10);

/// What a process, with all its threads, has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in user and in kernel mode.
    pub cpu: Duration,
    /// Memory in use now (resident), bytes.
    pub resident: u64,
    /// Of that, what no file is behind: heaps and stacks, which grow if something is never let go, bytes.
    pub anonymous: u64,
    /// The most memory that was ever in use, bytes.
    pub peak: u64,
    /// Open file handles, sockets among them.
    pub handles: u64,
    /// Of these, sockets: as many as others have connections open.
    pub sockets: u64,
    /// Threads.
    pub threads: u64,
}

/// Of several processes together.
impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            resident: self.resident + other.resident,
            anonymous: self.anonymous + other.anonymous,
            peak: self.peak + other.peak,
            handles: self.handles + other.handles,
            sockets: self.sockets + other.sockets,
            threads: self.threads + other.threads,
        }
    }
}

impl Usage {
    /// Of one process; zeros if it is gone.
    pub fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in parentheses, may hold anything: what is counted begins behind the last of them.
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let handles: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().collect();
        let is_socket = |path: PathBuf| path.to_string_lossy().starts_with("socket:");
        let sockets = handles.iter().filter(|handle| fs::read_link(handle.path()).is_ok_and(is_socket)).count();
        Self {
            cpu: TICK * (ticks(11) + ticks(12)),
            resident: number("VmRSS:") * 1024,
            anonymous: number("RssAnon:") * 1024,
            peak: number("VmHWM:") * 1024,
            handles: handles.len() as u64,
            sockets: sockets as u64,
            threads: number("Threads:"),
        }
    }

    /// Of a process and all that descend from it, added up.
    pub fn of_tree(pid: u32) -> Self {
        let mut all = vec![pid];
        let mut sum = Self::default();
        while let Some(pid) = all.pop() {
            sum = sum + Self::of(pid);
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let _listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let usage = Usage::of(std::process::id());
        assert!(
            usage.resident > 0 && usage.peak >= usage.resident && usage.handles > 2 && usage.threads > 0,
            "{usage:?}"
        );
        assert!(usage.sockets > 0 && usage.sockets < usage.handles, "{usage:?}");
        assert!(usage.anonymous > 0 && usage.anonymous < usage.resident, "{usage:?}");
        assert_eq!(Usage::of(u32::MAX), Usage::default());
        assert!(Usage::of_tree(std::process::id()).resident >= usage.resident / 2);
    }
}
