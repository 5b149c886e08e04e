//! The hosts of a rehearsal, and what runs on them: the daemons, the service, the client.
//!
//! Starts, kills and keeps what was printed; judges nothing.

use std::path::Path;
use std::time::Duration;

use ::lab::{Capture, Host, Lab, Line, Proc, Signal, Spec};
use model::Instant;

use super::PROBE;
use super::plan::{CLIENT, FILES, HAPROXY, Node, Plan};
use super::stand_in::{KILLALL, SERVICE_PORT};

/// Where the daemons of a host have their sockets.
const RUNTIME_DIR: &str = "/run/handover";
/// Where stand-ins go: an ordinary host looks here first.
const STAND_INS: &str = "/usr/local/sbin";
/// Where an ordinary host's programs are.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// The configuration of a real HAProxy where the directory brings none.
const HAPROXY_CFG: &str = "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
                           frontend lab\n bind *:80\n \
                           http-request return status 200 content-type text/plain lf-string \"%[hostname]\\n\"\n";
/// How often a feed that has ended is started again.
const FEED_RETRY: Duration = Duration::from_millis(100);
/// Settings that a host with a service for a moving address usually has.
const SETTINGS: [&str; 2] = ["/proc/sys/net/ipv4/ip_nonlocal_bind", "/proc/sys/net/ipv6/ip_nonlocal_bind"];

/// A node on its host.
#[derive(Debug)]
pub(super) struct Actor<'a> {
    pub(super) node: &'a Node,
    pub(super) host: Host,
    pub(super) alive: bool,
    pub(super) service_up: bool,
    handover: Option<Proc>,
    service: Option<Proc>,
    feed: Option<Proc>,
    feed_started: Instant,
    /// What earlier processes printed.
    before: Vec<Proc>,
}

/// All hosts.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) actors: Vec<Actor<'a>>,
    pub(super) capture: Capture,
    plan: &'a Plan,
    program: String,
    client: Host,
    probe: Option<Proc>,
}

impl<'a> Stage<'a> {
    /// Makes the hosts. Nothing runs on them yet.
    pub(super) fn build(lab: &Lab, plan: &'a Plan, program: &Path) -> Result<Self, ::lab::Error> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let capture = lab.capture()?;
        let mut actors = Vec::new();
        for node in &plan.nodes {
            let host = lab.add_host_with(&node.name, node.links.clone())?;
            for setting in SETTINGS {
                // Absent on a kernel without that protocol.
                let _ = host.write_file(setting, "1", 0o644);
            }
            for file in &plan.files {
                host.write_file(&file.path, &file.contents, file.mode)?;
            }
            if find(KILLALL).is_none() {
                host.install_agent(&format!("{STAND_INS}/{KILLALL}"))?;
            }
            actors.push(Actor {
                node,
                host,
                alive: false,
                service_up: false,
                handover: None,
                service: None,
                feed: None,
                feed_started: Instant::ZERO,
                before: Vec::new(),
            });
        }
        let client = lab.add_host_with(CLIENT, plan.client.clone())?;
        Ok(Self {
            actors,
            capture,
            plan,
            program: format!("{}/{name}", ::lab::PROGRAMS),
            client,
            probe: None,
        })
    }

    /// The client begins to ask.
    pub(super) fn start_probe(&mut self) -> Result<(), ::lab::Error> {
        let (target, port) = (self.plan.target.address.to_string(), self.plan.port.to_string());
        let words = [self.program.as_str(), ::lab::agent::SUBCOMMAND, PROBE, &target, &port];
        self.probe = Some(self.client.spawn(Spec::new(words))?);
        Ok(())
    }

    /// What the client's probe has printed since the last call.
    pub(super) fn answers(&self) -> Vec<Line> {
        self.probe.as_ref().map(Proc::take_lines).unwrap_or_default()
    }

    /// Starts the service and the daemons of a node.
    pub(super) fn start_node(&mut self, index: usize) -> Result<(), ::lab::Error> {
        self.start_service(index)?;
        let program = self.program.clone();
        if let Some(actor) = self.actors.get_mut(index) {
            let conf = format!("{FILES}/{}.conf", actor.node.name);
            let words = [program.as_str(), "run", "-f", &conf, "--runtime-dir", RUNTIME_DIR];
            let started = actor.host.spawn(Spec::new(words))?;
            actor.before.extend(actor.handover.replace(started));
            actor.alive = true;
        }
        Ok(())
    }

    /// Starts the service: the real one if it is HAProxy and there, else a stand-in of its name.
    pub(super) fn start_service(&mut self, index: usize) -> Result<(), ::lab::Error> {
        let Some(actor) = self.actors.get_mut(index) else { return Ok(()) };
        let service = &self.plan.service;
        let spec = if service == HAPROXY && find(HAPROXY).is_some() {
            let path = format!("{FILES}/haproxy.cfg");
            if !self.plan.haproxy_cfg {
                actor.host.write_file(&path, HAPROXY_CFG, 0o644)?;
            }
            Spec::new([HAPROXY, "-db", "-f", &path])
        } else {
            let path = format!("{STAND_INS}/{service}");
            actor.host.install_agent(&path)?;
            Spec::new([path]).variable(SERVICE_PORT, self.plan.port.to_string())
        };
        let started = actor.host.spawn(spec)?;
        actor.before.extend(actor.service.replace(started));
        actor.service_up = true;
        Ok(())
    }

    /// SIGKILL for the service of a node.
    pub(super) fn kill_service(&mut self, index: usize) -> Result<(), ::lab::Error> {
        let Some(actor) = self.actors.get_mut(index) else { return Ok(()) };
        actor.service_up = false;
        actor.service.as_ref().map_or(Ok(()), |service| service.kill(Signal::KILL))
    }

    /// SIGKILL for everything on a node.
    pub(super) fn kill_node(&mut self, index: usize) -> Result<(), ::lab::Error> {
        let Some(actor) = self.actors.get_mut(index) else { return Ok(()) };
        actor.alive = false;
        actor.service_up = false;
        actor.host.kill_all()
    }

    /// What a node's event feed has said since the last call; a feed that has ended is started again.
    pub(super) fn feed(&mut self, index: usize) -> Result<Vec<Line>, ::lab::Error> {
        let now = sys::clock::now();
        let Some(actor) = self.actors.get_mut(index) else { return Ok(Vec::new()) };
        let lines = actor.feed.as_ref().map(Proc::take_lines).unwrap_or_default();
        let follows = actor.feed.as_ref().is_some_and(Proc::is_running);
        if actor.alive && !follows && now.since(actor.feed_started) >= FEED_RETRY {
            let words = [self.program.as_str(), "events", "--json", "--runtime-dir", RUNTIME_DIR];
            actor.feed = Some(actor.host.spawn(Spec::new(words))?);
            actor.feed_started = now;
        }
        Ok(lines)
    }

    /// A node whose daemons have ended although nobody ended them, and how.
    pub(super) fn deserter(&self) -> Option<String> {
        self.actors.iter().filter(|actor| actor.alive).find_map(|actor| {
            let exit = actor.handover.as_ref()?.wait(Duration::ZERO)?;
            Some(format!("'handover run' on {} has ended with {exit}", actor.node.name))
        })
    }

    /// All that was printed on the hosts, oldest first, with the host and the program.
    pub(super) fn printed(&self) -> Vec<(Instant, String)> {
        let mut all = Vec::new();
        for actor in &self.actors {
            for process in actor.before.iter().chain(&actor.handover).chain(&actor.service) {
                let lines = process.lines().into_iter();
                all.extend(lines.map(|line| (line.at, format!("{}: {}", actor.node.name, line.text))));
            }
        }
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// Which service answers, in words.
    pub(super) fn service_in_words(&self) -> String {
        let service = &self.plan.service;
        match find(service).filter(|_| service == HAPROXY) {
            Some(path) => format!("the real {service} ({path})"),
            None => format!("a stand-in called {service}"),
        }
    }
}

/// A program of the machine's.
fn find(program: &str) -> Option<String> {
    PLACES.iter().map(|place| format!("{place}/{program}")).find(|path| Path::new(path).is_file())
}
