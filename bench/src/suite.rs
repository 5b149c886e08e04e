//! The two programs that are compared, and a configuration that means the same to both.
//!
//! Both run as their users run them, without settings of ours: no real-time priority, default logging.

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::Spec;

use crate::Outcome;

/// Where distributions put keepalived.
const KEEPALIVED: &str = "/usr/sbin/keepalived";
/// The configuration on each host.
pub(crate) const CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// VRIDs of one link: 1 to 255.
pub(crate) const VRIDS: u16 = 255;

/// Whom a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// The machine's own.
    Keepalived,
    /// Ours, from beside this program.
    Handover,
}

impl Suite {
    /// In the order in which runs alternate.
    pub(crate) const BOTH: [Self; 2] = [Self::Keepalived, Self::Handover];

    /// The command line, for a lab's host.
    ///
    /// # Errors
    /// The program is not installed, or not built.
    pub(crate) fn command(self) -> Outcome<Spec> {
        match self {
            Self::Keepalived => {
                // The VRRP half alone, in the foreground, logging to our pipe instead of syslog.
                let options = [keepalived()?, "-n", "-l", "-G", "--vrrp", "-f", CONFIG];
                let pid_files = ["-p", "/run/keepalived.pid", "-r", "/run/keepalived-vrrp.pid"];
                Ok(Spec::new(options.into_iter().chain(pid_files)))
            }
            Self::Handover => {
                Ok(Spec::new([&handover()?, "run", "--runtime-dir", "/run/handover", "-f", CONFIG]))
            }
        }
    }

    /// What only reads the configuration and says what is wrong with it.
    ///
    /// # Errors
    /// As for [`Self::command`].
    pub(crate) fn check_command(self) -> Outcome<Vec<String>> {
        let words = match self {
            Self::Keepalived => [keepalived()?, "-t", "-f", CONFIG].map(str::to_owned),
            Self::Handover => [&handover()?, "check", "-f", CONFIG].map(str::to_owned),
        };
        Ok(words.into())
    }

    /// The names of its processes, as the kernel shortens them.
    pub(crate) const fn processes(self) -> &'static [&'static str] {
        match self {
            Self::Keepalived => &["keepalived"],
            Self::Handover => &["handover", "vrrp-core", "ipmgr", "checkerd", "notifierd"],
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keepalived => "keepalived",
            Self::Handover => "Handover",
        })
    }
}

/// Where it is.
fn keepalived() -> Outcome<&'static str> {
    if Path::new(KEEPALIVED).is_file() {
        Ok(KEEPALIVED)
    } else {
        Err(format!("{KEEPALIVED} is not installed"))
    }
}

/// Where it is on a lab's host.
fn handover() -> Outcome<String> {
    let program = own_program()?.with_file_name("handover");
    if !program.is_file() {
        return Err(format!("{} is not there: 'make build' makes it", program.display()));
    }
    Ok(format!("{}/handover", lab::PROGRAMS))
}

/// This program's path.
///
/// # Errors
/// The kernel's words.
pub(crate) fn own_program() -> Outcome<PathBuf> {
    std::env::current_exe().map_err(|error| format!("find our own program: {error}"))
}

/// Virtual routers, spread over as many links as they need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How many, each with an address that it advertises.
    pub(crate) instances: u16,
    /// How many addresses the first one has beside that.
    pub(crate) further: u16,
    /// `advert_int`.
    pub(crate) interval: Duration,
}

impl Load {
    /// One virtual router.
    pub(crate) const fn single(interval: Duration) -> Self {
        Self::of(1, interval)
    }

    /// As many as that, with one address each.
    pub(crate) const fn of(instances: u16, interval: Duration) -> Self {
        Self { instances, further: 0, interval }
    }

    /// All their addresses.
    pub(crate) fn addresses(self) -> impl Iterator<Item = String> {
        let own = (0..self.instances).map(|number| virtual_address(number / VRIDS, number % VRIDS + 1));
        own.chain((0..self.further).map(further_address))
    }

    /// How many links it needs.
    pub(crate) const fn links(self) -> u16 {
        self.instances.div_ceil(VRIDS)
    }

    /// VRRPv3 over IPv4 multicast, for a node of that priority.
    pub(crate) fn config(self, priority: u8) -> String {
        let mut text = "global_defs {\nrouter_id bench\nvrrp_version 3\n}\n".to_owned();
        // keepalived insists on it for the owner, and wants nobody else to start that way.
        let state = if priority == u8::MAX { "MASTER" } else { "BACKUP" };
        let interval = self.interval.as_secs_f64();
        for number in 0..self.instances {
            let (link, vrid) = (number / VRIDS, number % VRIDS + 1);
            let address = virtual_address(link, vrid);
            let further = if number == 0 { self.excluded() } else { String::new() };
            // Writing to a string can't fail.
            let _ = write!(
                text,
                "vrrp_instance i{number} {{\nstate {state}\ninterface eth{link}\nvirtual_router_id {vrid}\n\
                 priority {priority}\nadvert_int {interval}\nvirtual_ipaddress {{\n{address}/32\n}}\n{further}}}\n"
            );
        }
        text
    }

    /// The block of the addresses that no advert has room for.
    fn excluded(self) -> String {
        if self.further == 0 {
            return String::new();
        }
        let lines = (0..self.further).map(|number| format!("{}/32\n", further_address(number)));
        format!("virtual_ipaddress_excluded {{\n{}}}\n", lines.collect::<String>())
    }
}

/// The address of a virtual router.
pub(crate) fn virtual_address(link: u16, vrid: u16) -> String {
    format!("10.{}.0.{vrid}", link + 1)
}

/// An address beside those of virtual routers, which are few on a link.
pub(crate) fn further_address(number: u16) -> String {
    let [high, low] = number.to_be_bytes();
    format!("10.200.{high}.{low}")
}

/// The address of a host on a link, in the same network.
pub(crate) fn host_address(link: u16, host: u16) -> String {
    format!("10.{}.255.{host}", link + 1)
}

/// Whether it is the address of that host on some link.
pub(crate) fn is_host_address(address: IpAddr, host: u16) -> bool {
    match address {
        IpAddr::V4(address) => {
            u16::from_be_bytes([0, address.octets()[3]]) == host && address.octets()[2] == 255
        }
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_fill_one_link_after_another() {
        let load = Load::of(256, Duration::from_millis(10));
        assert_eq!(load.links(), 2);
        let text = load.config(100);
        assert_eq!(text.matches("vrrp_instance").count(), 256);
        assert!(text.contains("interface eth0\nvirtual_router_id 255\npriority 100\nadvert_int 0.01\n"));
        assert!(text.contains("interface eth1\nvirtual_router_id 1\n"));
        assert!(text.contains("10.2.0.1/32") && text.contains("10.1.0.255/32"));
    }

    #[test]
    fn only_the_owner_starts_as_master() {
        let load = Load::single(Duration::from_secs(1));
        assert!(load.config(255).contains("state MASTER") && load.config(254).contains("state BACKUP"));
    }
}
