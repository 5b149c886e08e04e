//! What runs on a host, and the configuration that both kinds read.
//!
//! The configuration is one text: what differs between hosts are priorities and the addresses of unicast peers, never
//! the language. That Handover reads keepalived's file is part of what is shown here.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use handover_tests::keepalived::Keepalived;
use handover_tests::node::Node;
use handover_tests::observer::VirtualRouter;
use lab::{Host, Lab};
use model::{ProtocolVersion, Vrid};
use serde_json::Value;

/// VRRPv3's interval here: short, and three of them are longer than a busy machine stalls.
const V3_INTERVAL: Duration = Duration::from_millis(500);
/// VRRPv2's shortest.
const V2_INTERVAL: Duration = Duration::from_secs(1);

/// A virtual router as it stands in the configuration of all hosts.
#[derive(Clone, Copy, Debug)]
struct Dialect {
    name: &'static str,
    vrid: u8,
    version: ProtocolVersion,
    is_unicast: bool,
    auth: Option<&'static str>,
    addresses: &'static [&'static str],
}

/// A dialect that is spoken with nothing but its version.
const fn plain(
    name: &'static str,
    vrid: u8,
    version: ProtocolVersion,
    addresses: &'static [&'static str],
) -> Dialect {
    Dialect { name, vrid, version, is_unicast: false, auth: None, addresses }
}

const V2: ProtocolVersion = ProtocolVersion::V2;
const V3: ProtocolVersion = ProtocolVersion::V3;

/// All that are spoken; docs/interop.md lists them.
const DIALECTS: [Dialect; 10] = [
    plain("v2", 2, V2, &["192.0.2.102/32", "192.0.2.202/32"]),
    Dialect { auth: Some("PASS"), ..plain("v2_password", 12, V2, &["192.0.2.112/32"]) },
    Dialect { is_unicast: true, ..plain("v2_unicast", 22, V2, &["192.0.2.122/32"]) },
    Dialect {
        is_unicast: true,
        auth: Some("PASS"),
        ..plain("v2_password_unicast", 32, V2, &["192.0.2.132/32"])
    },
    Dialect { auth: Some("AH"), ..plain("v2_ah", 42, V2, &["192.0.2.142/32"]) },
    Dialect { is_unicast: true, auth: Some("AH"), ..plain("v2_ah_unicast", 52, V2, &["192.0.2.152/32"]) },
    plain("v3_ipv4", 3, V3, &["192.0.2.103/32", "192.0.2.203/32"]),
    Dialect { is_unicast: true, ..plain("v3_unicast", 23, V3, &["192.0.2.123/32"]) },
    // RFC 9568 5.2.9: the first one is link-local.
    plain("v3_ipv6", 6, V3, &["fe80::6:1/128", "2001:db8::106/128"]),
    Dialect { is_unicast: true, ..plain("v3_ipv6_unicast", 26, V3, &["fe80::6:2/128", "2001:db8::126/128"]) },
];

impl Dialect {
    const fn interval(&self) -> Duration {
        match self.version {
            ProtocolVersion::V2 => V2_INTERVAL,
            ProtocolVersion::V3 => V3_INTERVAL,
        }
    }

    /// Which of a host's addresses unicast adverts come from.
    fn source<'a>(&self, host: &Addresses<'a>) -> &'a str {
        let is_ipv6 = self.addresses.iter().all(|it| it.contains(':'));
        if is_ipv6 { host.ipv6 } else { host.ipv4 }
    }

    fn observed(&self) -> VirtualRouter {
        let address = |text: &&str| -> IpAddr {
            text.split_once('/').expect("with prefix").0.parse().expect("an address")
        };
        VirtualRouter {
            name: self.name,
            vrid: Vrid::new(self.vrid).expect("not 0"),
            version: self.version,
            interval: self.interval(),
            is_unicast: self.is_unicast,
            addresses: self.addresses.iter().map(address).collect(),
        }
    }
}

/// The members of the sync group, where there is one: a host's services for both families move together. The first one
/// alone tracks the check.
pub const GROUP: [&str; 2] = ["v3_ipv4", "v3_ipv6"];
/// The host is fit for service while it has this file.
pub const FITNESS: &str = "/tmp/fit";
/// What a failed check costs where it has a weight.
pub const WEIGHT: u8 = 20;

/// What the instances make of the check of [`FITNESS`], in the words of all configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// There is none.
    #[default]
    Nothing,
    /// While it fails, every priority is lower by [`WEIGHT`].
    Weighted,
    /// While it fails, every instance is in FAULT.
    Fatal,
    /// While it fails, the members of [`GROUP`] are in FAULT.
    FatalInGroup,
}

impl Tracking {
    /// What stands before the instances.
    fn preamble(self) -> String {
        let members = GROUP.join("\n    ");
        let group = format!("vrrp_sync_group both {{\n  group {{\n    {members}\n  }}\n}}\n");
        let check = format!(
            "vrrp_script fit {{\n  script \"/usr/bin/test -e {FITNESS}\"\n  interval 1\n  fall 1\n  rise 1\n}}\n"
        );
        match self {
            Self::Nothing => String::new(),
            Self::Weighted | Self::Fatal => check,
            Self::FatalInGroup => check + &group,
        }
    }

    /// How that instance tracks the check.
    fn line(self, instance: &str) -> Option<String> {
        let tracked = match self {
            Self::Nothing => None,
            Self::Weighted => Some(format!("fit weight -{WEIGHT}")),
            Self::Fatal => Some("fit".to_owned()),
            Self::FatalInGroup => (instance == GROUP[0]).then(|| "fit".to_owned()),
        };
        tracked.map(|words| format!("track_script {{\n    {words}\n  }}"))
    }
}

/// The virtual routers that the configuration is about.
pub fn observed() -> Vec<VirtualRouter> {
    DIALECTS.iter().map(Dialect::observed).collect()
}

/// A host's own addresses, one of each family.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    pub ipv4: &'a str,
    pub ipv6: &'a str,
}

/// What one host's configuration says; all but the tracking may differ from the others'.
#[derive(Clone, Debug)]
pub struct Own<'a> {
    pub addresses: Addresses<'a>,
    pub peers: Vec<Addresses<'a>>,
    pub priority: u8,
    pub password: &'a str,
    pub nopreempt: bool,
    pub tracking: Tracking,
}

/// The whole file.
pub fn config(own: &Own<'_>) -> String {
    let instances = DIALECTS.iter().map(|dialect| {
        let mut lines = vec![
            "interface eth0".to_owned(),
            format!("version {}", dialect.version),
            format!("virtual_router_id {}", dialect.vrid),
            format!("priority {}", own.priority),
            format!("advert_int {}", dialect.interval().as_secs_f32()),
        ];
        if own.nopreempt {
            lines.push("nopreempt".to_owned());
        }
        if let Some(kind) = dialect.auth {
            let password = own.password;
            lines.push(format!("authentication {{\n    auth_type {kind}\n    auth_pass {password}\n  }}"));
        }
        if dialect.is_unicast {
            let peers: Vec<&str> = own.peers.iter().map(|peer| dialect.source(peer)).collect();
            lines.push(format!("unicast_src_ip {}", dialect.source(&own.addresses)));
            lines.push(format!("unicast_peer {{\n    {}\n  }}", peers.join("\n    ")));
        }
        lines.extend(own.tracking.line(dialect.name));
        let addresses = dialect.addresses.join("\n    ");
        lines.push(format!("virtual_ipaddress {{\n    {addresses}\n  }}"));
        format!("vrrp_instance {} {{\n  {}\n}}\n", dialect.name, lines.join("\n  "))
    });
    let global = "global_defs {\n  router_id interop\n}\n".to_owned();
    [global, own.tracking.preamble()].into_iter().chain(instances).collect()
}

/// What a host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Handover,
    Keepalived,
}

impl Kind {
    /// Its sign in the table of docs/interop.md.
    pub const fn sign(self) -> char {
        match self {
            Self::Handover => 'H',
            Self::Keepalived => 'K',
        }
    }

    /// A host that will run it.
    pub fn make(self, lab: &Lab, name: &str, addresses: &[&str], config: &str) -> Box<dyn Router> {
        match self {
            Self::Handover => Box::new(Node::new(lab, name, addresses, config)),
            Self::Keepalived => Box::new(Keepalived::new(lab, name, addresses, config)),
        }
    }
}

/// Why a router is in its state: that it came there by the shortest way, and not only late by another.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// The master said goodbye.
    MasterResigned,
    /// The master was heard no more.
    MasterSilent,
    /// The master's priority was lower.
    MasterIsLower,
    /// A master of a higher priority came.
    Outranked,
}

impl Why {
    /// The code in Handover's status (docs/events.md).
    const fn code(self) -> &'static str {
        match self {
            Self::MasterResigned => "peer-resigned",
            Self::MasterSilent => "peer-silent",
            Self::MasterIsLower => "preempting",
            Self::Outranked => "outranked",
        }
    }

    /// The words in the log of keepalived 2.2.7.
    const fn words(self) -> &'static str {
        match self {
            Self::MasterResigned => "received priority 0 advert",
            Self::MasterSilent => "Receive advertisement timeout",
            Self::MasterIsLower => "received lower priority",
            Self::Outranked => "with higher priority",
        }
    }
}

/// A host that runs one of the two.
pub trait Router: fmt::Debug {
    fn host(&self) -> &Host;
    fn start(&self);
    fn stop(&self);
    /// What it says of an instance: `MASTER`, `BACKUP`, `FAULT`, or nothing yet.
    fn state(&self, instance: &str) -> String;
    /// Whether it tells this cause of that state.
    fn knows(&self, instance: &str, why: Why) -> bool;
    fn story(&self) -> String;
}

/// A member of what `handover status --json` says of an instance.
fn of_instance(node: &Node, instance: &str, pointer: &str) -> String {
    let status = node.status().unwrap_or_default();
    let instances = status.get("instances").and_then(Value::as_array).cloned().unwrap_or_default();
    let found = instances.iter().find(|it| it.get("name").and_then(Value::as_str) == Some(instance));
    found.and_then(|it| it.pointer(pointer)?.as_str()).unwrap_or_default().to_owned()
}

impl Router for Node {
    fn host(&self) -> &Host {
        self.host()
    }
    fn start(&self) {
        self.start();
    }
    fn stop(&self) {
        self.stop();
    }
    fn state(&self, instance: &str) -> String {
        of_instance(self, instance, "/state")
    }
    fn knows(&self, instance: &str, why: Why) -> bool {
        of_instance(self, instance, "/cause/code") == why.code()
    }
    fn story(&self) -> String {
        self.story()
    }
}

impl Router for Keepalived {
    fn host(&self) -> &Host {
        self.host()
    }
    fn start(&self) {
        self.start();
    }
    fn stop(&self) {
        self.stop();
    }
    fn state(&self, instance: &str) -> String {
        self.state(instance)
    }
    fn knows(&self, instance: &str, why: Why) -> bool {
        self.has_logged(instance, why.words())
    }
    fn story(&self) -> String {
        self.story()
    }
}
