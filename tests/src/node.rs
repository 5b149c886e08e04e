//! A host of the lab that runs Handover: `handover run` with a configuration, and questions about it.

use std::cell::RefCell;
use std::time::Duration;

use lab::{Host, Lab, Link, Proc, Signal, Spec};
use serde_json::Value;

use crate::programs::{on_host, program};

/// How long a condition may take on a noisy machine.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Where the sockets are on each host.
pub const RUNTIME_DIR: &str = "/run/handover";
/// The configuration of each node.
pub const CONFIG: &str = "/etc/handover/handover.conf";
/// The address of [`api_vip`].
pub const VIP: &str = "192.168.1.100";
/// Where [`HOOK`] writes.
const HOOK_LOG: &str = "/tmp/hooks";
/// A notify script that remembers its arguments; configurations name it.
pub const HOOK: &str = "/usr/local/bin/remember";

/// A lab whose agent is the program under test.
///
/// # Panics
/// The lab can't be made; the message says why.
#[must_use]
pub fn start_lab() -> Lab {
    Lab::start(&program("handover")).unwrap_or_else(|error| panic!("start a lab: {error}"))
}

/// Puts [`HOOK`] on a host.
///
/// # Panics
/// The lab can't do it.
pub fn install_hook(host: &Host) {
    let hook = format!("#!/bin/sh\necho \"$@\" >> {HOOK_LOG}\n");
    host.write_file(HOOK, &hook, 0o755).expect("write the hook");
}

/// The arguments of every run of [`HOOK`] on a host so far, one line each.
#[must_use]
pub fn hook_log(host: &Host) -> Vec<String> {
    let text = host.read_file(HOOK_LOG).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// One node.
#[derive(Debug)]
pub struct Node {
    host: Host,
    run: RefCell<Option<Proc>>,
}

impl Node {
    /// A host `name` with these addresses on eth0 and this configuration; nothing is started yet.
    ///
    /// # Panics
    /// The lab can't do it.
    #[must_use]
    pub fn new(lab: &Lab, name: &str, addresses: &[&str], config: &str) -> Self {
        let link =
            Link::new("eth0", "eth0", addresses).unwrap_or_else(|error| panic!("host {name}: {error}"));
        Self::with_links(lab, name, vec![link], config)
    }

    /// As [`Self::new`], with any interfaces.
    ///
    /// # Panics
    /// The lab can't do it.
    #[must_use]
    pub fn with_links(lab: &Lab, name: &str, links: Vec<Link>, config: &str) -> Self {
        let host = lab.add_host_with(name, links).unwrap_or_else(|error| panic!("host {name}: {error}"));
        host.write_file(CONFIG, config, 0o600).expect("write the configuration");
        install_hook(&host);
        Self { host, run: RefCell::new(None) }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Starts `handover run`.
    ///
    /// # Panics
    /// It can't be started.
    pub fn start(&self) {
        let handover = on_host("handover");
        let spec = Spec::new([
            &handover,
            "run",
            "--runtime-dir",
            RUNTIME_DIR,
            "--state-dir",
            "/run/state",
            "-f",
            CONFIG,
        ])
        .variable("HANDOVER_LOG", "info");
        *self.run.borrow_mut() = Some(self.host.spawn(spec).expect("start handover run"));
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It isn't running, or doesn't stop, or not with status 0.
    pub fn stop(&self) {
        self.ask_to_stop();
        self.wait_for_end();
    }

    /// Asks it to stop.
    ///
    /// # Panics
    /// It isn't running.
    pub fn ask_to_stop(&self) {
        self.run.borrow().as_ref().expect("handover run was started").kill(Signal::TERM).expect("signal");
    }

    /// Waits until it has stopped as it was asked to.
    ///
    /// # Panics
    /// It doesn't, or not with status 0.
    pub fn wait_for_end(&self) {
        let run = self.run.borrow_mut().take().expect("handover run was started");
        let exit = run.wait(LIMIT);
        assert_eq!(exit, Some(lab::Exit::Code(0)), "handover run didn't stop well:\n{}", lines(&run));
    }

    /// `handover status --json`; `None` while there is none.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let handover = on_host("handover");
        let output = self.host.run([&handover, "status", "--json", "--runtime-dir", RUNTIME_DIR]).ok()?;
        if output.success() { serde_json::from_str(&output.stdout).ok() } else { None }
    }

    /// What status says at a JSON pointer, as text; empty where there is nothing.
    #[must_use]
    pub fn at(&self, pointer: &str) -> String {
        text_at(self.status().as_ref(), pointer)
    }

    /// The state of the first instance.
    #[must_use]
    pub fn state(&self) -> String {
        self.at("/instances/0/state")
    }

    /// Whether an interface of the host carries this address.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn holds(&self, address: &str) -> bool {
        holds(&self.host, address)
    }

    /// The arguments of every run of [`HOOK`] so far, one line each.
    #[must_use]
    pub fn hooks(&self) -> Vec<String> {
        hook_log(&self.host)
    }

    /// The processes of that name on the host, by their numbers there.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn pids(&self, name: &str) -> Vec<u32> {
        let script = format!(
            "for d in /proc/[0-9]*; do read -r c < $d/comm && [ \"$c\" = {name} ] && echo ${{d#/proc/}}; done 2>/dev/null; :"
        );
        let output = self.sh(&script);
        // Number 1 is the lab's, whatever it is called.
        output.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 1).collect()
    }

    /// Runs a line of shell on the host and gives what it printed, whatever its status.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn sh(&self, script: &str) -> String {
        self.host.run(["sh", "-c", script]).expect("run a shell").stdout
    }

    /// SIGKILL to the one process of that name.
    ///
    /// # Panics
    /// There isn't exactly one.
    pub fn kill(&self, name: &str) {
        self.signal(name, "KILL");
    }

    /// A signal to the one process of that name, by the signal's name.
    ///
    /// # Panics
    /// There isn't exactly one.
    pub fn signal(&self, name: &str, signal: &str) {
        let pids = self.pids(name);
        assert_eq!(pids.len(), 1, "one {name} on {}, found {pids:?}", self.host.name());
        let _ = self.sh(&format!("kill -{signal} {}", pids.first().copied().unwrap_or_default()));
    }

    /// Puts another text into its configuration file; nobody is told.
    ///
    /// # Panics
    /// The lab can't do it.
    pub fn configure(&self, config: &str) {
        self.host.write_file(CONFIG, config, 0o600).expect("write the configuration");
    }

    /// What `handover run` and its daemons have printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.run.borrow().as_ref().map(lines).unwrap_or_default()
    }

    /// Everything for a person who has to find out what happened.
    #[must_use]
    pub fn story(&self) -> String {
        let status = self.status().map_or_else(|| "none".to_owned(), |status| format!("{status:#}"));
        let log = self.log();
        format!("== {}\nstatus: {status}\nhooks: {:?}\nlog:\n{log}\n", self.host.name(), self.hooks())
    }
}

/// What a status says at a JSON pointer, as text; empty where there is nothing.
pub(crate) fn text_at(status: Option<&Value>, pointer: &str) -> String {
    match status.and_then(|status| status.pointer(pointer)) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Whether an interface of that host carries this address.
pub(crate) fn holds(host: &Host, address: &str) -> bool {
    let addresses = host.addresses().expect("addresses");
    addresses.iter().any(|it| it.address.to_string() == address)
}

/// One quick instance, `api_vip` with VRID 5 and [`VIP`], whose hook is [`HOOK`]; `more` are further lines of it.
#[must_use]
pub fn api_vip(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance api_vip {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ {VIP}/32 }}
  notify {HOOK}
  {more}
}}
"
    )
}

/// What it printed, a line each with its time.
pub(crate) fn lines(process: &Proc) -> String {
    let lines: Vec<String> =
        process.lines().iter().map(|line| format!("{} {}", line.at, line.text)).collect();
    lines.join("\n")
}

/// Waits until `condition` holds; fails with the nodes' stories when it doesn't.
///
/// # Panics
/// It doesn't hold within [`LIMIT`].
pub fn eventually(lab: &Lab, nodes: &[&Node], what: &str, condition: impl FnMut() -> bool) {
    if !lab.wait_for(LIMIT, condition) {
        let stories: Vec<String> = nodes.iter().map(|node| node.story()).collect();
        panic!("never came true: {what}\n{}", stories.join("\n"));
    }
}
