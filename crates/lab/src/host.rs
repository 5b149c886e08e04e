//! A host of a lab, as its owner holds it.

use std::sync::Arc;

use crate::conversation::Conversation;
use crate::error::Error;
use crate::process::{Output, Proc};
use crate::protocol::{AgentRequest, Answer, Exit, File, HostAddress, HostRequest, Request, Spec};

/// A host. Clones are the same host; it lasts as long as the lab.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    conversation: Arc<Conversation>,
}

impl Host {
    pub(crate) fn new(name: &str, conversation: Arc<Conversation>) -> Self {
        Self { name: name.to_owned(), conversation }
    }

    /// Its name, which `hostname` prints there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, doing: &str, request: HostRequest) -> Result<Answer, Error> {
        let request = Request::Host(self.name.clone(), request);
        self.conversation.call(&format!("{doing} on host {}", self.name), request)
    }

    /// Starts a process.
    ///
    /// # Errors
    /// It can't be run: the step and the kernel's words.
    pub fn spawn(&self, spec: Spec) -> Result<Proc, Error> {
        let id = self.conversation.next_number();
        let doing = format!("run {}", spec.argv.join(" "));
        self.ask(&doing, HostRequest::Spawn(id, spec))?;
        Ok(Proc::new(self.clone(), id, Arc::clone(&self.conversation)))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// As [`Self::spawn`]; or it doesn't end.
    pub fn run<S: Into<String>>(&self, argv: impl IntoIterator<Item = S>) -> Result<Output, Error> {
        self.spawn(Spec::new(argv))?.output()
    }

    pub(crate) fn kill(&self, id: u64, signal: i32) -> Result<(), Error> {
        self.ask("send a signal", HostRequest::Kill(id, signal)).map(drop)
    }

    /// SIGKILLs every process on the host but its init, as a power failure would; its kernel state stays.
    ///
    /// # Errors
    /// The lab has ended.
    pub fn kill_all(&self) -> Result<(), Error> {
        self.ask("kill everything", HostRequest::KillAll).map(drop)
    }

    /// Writes a file that only this host sees, wherever it is.
    ///
    /// # Errors
    /// The kernel's words.
    pub fn write_file(&self, path: &str, contents: &str, mode: u32) -> Result<(), Error> {
        let file = File { path: path.to_owned(), contents: contents.to_owned(), mode };
        self.ask(&format!("write {path}"), HostRequest::WriteFile(file)).map(drop)
    }

    /// Puts a copy of the agent's program at a path, for this host alone: it may act by its name.
    ///
    /// # Errors
    /// The kernel's words.
    pub fn install_agent(&self, path: &str) -> Result<(), Error> {
        self.ask(&format!("install {path}"), HostRequest::Install(path.to_owned())).map(drop)
    }

    /// Reads a text file as the host sees it.
    ///
    /// # Errors
    /// The kernel's words.
    pub fn read_file(&self, path: &str) -> Result<String, Error> {
        match self.ask(&format!("read {path}"), HostRequest::ReadFile(path.to_owned()))? {
            Answer::Text(text) => Ok(text),
            other @ (Answer::Done | Answer::Addresses(_)) => Err(strange(&other)),
        }
    }

    /// All addresses of all its interfaces, from the kernel.
    ///
    /// # Errors
    /// The kernel's words.
    pub fn addresses(&self) -> Result<Vec<HostAddress>, Error> {
        match self.ask("list addresses", HostRequest::Addresses)? {
            Answer::Addresses(addresses) => Ok(addresses),
            other @ (Answer::Done | Answer::Text(_)) => Err(strange(&other)),
        }
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn link_up(&self, link: &str) -> Result<(), Error> {
        self.ask(&format!("set {link} up"), HostRequest::SetLink(link.to_owned(), true)).map(drop)
    }

    /// Sets an interface down, as `ip link set down` does.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn link_down(&self, link: &str) -> Result<(), Error> {
        self.ask(&format!("set {link} down"), HostRequest::SetLink(link.to_owned(), false)).map(drop)
    }

    /// Takes an interface off its bridge: it keeps its carrier and reaches nobody.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn disconnect(&self, link: &str) -> Result<(), Error> {
        let request = AgentRequest::Disconnect(self.name.clone(), link.to_owned());
        let doing = format!("disconnect {link} of host {}", self.name);
        self.conversation.call(&doing, Request::Agent(request)).map(drop)
    }

    /// Puts an interface back on its bridge.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn connect(&self, link: &str) -> Result<(), Error> {
        let request = AgentRequest::Connect(self.name.clone(), link.to_owned());
        let doing = format!("connect {link} of host {}", self.name);
        self.conversation.call(&doing, Request::Agent(request)).map(drop)
    }
}

fn strange(answer: &Answer) -> Error {
    Error::new("understand the lab", format!("it answered {answer:?}"))
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
