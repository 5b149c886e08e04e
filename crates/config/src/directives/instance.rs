//! The words of `vrrp_instance`.

use super::Argument::{
    Address, Bool, Free, Hook, Link, Nothing, Number, OneOf, OptionalHook, Seconds, Text, Words,
};
use super::Place::{AddressEntry, Authentication, PeerEntry, RouteEntry, RuleEntry, TrackEntry};
use super::global::{HOOK_LIMIT, HOOK_QUEUE, HOOK_TIME};
use super::root::MAX_TIMER;
use super::{Again, Directive, Place, absent, not_ours, not_yet, used};

const AT: &[Place] = &[Place::Instance];
/// What has hooks.
const HOOKED: &[Place] = &[Place::Instance, Place::SyncGroup];
const MILLISECONDS_10: u64 = 10_000;
/// The longest interval that either version of the protocol can tell, in microseconds.
const SECONDS_255: u64 = 255_000_000;
/// The longest that the addresses wait for a hook.
const SECONDS_10: u64 = 10_000_000;
const SECONDS_1000: u64 = 1_000_000_000;
/// How many announcements may go out in one go; what keepalived allows beyond that would be a storm.
const COUNT: super::Argument = Number(0, 255);
const DELAY: super::Argument = Number(0, 4294);

pub(super) const ROWS: &[Directive] = &[
    used("state", AT, OneOf(&["MASTER", "BACKUP"]), "is the wish to start with").default("BACKUP"),
    used("interface", AT, Link, "is where adverts are sent and heard"),
    used("virtual_router_id", AT, Number(1, 255), "tells virtual routers on one network apart"),
    used("priority", AT, Number(1, 255), "decides who is MASTER").default("100"),
    used("version", AT, OneOf(&["2", "3"]), "is the protocol: 2 or 3"),
    used("native_ipv6", AT, Nothing, "makes it an IPv6 instance"),
    used("advert_int", AT, Seconds(MILLISECONDS_10, SECONDS_255), "is the time between adverts, in seconds")
        .default("1"),
    used("authentication", AT, Nothing, "holds a password (VRRPv2)").statements(Authentication),
    used("virtual_ipaddress", AT, Nothing, "lists the addresses that move").entries(AddressEntry),
    used("track_script", AT, Nothing, "lists the checks that count").entries(TrackEntry),
    used("nopreempt", AT, Nothing, "leaves a lower master alone"),
    used("preempt", AT, Nothing, "takes over from a lower master, as is usual"),
    used(
        "preempt_delay",
        AT,
        Seconds(0, SECONDS_1000),
        "is how long a lower master is left alone, in seconds",
    )
    .default("0"),
    used("unicast_src_ip", AT, Address, "is what adverts are sent from"),
    used("unicast_peer", AT, Nothing, "lists the other routers").entries(PeerEntry),
    used("notify", AT, Hook, "runs for every state").again(Again::FirstWins),
    used("notify_master", AT, Hook, "runs for MASTER").again(Again::FirstWins),
    used("notify_backup", AT, Hook, "runs for BACKUP").again(Again::FirstWins),
    used("notify_fault", AT, Hook, "runs for FAULT").again(Again::FirstWins),
    used("notify_stop", AT, Hook, "runs when the instance stops").again(Again::FirstWins),
    used("pre_master", AT, Hook, "runs before the addresses are put in place").again(Again::FirstWins).own(),
    used("pre_backup", AT, Hook, "runs before the addresses go by an operator's choice")
        .again(Again::FirstWins)
        .own(),
    used(
        "pre_timeout",
        AT,
        Seconds(MILLISECONDS_10, SECONDS_10),
        "is how long either may hold them up, in seconds",
    )
    .default("1")
    .own(),
    used("notify_timeout", HOOKED, HOOK_TIME, "is how long a hook may take").own(),
    used(
        "notify_queue",
        HOOKED,
        HOOK_QUEUE,
        "says whether hooks run for the newest of the states that wait or for all of them",
    )
    .own(),
    used("notify_queue_limit", HOOKED, HOOK_LIMIT, "is how many states may wait with `notify_queue all`")
        .own(),
    used(
        "notify_deleted",
        AT,
        OptionalHook,
        "runs when a reload removes the instance, which is then told as DELETED",
    )
    .again(Again::FirstWins),
    used("notify_master_rx_lower_pri", AT, Hook, "runs when a MASTER hears a lower master")
        .again(Again::FirstWins),
    used(
        "notify_priority_changes",
        &[Place::Instance, Place::SyncGroup],
        Bool,
        "tells named pipes of changes of the priority",
    ),
    not_yet("auth_hmac", AT, Nothing, "signs adverts").harms(absent::NOT_SIGNED).since("2.4.0"),
    used("virtual_ipaddress_excluded", AT, Nothing, "lists addresses that move and that no advert carries")
        .entries(AddressEntry),
    not_yet("no_virtual_ipaddress", AT, Nothing, "says that no address is meant to move")
        .without("an instance needs an address here")
        .since("2.2.8"),
    used("virtual_routes", AT, Nothing, "lists routes that move").entries(RouteEntry),
    used("virtual_rules", AT, Nothing, "lists rules that move").entries(RuleEntry),
    used("promote_secondaries", AT, Nothing, "keeps an IPv4 address that goes from taking others with it"),
    used("mcast_src_ip", AT, Address, "is what adverts are sent from"),
    used("unicast_ttl", AT, Number(0, 255), "is the TTL of unicast adverts").default("255"),
    used("unicast_fault_no_peer", AT, Nothing, "forbids multicast when there are no peers"),
    used("check_unicast_src", AT, Nothing, "drops unicast from others than peers"),
    not_yet("old_unicast_checksum", AT, Free, "sums as version 1.3.6 did")
        .without(absent::OLD_UNICAST_CHECKSUM),
    used("mcast_dst_ip", AT, Address, "is the multicast group of this instance"),
    used("track_src_ip", AT, Nothing, "is FAULT without its source address"),
    used("dont_track_primary", AT, Nothing, "ignores the interface's state"),
    not_yet("vrf", AT, Link, "is the routing domain").harms(absent::VRF),
    not_yet("timer_expired_backup", AT, Free, "steps back after a pause")
        .without(absent::LISTENS_FIRST)
        .since("2.2.8"),
    not_yet("thread_timer_expired", AT, Free, "is the old name of `timer_expired_backup`")
        .without(absent::LISTENS_FIRST),
    used("down_timer_adverts", AT, Number(1, 100), "is how many adverts may be missed"),
    used("garp_master_delay", AT, DELAY, "is when ARPs are repeated"),
    used("garp_master_repeat", AT, COUNT, "is how many ARPs are sent"),
    used("garp_master_refresh", AT, DELAY, "repeats ARPs for ever"),
    used("garp_master_refresh_repeat", AT, COUNT, "is how many of them"),
    used("garp_lower_prio_delay", AT, DELAY, "is when ARPs follow a lower priority"),
    used("garp_lower_prio_repeat", AT, COUNT, "is how many of them"),
    not_yet("garp_extra_if", AT, Free, "keeps VMACs known").without(absent::NO_MACS),
    not_yet("vmac_garp_intvl", AT, Free, "is the old name of `garp_extra_if`").without(absent::NO_MACS),
    used("lower_prio_no_advert", AT, Bool, "doesn't answer lower priorities"),
    used("higher_prio_send_advert", AT, Bool, "sends an advert before it yields"),
    not_yet("owner_ignore_adverts", AT, Bool, "makes the owner ignore adverts").since("2.3.3"),
    used("accept", AT, Nothing, "accepts traffic to the addresses, as is usual"),
    used("no_accept", AT, Nothing, "drops what is sent to the addresses, unless the router owns them"),
    used("skip_check_adv_addr", AT, Bool, "doesn't compare the addresses of adverts"),
    used("strict_mode", AT, Bool, "allows nothing but the RFC: so no address answers without `accept`"),
    used(
        "keep_until_taken_over",
        AT,
        Bool,
        "keeps the addresses of a fit master that yields until its successor has them",
    )
    .own(),
    used(
        "link_patience",
        AT,
        Seconds(0, MAX_TIMER),
        "is how long to listen on an interface that came up and carries no frames yet",
    )
    .own(),
    used(
        "use_vmac",
        AT,
        Words("[NAME] [MAC]"),
        "holds the addresses on an interface with the virtual router's own MAC, or that one; of five octets the VRID is the sixth",
    ),
    used("vmac_xmit_base", AT, Nothing, "sends adverts from the interface's own MAC all the same"),
    not_yet("use_vmac_addr", AT, Nothing, "uses virtual MACs for addresses elsewhere")
        .without(absent::NO_VMAC),
    not_yet("use_ipvlan", AT, Free, "uses an ipvlan interface").without(absent::NO_VMAC),
    used("track_interface", AT, Nothing, "lists interfaces that count").entries(TrackEntry),
    used("track_process", AT, Nothing, "lists processes that count").entries(Place::TrackEntry),
    used("track_file", AT, Nothing, "lists files that count").entries(Place::TrackEntry),
    not_yet("track_bfd", AT, Nothing, "lists BFD sessions that count").harms(absent::NO_SESSION),
    not_yet("debug", AT, Number(0, 4), "logs more").without("set HANDOVER_LOG in the systemd unit"),
    not_yet("kernel_rx_buf_size", AT, Text("BYTES"), "sizes the receive buffer").without(absent::NO_SIZES),
    not_ours("lvs_sync_daemon_interface", AT, "belongs to LVS"),
];
