//! The processes of an installation's services: started, ended, killed.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::{Installation, PATIENCE, Service};
use crate::balancer::is_ready;
use crate::process::Process;
use crate::{Signal, Usage, free_port};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) service: Service,
    pub(super) process: Process,
    pub(super) ops: u16,
    pub(super) webhooks: u16,
}

impl Installation {
    /// Starts one more member of a service.
    pub fn spawn(&mut self, service: Service) -> anyhow::Result<()> {
        self.spawn_with(service, &[])
    }

    /// Starts one more member of a service, which is told something besides.
    pub fn spawn_with(&mut self, service: Service, besides: &[(String, String)]) -> anyhow::Result<()> {
        let (ops, webhooks) = (free_port()?, free_port()?);
        let number = self.started.entry(service).or_default();
        *number += 1;
        let log = self.folder.path().join(format!("{}-{number}.log", service.name()));
        let arguments = [
            service.name(),
            "--set",
            &format!("ops.listen=127.0.0.1:{ops}"),
            "--set",
            &format!("ingest.listen=127.0.0.1:{webhooks}"),
        ];
        let environment = [self.environment.as_slice(), besides].concat();
        let process = Process::start(&self.binary, &arguments, &environment, log)?;
        self.members.push(Member { service, process, ops, webhooks });
        if service.takes_webhooks() {
            self.balancer.add(webhooks, ops);
        }
        Ok(())
    }

    /// How many members of a service run.
    pub fn count(&self, service: Service) -> usize {
        self.members.iter().filter(|member| member.service == service).count()
    }

    /// The processes of a service.
    pub fn pids(&self, service: Service) -> Vec<u32> {
        self.members.iter().filter(|member| member.service == service).map(|member| member.process.pid()).collect()
    }

    /// What a service's members have used, added up.
    pub fn usage(&self, service: Service) -> Usage {
        self.pids(service).into_iter().map(Usage::of).fold(Usage::default(), |sum, one| sum + one)
    }

    fn take(&mut self, service: Service) -> anyhow::Result<Member> {
        let place = self.members.iter().position(|member| member.service == service);
        Ok(self.members.remove(place.with_context(|| format!("no {} runs", service.name()))?))
    }

    /// Ends the oldest member of a service in order, and takes it out of the balancer's turn when it is gone.
    pub async fn terminate(&mut self, service: Service) -> anyhow::Result<ExitStatus> {
        let Member { process, ops, .. } = self.take(service)?;
        let ended = process.terminate().await?;
        self.balancer.remove(ops);
        Ok(ended)
    }

    /// kill -9 of the oldest member of a service.
    pub fn kill(&mut self, service: Service) -> anyhow::Result<()> {
        let Member { process, ops, .. } = self.take(service)?;
        process.kill()?;
        self.balancer.remove(ops);
        Ok(())
    }

    /// Sends a signal to the oldest member of a service, which stays a member; its process' number.
    pub fn signal(&self, service: Service, signal: Signal) -> anyhow::Result<u32> {
        let pid = *self.pids(service).first().with_context(|| format!("no {} runs", service.name()))?;
        signal.send(pid)?;
        Ok(pid)
    }

    /// Members that have ended by themselves; each is taken out, with the end of its log.
    pub fn fallen(&mut self) -> Vec<(Service, String)> {
        let (members, fallen): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.members).into_iter().map(running).partition(|(_, runs)| *runs);
        self.members = members.into_iter().map(|(member, _)| member).collect();
        fallen
            .into_iter()
            .map(|(member, _)| {
                self.balancer.remove(member.ops);
                (member.service, tail(&member.process))
            })
            .collect()
    }

    /// Waits until every member says that it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            let begun = Instant::now();
            while !is_ready(member.ops).await {
                if !member.process.is_running() || begun.elapsed() > PATIENCE {
                    bail!("{} is not ready:\n{}", member.service.name(), tail(&member.process));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // The balancer asks by itself, and a little later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }
}

fn running(mut member: Member) -> (Member, bool) {
    let runs = member.process.is_running();
    (member, runs)
}

/// The end of a process' log.
pub(super) fn tail(process: &Process) -> String {
    let text = process.log_text();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
