//! A host of the lab that runs the machine's own keepalived: the other side of interoperation.
//!
//! What it does is learned from its log and from the kernel; its files are never read. Tests call [`is_installed`]
//! first.

use std::cell::RefCell;
use std::path::Path;

use lab::{Host, Lab, Proc, Signal, Spec};

use crate::node::{LIMIT, lines};

/// Where Debian puts the program.
const PROGRAM: &str = "/usr/sbin/keepalived";
/// Its configuration on the host.
const CONFIG: &str = "/etc/keepalived/keepalived.conf";

/// Whether this machine has keepalived. Without it a test has nothing to show: it says so and passes, but not in CI,
/// where nothing may go untested.
///
/// # Panics
/// In CI, when it isn't there.
#[must_use]
pub fn is_installed() -> bool {
    let is_there = Path::new(PROGRAM).is_file();
    if !is_there {
        println!("SKIPPED: keepalived is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI is set, and keepalived is not installed");
    }
    is_there
}

/// One host with keepalived.
#[derive(Debug)]
pub struct Keepalived {
    host: Host,
    run: RefCell<Option<Proc>>,
}

impl Keepalived {
    /// A host `name` with these addresses on eth0 and this configuration; nothing is started yet.
    ///
    /// # Panics
    /// The lab can't do it.
    #[must_use]
    pub fn new(lab: &Lab, name: &str, addresses: &[&str], config: &str) -> Self {
        let host = lab.add_host(name, addresses).unwrap_or_else(|error| panic!("host {name}: {error}"));
        host.write_file(CONFIG, config, 0o600).expect("write the configuration");
        Self { host, run: RefCell::new(None) }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Starts it, with its VRRP half alone and its log on our side of the pipe.
    ///
    /// # Panics
    /// It can't be started.
    pub fn start(&self) {
        // In the foreground, to the console and not to syslog, and with pid files that no other host sees.
        let options = ["-n", "-l", "-G", "-D", "--vrrp", "-f", CONFIG];
        let pid_files = ["-p", "/run/keepalived.pid", "-r", "/run/keepalived-vrrp.pid"];
        let argv = [PROGRAM].into_iter().chain(options).chain(pid_files);
        *self.run.borrow_mut() = Some(self.host.spawn(Spec::new(argv)).expect("start keepalived"));
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It isn't running, or doesn't stop.
    pub fn stop(&self) {
        let run = self.run.borrow_mut().take().expect("keepalived was started");
        run.kill(Signal::TERM).expect("signal");
        assert!(run.wait(LIMIT).is_some(), "keepalived didn't stop:\n{}", lines(&run));
    }

    /// Has it read another configuration.
    ///
    /// # Panics
    /// It isn't running.
    pub fn reload(&self, config: &str) {
        self.host.write_file(CONFIG, config, 0o600).expect("write the configuration");
        let run = self.run.borrow();
        run.as_ref().expect("keepalived was started").kill(Signal::HUP).expect("signal");
    }

    /// The state of an instance, from the last line of the log that tells one: `MASTER`, `BACKUP` or `FAULT`; empty
    /// before there is any.
    #[must_use]
    pub fn state(&self, instance: &str) -> String {
        let log = self.run.borrow().as_ref().map(Proc::lines).unwrap_or_default();
        let entering = format!("({instance}) Entering ");
        let told = log.iter().rev().find_map(|line| line.text.split_once(&entering));
        told.and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default().to_owned()
    }

    /// Whether its log has a line about an instance with these words.
    #[must_use]
    pub fn has_logged(&self, instance: &str, words: &str) -> bool {
        let log = self.run.borrow().as_ref().map(Proc::lines).unwrap_or_default();
        let subject = format!("({instance}) ");
        let told = |text: &str| text.split_once(&subject).is_some_and(|(_, rest)| rest.contains(words));
        log.iter().any(|line| told(&line.text))
    }

    /// Its log, for a person who has to find out what happened.
    #[must_use]
    pub fn story(&self) -> String {
        let log = self.run.borrow().as_ref().map(lines).unwrap_or_default();
        format!("== {} (keepalived)\nlog:\n{log}\n", self.host.name())
    }
}
