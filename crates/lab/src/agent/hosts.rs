//! The agent's hosts and the bridges between them.
//!
//! Each host is one child with namespaces of its own, spoken to over its standard input and output; each of its links
//! is a veth pair, whose other end is a port of a bridge here. What a host says is handed on as it is. Read veth(4).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::Signal;
use sys::netlink::Route;
use sys::process::{Namespace, Spec, Stdio, spawn};
use sys::tap::{MAX_FRAME, Tap};

use super::output::Output;
use super::{HOST, SUBCOMMAND, with_explanation};
use crate::frame;
use crate::protocol::{
    self, AgentRequest, Answer, Call, Frame, HostAddress, HostRequest, Link, Message, Request,
};

/// How many hosts a lab may have.
const MAX_HOSTS: usize = 64;
/// How many links a host may have.
const MAX_LINKS: usize = 16;
/// The number of the calls that the agent itself makes; the owner's start at 1.
const OWN_CALL: u64 = 0;

/// Which host and link is behind a port, by the port's interface index.
type Ports = Arc<Mutex<BTreeMap<u32, (String, String)>>>;

/// All hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    program: PathBuf,
    output: Output,
    hosts: BTreeMap<String, Host>,
    bridges: BTreeMap<String, String>,
    ports: Ports,
    /// Counts veth pairs, so that their names are never used twice.
    pairs: u32,
    capturing: bool,
}

#[derive(Debug)]
struct Host {
    input: File,
    /// The port of each link, and the bridge it belongs to.
    ports: BTreeMap<String, Port>,
}

#[derive(Clone, Debug)]
struct Port {
    name: String,
    bridge: String,
}

impl Hosts {
    /// None yet.
    ///
    /// # Errors
    /// A sentence: this network namespace can't be used.
    pub(super) fn new(program: PathBuf, output: Output) -> Result<Self, String> {
        open_route()?.set_up("lo").map_err(|error| error.to_string())?;
        Ok(Self {
            program,
            output,
            hosts: BTreeMap::new(),
            bridges: BTreeMap::new(),
            ports: Ports::default(),
            pairs: 0,
            capturing: false,
        })
    }

    /// Does what only the agent can.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn handle(&mut self, request: AgentRequest) -> Result<Answer, String> {
        match request {
            AgentRequest::AddHost(name, links) => self.add(name, links)?,
            AgentRequest::Disconnect(host, link) => self.plug(&host, &link, false)?,
            AgentRequest::Connect(host, link) => self.plug(&host, &link, true)?,
            AgentRequest::Capture => self.capture()?,
        }
        Ok(Answer::Done)
    }

    /// Hands a call on to a host, which will answer it.
    ///
    /// # Errors
    /// A sentence: there is no such host, or it is gone.
    pub(super) fn forward(&mut self, name: &str, id: u64, request: HostRequest) -> Result<(), String> {
        let host = self.hosts.get_mut(name).ok_or_else(|| format!("there is no host {name}"))?;
        let call = Call { id, request: Request::Host(name.to_owned(), request) };
        protocol::write(&mut host.input, &call).map_err(|error| format!("ask host {name}: {error}"))
    }

    fn add(&mut self, name: String, links: Vec<Link>) -> Result<(), String> {
        if self.hosts.contains_key(&name) {
            return Err(format!("there is a host {name} already"));
        }
        if self.hosts.len() >= MAX_HOSTS || links.len() > MAX_LINKS {
            return Err(format!("a lab has at most {MAX_HOSTS} hosts with {MAX_LINKS} links each"));
        }
        let spec = [Namespace::Net, Namespace::Mount, Namespace::Uts, Namespace::Pid].into_iter().fold(
            Spec::new(&self.program)
                .arguments([SUBCOMMAND, HOST, &name])
                .stdin(Stdio::Pipe)
                .stdout(Stdio::Pipe)
                .stderr(Stdio::Inherit)
                .die_with_parent(Signal::KILL),
            Spec::unshare,
        );
        let mut child = spawn(&spec).map_err(|error| with_explanation(&error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("host {name} has no pipes"));
        };
        let (mut input, mut output) = (File::from(input), BufReader::new(File::from(output)));
        expect_answer(&name, &mut output)?;
        let mut ports = BTreeMap::new();
        for link in links {
            let (link_name, bridge) = (link.name.clone(), link.bridge.clone());
            let (port, far_end) = self.wire(&name, &link, child.pid())?;
            let request = Request::Host(name.clone(), HostRequest::Furnish { from: far_end, link });
            protocol::write(&mut input, &Call { id: OWN_CALL, request })
                .map_err(|error| format!("ask host {name}: {error}"))?;
            expect_answer(&name, &mut output)?;
            ports.insert(link_name, Port { name: port, bridge });
        }
        let owner = self.output.clone();
        thread::spawn(move || relay(&mut output, &owner));
        self.hosts.insert(name, Host { input, ports });
        Ok(())
    }

    /// Makes a veth pair: a port that is plugged in, and an end that is moved to the host. Returns both names.
    fn wire(&mut self, host: &str, link: &Link, pid: u32) -> Result<(String, String), String> {
        self.pairs += 1;
        let (port, far_end) = (format!("port{}", self.pairs), format!("end{}", self.pairs));
        let bridge = self.bridge(&link.bridge)?;
        let mut route = open_route()?;
        let mut wired = || {
            route.create_veth(&port, &far_end)?;
            route.move_to_namespace(&far_end, pid)?;
            route.set_master(&port, &bridge)?;
            route.set_up(&port)?;
            route.link_index(&port)
        };
        let index = wired().map_err(|error| format!("wire {} of host {host}: {error}", link.name))?;
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.insert(index, (host.to_owned(), link.name.clone()));
        Ok((port, far_end))
    }

    /// The interface that is the bridge called `name`: made when it is first asked for.
    fn bridge(&mut self, name: &str) -> Result<String, String> {
        if let Some(interface) = self.bridges.get(name) {
            return Ok(interface.clone());
        }
        let interface = format!("bridge{}", self.bridges.len());
        let mut route = open_route()?;
        let made = route.create_bridge(&interface).and_then(|()| route.set_up(&interface));
        made.map_err(|error| format!("make the bridge {name}: {error}"))?;
        self.bridges.insert(name.to_owned(), interface.clone());
        Ok(interface)
    }

    /// Puts a port on its bridge, or on one that it has for itself: the link keeps its carrier and reaches nobody.
    fn plug(&mut self, host: &str, link: &str, plugged: bool) -> Result<(), String> {
        let port = self.hosts.get(host).and_then(|host| host.ports.get(link));
        let port = port.ok_or_else(|| format!("host {host} has no link {link}"))?.clone();
        let bridge = self.bridge(if plugged { &port.bridge } else { &port.name })?;
        let done = open_route()?.set_master(&port.name, &bridge);
        done.map_err(|error| format!("plug {link} of host {host}: {error}"))
    }

    fn capture(&mut self) -> Result<(), String> {
        if self.capturing {
            return Ok(());
        }
        let tap = Tap::open().map_err(|error| format!("listen on the bridges: {error}"))?;
        let (ports, output) = (Arc::clone(&self.ports), self.output.clone());
        thread::spawn(move || listen(&tap, &ports, &output));
        self.capturing = true;
        Ok(())
    }
}

/// The kernel's door to this network namespace.
pub(super) fn open_route() -> Result<Route, String> {
    Route::open().map_err(|error| format!("open a netlink socket: {error}"))
}

/// All addresses of this network namespace.
///
/// # Errors
/// A sentence.
pub(super) fn addresses() -> Result<Vec<HostAddress>, String> {
    let mut route = open_route()?;
    let links = route.links().map_err(|error| error.to_string())?;
    let names: BTreeMap<u32, String> = links.into_iter().map(|link| (link.index, link.name.into())).collect();
    let addresses = route.addresses().map_err(|error| error.to_string())?;
    Ok(addresses
        .into_iter()
        .filter_map(|it| {
            let link = names.get(&it.link)?.clone();
            Some(HostAddress { link, address: it.address, prefix: it.prefix })
        })
        .collect())
}

/// Waits for a host's "ready", or for its answer to a call of the agent's own.
fn expect_answer(name: &str, output: &mut BufReader<File>) -> Result<(), String> {
    match protocol::read::<Message>(output) {
        Ok(Some(Message::Ready | Message::Answer(OWN_CALL, Ok(_)))) => Ok(()),
        Ok(Some(Message::Failed(why) | Message::Answer(_, Err(why)))) => Err(format!("host {name}: {why}")),
        Ok(Some(other)) => Err(format!("host {name} said {other:?}")),
        Ok(None) => Err(format!("host {name} ended before it was there")),
        Err(error) => Err(format!("host {name}: {error}")),
    }
}

/// Hands on what a host says until it ends, or nobody listens.
fn relay(from: &mut BufReader<File>, to: &Output) {
    while let Ok(Some(message)) = protocol::read::<Message>(from) {
        if to.say(&message).is_err() {
            return;
        }
    }
}

/// Tells what enters the ports.
fn listen(tap: &Tap, ports: &Ports, output: &Output) {
    let mut buffer = Box::new([0; MAX_FRAME]);
    while let Ok(seen) = tap.receive(&mut buffer) {
        let at = sys::clock::now();
        let port = ports.lock().unwrap_or_else(PoisonError::into_inner).get(&seen.interface).cloned();
        // A frame on the bridge's own interface was told when it entered a port.
        let (Some((host, link)), Some((source_mac, packet))) = (port, frame::parse(seen.frame)) else {
            continue;
        };
        if output.say(&Message::Frame(Frame { at, host, link, source_mac, packet })).is_err() {
            return;
        }
    }
}
