//! A machine that boots systemd: a lab's host with a container in it whose root is an overlay of this machine's own.
//!
//! It is for tests of units and packages. What is written in it goes to memory, and everything (processes, mounts, networks)
//! vanishes with the lab, whatever happens to the test. Read systemd-nspawn(1) first; ROOT and a real kernel are needed, and
//! [`is_possible`] says whether they are there.

use std::time::Duration;

use lab::{Host, Lab, Output, Proc, Spec};
use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::node::{holds, lines, text_at};
use crate::package::{Package, is_installed};
use crate::programs::program;

/// How long a boot, or a condition in a machine, may take when CI is slow.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The units of the daemons.
pub const UNITS: [&str; 4] = ["ipmgr", "vrrp-core", "checkerd", "notifierd"];

/// Makes the root and boots it. What else the test's machine runs, if it does, isn't started in it.
const BOOT: &str = r#"set -e
# The lab shows them to be read only. systemd in the container writes to the groups, its own part of them.
awk '$5 ~ "^/sys/fs/cgroup" { print $5 }' /proc/self/mountinfo | while read -r mount; do
    mount -o remount,bind,rw "$mount"
done
for group in "$@"; do echo $$ > "$group"; done
mkdir /run/machine
mount -t tmpfs -o size=1g,mode=0755 none /run/machine
cd /run/machine
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
hostname > etc/hostname
: > etc/machine-id
rm -rf etc/handover var/lib/handover var/log/journal etc/rc[0-9S].d/*
rm -rf etc/systemd/system/*.wants etc/systemd/system/networking.service
mkdir -p etc/systemd/system
: > etc/fstab
# Virtual MACs and the like have settings in /proc/sys/net: it is the machine's own.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --directory=/run/machine/root --machine="$(hostname)" --boot \
    --network-namespace-path=/proc/self/ns/net --register=no --keep-unit --link-journal=no \
    --capability=all --bind-ro=/run/lab/programs:/opt/programs --console=pipe
"#;

/// Prints the number of the container's own init, seen from the host; before it is there, nspawn has other children.
const LEADER: &str = r#"for p in /proc/[0-9]*; do
    read -r name < $p/comm && [ "$name" = systemd-nspawn ] || continue
    pgrep -P "${p#/proc/}" -x systemd && exit
done 2>/dev/null"#;

/// Whether machines can be booted here: as root, with systemd's tools. Without them a test says so and passes, but not in CI.
///
/// # Panics
/// In CI, when they can't.
#[must_use]
pub fn is_possible() -> bool {
    if sys::user::effective_uid() != 0 {
        eprintln!("SKIPPED: only root can boot a container");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return false;
    }
    is_installed("systemd-nspawn") && is_installed("nsenter") && is_installed("pgrep")
}

/// One machine.
#[derive(Debug)]
pub struct Machine {
    host: Host,
    console: Proc,
    leader: String,
    /// Removed once the machine is dead.
    _cgroup: Cgroup,
}

impl Machine {
    /// Starts one with these addresses on eth0; [`Self::wait_until_up`] waits for it, so that several can boot at once.
    ///
    /// # Panics
    /// The lab can't do it.
    #[must_use]
    pub fn boot(lab: &Lab, name: &str, addresses: &[&str]) -> Self {
        let host = lab.add_host(name, addresses).unwrap_or_else(|error| panic!("host {name}: {error}"));
        let cgroup = Cgroup::new();
        let argv = ["sh", "-c", BOOT, "boot"].into_iter().map(str::to_owned).chain(cgroup.entrances());
        let console = host.spawn(Spec::new(argv)).expect("start systemd-nspawn");
        let mut machine = Self { host, console, leader: String::new(), _cgroup: cgroup };
        let leader = lab.find(LIMIT, || {
            let said = machine.host.run(["sh", "-c", LEADER]).ok()?.stdout;
            let pid = said.lines().next()?.trim().to_owned();
            (!pid.is_empty()).then_some(pid).or_else(|| (!machine.console.is_running()).then(String::new))
        });
        let leader = leader.filter(|pid| !pid.is_empty());
        machine.leader =
            leader.unwrap_or_else(|| panic!("{name} doesn't boot:\n{}", lines(&machine.console)));
        machine
    }

    /// Waits until systemd has started everything.
    ///
    /// # Panics
    /// It doesn't within [`LIMIT`].
    pub fn wait_until_up(&self, lab: &Lab) {
        let mut said = String::new();
        let up = lab.wait_for(LIMIT, || {
            said = self.output("systemctl is-system-running").stdout;
            matches!(said.trim(), "running" | "degraded")
        });
        assert!(up, "{} is {said}:\n{}", self.host.name(), lines(&self.console));
    }

    /// The host that it runs on: its links and addresses are the machine's.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Runs a line of shell in the machine.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn output(&self, script: &str) -> Output {
        let enter = ["nsenter", "-t", &self.leader, "-p", "-m", "-n", "-i", "-u", "--", "sh", "-c", script];
        self.host.run(enter).expect("enter the machine")
    }

    /// What a line of shell prints, whatever its status.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn sh(&self, script: &str) -> String {
        self.output(script).stdout
    }

    /// The same for one that has to succeed.
    ///
    /// # Panics
    /// It doesn't; the message has all that there is to know.
    pub fn must(&self, script: &str) -> String {
        let output = self.output(script);
        assert!(
            output.success(),
            "{}: {script}\n{}{}\n{}",
            self.host.name(),
            output.stdout,
            output.stderr,
            self.story()
        );
        output.stdout
    }

    /// Writes a file.
    ///
    /// # Panics
    /// It can't be written.
    pub fn write(&self, path: &str, contents: &str, mode: u32) {
        assert!(!contents.contains("END-OF-FILE"), "the text would end itself");
        let _ = self.must(&format!(
            "mkdir -p \"$(dirname {path})\" && cat > {path} <<'END-OF-FILE'\n{contents}\nEND-OF-FILE\nchmod {mode:o} {path}"
        ));
    }

    /// Where a file beside the programs under test, such as a package, is in the machine.
    ///
    /// # Panics
    /// It isn't beside them.
    #[must_use]
    pub fn path_of(package: &Package) -> String {
        let programs = program("handover").parent().expect("a directory").to_owned();
        let relative = package.path().strip_prefix(programs).expect("beside the programs").to_owned();
        format!("/opt/programs/{}", relative.display())
    }

    /// `handover status --json`; `None` while there is none.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.output("handover status --json").stdout).ok()
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

    /// Whether an interface carries this address.
    ///
    /// # Panics
    /// The lab has ended.
    #[must_use]
    pub fn holds(&self, address: &str) -> bool {
        holds(&self.host, address)
    }

    /// A property of a unit (`systemctl show`).
    #[must_use]
    pub fn unit(&self, unit: &str, property: &str) -> String {
        self.sh(&format!("systemctl show --value -p {property} {unit}")).trim().to_owned()
    }

    /// The processes of [`UNITS`], in their order; "0" where none runs.
    #[must_use]
    pub fn main_pids(&self) -> Vec<String> {
        UNITS.iter().map(|unit| self.unit(unit, "MainPID")).collect()
    }

    /// What sees each address that comes and goes from now on.
    ///
    /// # Panics
    /// It can't be started.
    #[must_use]
    pub fn watch_addresses(&self, lab: &Lab) -> Proc {
        let monitor = self.host.spawn(Spec::new(["ip", "-o", "monitor", "address"])).expect("ip monitor");
        // It is there once it has told of something.
        eventually(lab, &[self], "ip monitor hears", || {
            let _ =
                self.must("ip address replace 127.9.9.9/32 dev lo && ip address delete 127.9.9.9/32 dev lo");
            monitor.lines().iter().any(|line| line.text.contains("127.9.9.9"))
        });
        monitor
    }

    /// What there is of Handover in it, but for accounts: files, a line each and sorted, processes, units.
    #[must_use]
    pub fn remains(&self) -> String {
        self.sh(
            "find /etc /usr /var /run /lib -xdev -path /var/log -prune -o -path /var/tmp -prune -o -path /usr/src -prune -o \
             -name '*handover*' -print | sort; pgrep -l 'ipmgr|vrrp-core|checkerd|notifierd'; \
             systemctl list-units --all --no-legend 'handover*' 'ipmgr*' 'vrrp-core*'",
        )
    }

    /// Everything for a person who has to find out what happened.
    #[must_use]
    pub fn story(&self) -> String {
        let journal = self.sh(
            "journalctl -b --no-pager -o short-precise -n 150 _SYSTEMD_UNIT=ipmgr.service + _SYSTEMD_UNIT=vrrp-core.service \
             + _SYSTEMD_UNIT=checkerd.service + _SYSTEMD_UNIT=notifierd.service + _SYSTEMD_UNIT=keepalived.service + _SYSTEMD_UNIT=systemd-networkd.service + _PID=1",
        );
        let status = self.sh("handover status 2>&1; ip -brief address");
        format!("== {}\n{status}\n{journal}\n", self.host.name())
    }
}

impl Drop for Machine {
    /// As if the power failed: otherwise its control group would stay.
    fn drop(&mut self) {
        let _ = self.host.kill_all();
    }
}

/// Waits until `condition` holds; fails with the machines' stories when it doesn't.
///
/// # Panics
/// It doesn't hold within [`LIMIT`].
pub fn eventually(lab: &Lab, machines: &[&Machine], what: &str, condition: impl FnMut() -> bool) {
    if !lab.wait_for(LIMIT, condition) {
        let stories: Vec<String> = machines.iter().map(|machine| machine.story()).collect();
        panic!("never came true: {what}\n{}", stories.join("\n"));
    }
}
