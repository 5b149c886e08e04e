//! A lab, as its owner holds it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::privilege::{Capability, has};
use sys::process::{Child, Namespace, Signal, Spec, Stdio, spawn};

use crate::agent::{self, DOORSTEP, SUBCOMMAND};
use crate::conversation::Conversation;
use crate::error::Error;
use crate::host::Host;
use crate::protocol::{AgentRequest, Frame, Link, Request};

/// The bridge and interface of [`Lab::add_host`].
const DEFAULT_LINK: &str = "eth0";
/// How long an agent whose pipe is closed may take to end before it is killed, in seconds.
const MAX_END_SECONDS: i64 = 10;

/// Hosts, and the bridges between them. Ends with everything in it when it is dropped.
#[derive(Debug)]
pub struct Lab {
    agent: Child,
    conversation: Arc<Conversation>,
}

impl Lab {
    /// Starts the agent: a program that, when its first argument is `lab-agent`, hands the others to
    /// [`agent::run`].
    ///
    /// # Errors
    /// The program isn't there, or the kernel gives this user no namespaces: then the sentence says what would
    /// allow it.
    pub fn start(program: &Path) -> Result<Self, Error> {
        let doing = "start a lab";
        if !program.is_file() {
            let why = format!("{} isn't there ('cargo build --bins' makes it)", program.display());
            return Err(Error::new(doing, why));
        }
        let mut spec = Spec::new(program)
            .arguments([SUBCOMMAND, DOORSTEP])
            .stdin(Stdio::Pipe)
            .stdout(Stdio::Pipe)
            .stderr(Stdio::Inherit)
            // So that Ctrl-C reaches the owner alone, who then ends the lab.
            .own_group()
            .unshare(Namespace::Net)
            .unshare(Namespace::Mount);
        if !has(Capability::SysAdmin).map_err(|error| Error::new(doing, error))? {
            spec = spec.unshare(Namespace::User);
        }
        let mut agent =
            spawn(&spec).map_err(|error| Error::new(doing, agent::with_explanation(&error.to_string())))?;
        let (Some(input), Some(output)) = (agent.stdin.take(), agent.stdout.take()) else {
            return Err(Error::new(doing, "the agent has no pipes"));
        };
        let lab = Self { agent, conversation: Conversation::start(input.into(), output.into()) };
        lab.conversation.wait_until_ready()?;
        Ok(lab)
    }

    /// The process id of the agent as the owner sees it: the ancestor of all processes of the lab.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.agent.pid()
    }

    /// A host with one interface, `eth0`, with these addresses, such as `192.168.1.11/24`; all such hosts are on
    /// one bridge.
    ///
    /// # Errors
    /// An address that is none, a name that is taken, or the kernel's words.
    pub fn add_host(&self, name: &str, addresses: &[&str]) -> Result<Host, Error> {
        let link = Link::new(DEFAULT_LINK, DEFAULT_LINK, addresses)?;
        self.add_host_with(name, vec![link])
    }

    /// A host with any interfaces.
    ///
    /// # Errors
    /// As [`Self::add_host`].
    pub fn add_host_with(&self, name: &str, links: Vec<Link>) -> Result<Host, Error> {
        let request = AgentRequest::AddHost(name.to_owned(), links);
        self.conversation.call(&format!("add host {name}"), Request::Agent(request))?;
        Ok(Host::new(name, Arc::clone(&self.conversation)))
    }

    /// Keeps every frame of VRRP, every ARP packet and every neighbour advertisement from now on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn capture(&self) -> Result<Capture, Error> {
        self.conversation.call("listen on the bridges", Request::Agent(AgentRequest::Capture))?;
        Ok(Capture { conversation: Arc::clone(&self.conversation) })
    }

    /// Waits until `condition` holds; false when it doesn't within `limit`. For tests, which never sleep.
    #[must_use]
    pub fn wait_for(&self, limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
        self.find(limit, || condition().then_some(())).is_some()
    }

    /// Waits until `look` finds something; `None` when it doesn't within `limit`.
    pub fn find<T>(&self, limit: Duration, look: impl FnMut() -> Option<T>) -> Option<T> {
        self.conversation.poll(limit, look)
    }

    /// Why the lab ended although nobody ended it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.conversation.lock().ended.clone()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.conversation.close();
        let limit = Timespec { tv_sec: MAX_END_SECONDS, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.agent, PollFlags::IN)], Some(&limit));
        if ended != Ok(1) {
            // Its init dies with it. An error means that it has just ended.
            let _ = self.agent.signal(Signal::KILL);
            let _ = poll(&mut [PollFd::new(&self.agent, PollFlags::IN)], Some(&limit));
        }
        let _ = self.agent.try_wait();
    }
}

impl Link {
    /// An interface `name` on the bridge `bridge` with addresses such as `192.168.1.11/24`.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(name: &str, bridge: &str, addresses: &[&str]) -> Result<Self, Error> {
        let parsed = addresses.iter().map(|text| {
            let (address, prefix) = text.split_once('/')?;
            Some((address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?))
        });
        let addresses = parsed.collect::<Option<Vec<_>>>().ok_or_else(|| {
            Error::new(
                format!("give {name} its addresses"),
                format!("{addresses:?}: expected ADDRESS/PREFIX"),
            )
        })?;
        Ok(Self { name: name.to_owned(), bridge: bridge.to_owned(), addresses })
    }
}

/// The frames that hosts put on the bridges.
#[derive(Debug)]
pub struct Capture {
    conversation: Arc<Conversation>,
}

impl Capture {
    /// All that were seen since the last call, oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<Frame> {
        self.conversation.lock().frames.drain(..).collect()
    }

    /// Waits for a frame that `wanted` accepts, and takes it and all before it; `None` if none comes in time.
    #[must_use]
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        self.conversation.wait_for(limit, |told| {
            while let Some(frame) = told.frames.pop_front() {
                if wanted(&frame) {
                    return Some(frame);
                }
            }
            None
        })
    }
}
