//! What is so while nothing is done with a word, and what to do instead: advice for who has it in a file.

pub(super) const NO_SIZES: &str = "the kernel's own sizes are used";
pub(super) const NO_SNMP: &str = "no SNMP is served; `handover status --json` tells the same";
pub(super) const NO_DBUS: &str =
    "no D-Bus is served; `handover status --json` and `handover events --json` tell the same";
pub(super) const NO_DUMP: &str = "nothing is dumped; `handover status --json` tells it";
pub(super) const BY_UNIT: &str = "set it in the daemon's systemd unit instead";
pub(super) const ALWAYS_JUDGED: &str = "`handover check` and a reload judge the whole text first in any case";
pub(super) const NO_MACS: &str = "virtual MACs are made without it";
pub(super) const LISTENS_FIRST: &str =
    "who was stopped so long that a peer took over always listens before it sends";
pub(super) const AT_ONCE: &str = "elections begin at once; `vrrp_startup_delay` waits after the start";
pub(super) const COUNTED: &str = "adverts of virtual routers that are not configured are ignored";
pub(super) const SAME_RANDOM: &str = "`_RANDOM` is the same on every read until a file changes, in any case";
pub(super) const NOT_SIGNED: &str =
    "adverts are not signed, and routers that demand it would not listen: there would be two masters";
pub(super) const OLD_UNICAST_CHECKSUM: &str = "checksums are those of every keepalived after 1.3.6";
pub(super) const VRF: &str = "adverts would leave by another routing domain";
pub(super) const NO_SESSION: &str = "a session that ends would change nothing";
pub(super) const BFD_INSTANCE: &str = "there is no session; who tracks it is told of it";
pub(super) const OTHER_NAMESPACE: &str = "\
    the addresses would be added in the namespace that the daemons run in; start them in it: \
    NetworkNamespacePath= in systemd units";
pub(super) const INSTANCE: &str = "give each suite a network namespace and a --runtime-dir of its own";
pub(super) const CHILD_WAIT_TIME: &str = "set TimeoutStopSec= in the systemd units";
pub(super) const BY_KERNEL: &str = "the kernel's word on the carrier counts";
pub(super) const INTERFACE_UP_DOWN_DELAYS: &str = "what interfaces report counts at once";
pub(super) const EACH_INTERFACE: &str =
    "`vrrp_garp_interval` in `global_defs` spaces them out on each interface";
pub(super) const NO_VMAC: &str =
    "addresses have the interface's own MAC; neighbours learn of a takeover by gratuitous ARP";
pub(super) const PART: &str =
    "it would be another one without it; make it in a `notify_master` hook and remove it in `notify_backup`";
