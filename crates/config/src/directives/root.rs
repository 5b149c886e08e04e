//! Words outside all blocks, and those that are legal anywhere.

use super::Argument::{Link, Nothing, Number, Seconds, Text};
use super::Body::Statements;
use super::Place::{
    AddressEntry, Anywhere, File, GarpGroup, Global, Instance, Process, Root, RouteEntry, RuleEntry, Script,
    SyncGroup, TrackGroup,
};
use super::{Again, Body, Directive, absent, not_ours, not_yet, used};

const AT: &[super::Place] = &[Root];

const fn include(name: &'static str, help: &'static str) -> Directive {
    used(name, &[Anywhere], Text("GLOB"), help)
}

/// A named block that stands once for each name.
const fn named(name: &'static str, body: Body, help: &'static str) -> Directive {
    Directive { body, again: Again::Adds, ..used(name, AT, Text("NAME"), help) }
}

pub(super) const ROWS: &[Directive] = &[
    // Read by `expand`, before there are statements.
    include("include", "reads other files here; a missing one is no error"),
    include("includer", "reads other files here; one that can't be read is an error"),
    include("includem", "reads other files here; no match is an error"),
    include("includew", "reads other files here; a wildcard without match is an error"),
    include("includeb", "reads other files here; a brace alternative without match is an error"),
    include("includea", "reads other files here; everything unusual is an error"),
    used("global_defs", AT, Nothing, "holds what concerns the whole daemon").statements(Global),
    named("vrrp_script", Statements(Script), "is a health check"),
    named("vrrp_instance", Statements(Instance), "is a virtual router"),
    named("vrrp_sync_group", Statements(SyncGroup), "makes instances move together"),
    named("vrrp_track_process", Statements(Process), "watches processes"),
    named("track_file", Statements(File), "watches a number in a file"),
    named("vrrp_track_file", Statements(File), "is the old name of `track_file`"),
    not_yet("bfd_instance", AT, Text("NAME"), "is a BFD session").without(absent::BFD_INSTANCE),
    not_yet("net_namespace", AT, Text("NAME"), "runs VRRP in a network namespace")
        .harms(absent::OTHER_NAMESPACE),
    not_yet("instance", AT, Text("NAME"), "names one of several daemons on a host").without(absent::INSTANCE),
    not_yet("use_pid_dir", AT, Nothing, "puts PID files into a directory of their own")
        .without("there are no PID files"),
    not_yet("child_wait_time", AT, Number(0, i64::MAX), "is how long stopping may take, in seconds")
        .default("5")
        .without(absent::CHILD_WAIT_TIME),
    not_yet("linkbeat_use_polling", &[Root, Instance], Nothing, "polls interfaces for their carrier")
        .without(absent::BY_KERNEL),
    not_yet("linkbeat_interfaces", AT, Nothing, "lists interfaces whose carrier is polled")
        .without(absent::BY_KERNEL),
    not_yet("interface_up_down_delays", AT, Nothing, "delays what interfaces report")
        .without(absent::INTERFACE_UP_DOWN_DELAYS),
    not_yet("garp_group", AT, Nothing, "spaces announcements out over interfaces")
        .without(absent::EACH_INTERFACE),
    not_yet("garp_interval", &[GarpGroup], Seconds(1, MAX_TIMER), "is the least time between two ARPs"),
    not_yet("gna_interval", &[GarpGroup], Seconds(1, MAX_TIMER), "is the least time between two NAs"),
    not_yet("interface", &[GarpGroup], Link, "is an interface of the group"),
    not_yet("interfaces", &[GarpGroup], Nothing, "lists interfaces of the group"),
    not_yet("track_group", AT, Text("NAME"), "lets static items follow instances")
        .without("static items stand, whatever becomes of the instances"),
    not_yet("group", &[TrackGroup], Nothing, "lists instances"),
    used("static_ipaddress", AT, Nothing, "lists addresses that don't move").entries(AddressEntry),
    used("static_routes", AT, Nothing, "lists routes that don't move").entries(RouteEntry),
    used("static_rules", AT, Nothing, "lists rules that don't move").entries(RuleEntry),
    not_ours("net_namespace_ipvs", AT, "belongs to LVS"),
    not_ours("namespace_with_ipsets", AT, "belongs to old firewalls"),
    not_ours("virtual_server", AT, "belongs to LVS"),
    not_ours("virtual_server_group", AT, "belongs to LVS"),
    not_ours("SSL", AT, "belongs to LVS"),
];

/// What keepalived's timers hold, in microseconds.
pub(super) const MAX_TIMER: u64 = 4_294_000_000;
