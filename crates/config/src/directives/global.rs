//! The words of `global_defs`.

use super::Argument::{
    Address, Bool, Flag, Free, Hook, Link, Nothing, Number, OneOf, Seconds, Text, User, Words,
};
use super::root::MAX_TIMER;
use super::{Directive, Place, absent, not_ours, not_yet, used};

const AT: &[Place] = &[Place::Global];
/// Words that `vrrp_instance` has as well, with the same meaning.
const BOTH: &[Place] = &[Place::Global, Place::Instance];
const PIPE: super::Argument = Words("PATH [USER [GROUP]]");
const SECONDS: super::Argument = Number(0, 4294);
const REPEAT: super::Argument = Number(0, u32::MAX as i64);
/// How many announcements may go out in one go; what keepalived allows beyond that would be a storm.
const COUNT: super::Argument = Number(0, 255);

/// What the kernel takes for the priority of a chain.
const CHAIN_PRIORITY: super::Argument = Number(i32::MIN as i64, i32::MAX as i64);

/// From 0.1 s to an hour, in microseconds.
pub(super) const HOOK_TIME: super::Argument = Seconds(100_000, 3_600_000_000);
pub(super) const HOOK_QUEUE: super::Argument = OneOf(&["coalesce", "all"]);
pub(super) const HOOK_LIMIT: super::Argument = Number(1, 1000);

pub(super) const ROWS: &[Directive] = &[
    used("router_id", AT, Text("STRING"), "labels this router for people"),
    used("script_user", AT, User, "is whom scripts run as unless they say otherwise"),
    used("enable_script_security", AT, Nothing, "refuses root scripts that others may write"),
    used("vrrp_version", AT, OneOf(&["2", "3"]), "is the protocol of IPv4 instances").default("2"),
    // Mail.
    used("notification_email", AT, Nothing, "lists whom to mail states").names(),
    used("notification_email_from", AT, Text("ADDRESS"), "is the sender of mail"),
    used("smtp_server", AT, Words("HOST [PORT]"), "is where mail is handed in"),
    used(
        "smtp_connect_timeout",
        AT,
        SECONDS,
        "limits the time to reach the server, and for each of its answers",
    )
    .default("30"),
    used("smtp_helo_name", AT, Text("NAME"), "is how this host introduces itself to the server"),
    used("smtp_alert", &[Place::Global, Place::Instance, Place::SyncGroup], Bool, "mails each state"),
    used("smtp_alert_vrrp", AT, Bool, "mails each state, whatever `smtp_alert` says here"),
    used("no_email_faults", AT, Nothing, "mails no FAULT"),
    // Scripts.
    not_yet("set_supplementary_groups", AT, Bool, "gives scripts all groups of their user")
        .since("after 2.4.3"),
    not_yet("use_symlink_paths", AT, Bool, "runs the link, not its target")
        .without("links are followed to their target")
        .since("2.3.0"),
    used("startup_script", AT, Hook, "runs before any instance takes part"),
    used("startup_script_timeout", AT, Number(1, 1000), "limits it, in seconds").default("10"),
    used("shutdown_script", AT, Hook, "runs when all instances have given up"),
    used("shutdown_script_timeout", AT, Number(1, 1000), "limits it, in seconds").default("10"),
    // Protocol.
    used(
        "vrrp_strict",
        AT,
        Bool,
        "allows nothing but the RFC: so no address answers, where `accept` isn't given",
    ),
    used("vrrp_skip_check_adv_addr", AT, Bool, "doesn't compare the addresses of adverts"),
    used("vrrp_mcast_group4", AT, Address, "is the IPv4 group").default("224.0.0.18"),
    used("vrrp_mcast_group6", AT, Address, "is the IPv6 group").default("ff02::12"),
    used("default_interface", AT, Link, "is the interface of instances that name none"),
    used("dynamic_interfaces", AT, Flag(&["allow_if_changes"]), "allows interfaces to be absent"),
    used("vrrp_lower_prio_no_advert", AT, Bool, "doesn't answer lower priorities"),
    used("vrrp_higher_prio_send_advert", AT, Bool, "sends an advert before it yields"),
    used("vrrp_down_timer_adverts", AT, Number(1, 100), "is how many adverts may be missed").default("3"),
    not_yet("vrrp_owner_ignore_adverts", AT, Bool, "makes owners ignore adverts").since("2.3.3"),
    used("vrrp_check_unicast_src", AT, Nothing, "drops unicast from others than peers"),
    used("v3_checksum_as_v2", BOTH, Bool, "leaves the pseudo header out of checksums").since("2.2.8"),
    used(
        "vrrp_keep_until_taken_over",
        AT,
        Bool,
        "keeps the addresses of a fit master that yields until its successor has them",
    )
    .own()
    .default("on"),
    used(
        "vrrp_link_patience",
        AT,
        Seconds(0, MAX_TIMER),
        "is how long to listen on an interface that came up and carries no frames yet",
    )
    .default("40")
    .own(),
    used("vrrp_startup_delay", AT, Seconds(1000, MAX_TIMER), "waits after the start"),
    not_yet("vrrp_delay_after_boot", AT, Seconds(0, MAX_TIMER), "waits after boot")
        .without(absent::AT_ONCE)
        .since("2.4.0"),
    // Announcements.
    used("vrrp_garp_master_delay", AT, SECONDS, "is when ARPs are repeated").default("5"),
    used("vrrp_garp_master_repeat", AT, COUNT, "is how many ARPs are sent").default("5"),
    used("vrrp_garp_master_refresh", AT, SECONDS, "repeats ARPs for ever").default("0"),
    used("vrrp_garp_master_refresh_repeat", AT, COUNT, "is how many of them").default("1"),
    used("vrrp_garp_lower_prio_delay", AT, SECONDS, "is when ARPs follow a lower priority"),
    used("vrrp_garp_lower_prio_repeat", AT, COUNT, "is how many of them"),
    used("vrrp_garp_interval", AT, Seconds(0, MAX_TIMER), "is the least time between two ARPs").default("0"),
    used("vrrp_gna_interval", AT, Seconds(0, MAX_TIMER), "is the least time between two NAs").default("0"),
    used("vrrp_min_garp", AT, Bool, "sends as few ARPs as possible"),
    not_yet("vrrp_garp_extra_if", AT, Free, "keeps VMACs known").without(absent::NO_MACS),
    not_yet("vrrp_vmac_garp_intvl", AT, Free, "is the old name of `vrrp_garp_extra_if`")
        .without(absent::NO_MACS),
    // Events.
    used("vrrp_notify_fifo", AT, PIPE, "is a named pipe for transitions of instances and groups"),
    used("notify_fifo", AT, PIPE, "is another; of the same path, it is the one that counts"),
    used("vrrp_notify_fifo_script", AT, Hook, "reads that pipe, whose path it gets as last argument"),
    used("notify_fifo_script", AT, Hook, "reads that pipe, whose path it gets as last argument"),
    used("vrrp_notify_priority_changes", AT, Bool, "tells named pipes of changes of priorities"),
    used("fifo_write_vrrp_states_on_reload", AT, Nothing, "tells named pipes all states after a reload"),
    used("notify_timeout", AT, HOOK_TIME, "is how long a hook may take").default("60").own(),
    used(
        "notify_queue",
        AT,
        HOOK_QUEUE,
        "says whether hooks run for the newest of the states that wait or for all of them",
    )
    .default("coalesce")
    .own(),
    used("notify_queue_limit", AT, HOOK_LIMIT, "is how many states may wait with `notify_queue all`")
        .default("100")
        .own(),
    // Firewall and virtual MACs.
    used(
        "nftables",
        AT,
        Words("[TABLE]"),
        "names the table of nftables in which addresses are shut, else `handover`",
    ),
    used(
        "nftables_priority",
        AT,
        CHAIN_PRIORITY,
        "is when it sees what is for this host: the lower, the earlier",
    )
    .default("-1"),
    used("nftables_ifindex", AT, Nothing, "matches interfaces by number, as is usual"),
    used("nftables_counters", AT, Nothing, "counts what that table drops"),
    used("vrrp_iptables", AT, Words("[IN [OUT]]"), "names chains of iptables, which is not used"),
    used("vrrp_ipsets", AT, Words("[NAME...]"), "names ipsets, which are not used"),
    not_yet("vmac_prefix", AT, Text("NAME"), "begins the names of VMACs")
        .default("vrrp")
        .without(absent::NO_MACS),
    not_yet("vmac_addr_prefix", AT, Text("NAME"), "begins the names of address VMACs")
        .default("vrrp")
        .without(absent::NO_MACS),
    not_yet("disable_local_igmp", AT, Nothing, "keeps IGMP away from VMACs").without(absent::NO_MACS),
    // Scheduling and buffers.
    not_yet("vrrp_priority", AT, Number(-20, 19), "is the nice value").default("0").without(absent::BY_UNIT),
    used("vrrp_rt_priority", AT, Number(0, 99), "is the real-time priority; 0 asks for none").default("10"),
    not_yet("vrrp_cpu_affinity", AT, Free, "binds to CPUs").without(absent::BY_UNIT),
    not_yet("vrrp_rlimit_rttime", AT, REPEAT, "limits real time, in microseconds")
        .default("10000")
        .without(absent::BY_UNIT),
    not_yet("vrrp_rlimit_rtime", AT, REPEAT, "is the old spelling of `vrrp_rlimit_rttime`")
        .without(absent::BY_UNIT),
    used("vrrp_no_swap", AT, Nothing, "locks memory"),
    not_yet("max_auto_priority", AT, Free, "raises the priority by itself")
        .default("0")
        .without(absent::BY_UNIT),
    not_yet("min_auto_priority_delay", AT, Number(1, 10_000_000), "says how late is late, in microseconds")
        .default("1000000")
        .without(absent::BY_UNIT),
    not_yet("bfd_priority", AT, Number(-20, 19), "is the nice value for BFD"),
    not_yet("bfd_rt_priority", AT, Number(1, 99), "is the real-time priority for BFD"),
    not_yet("bfd_cpu_affinity", AT, Free, "binds BFD to CPUs"),
    not_yet("bfd_no_swap", AT, Nothing, "locks BFD's memory"),
    not_yet("bfd_rlimit_rttime", AT, REPEAT, "limits BFD's real time, in microseconds"),
    not_yet("bfd_rlimit_rtime", AT, REPEAT, "is the old spelling of `bfd_rlimit_rttime`"),
    not_yet("vrrp_rx_bufs_policy", AT, Free, "sizes receive buffers").without(absent::NO_SIZES),
    not_yet("vrrp_rx_bufs_multiplier", AT, REPEAT, "sizes receive buffers")
        .default("3")
        .without(absent::NO_SIZES),
    not_yet("vrrp_netlink_cmd_rcv_bufs", AT, REPEAT, "sizes netlink's buffers").without(absent::NO_SIZES),
    not_yet("vrrp_netlink_cmd_rcv_bufs_force", AT, Bool, "sizes netlink's buffers").without(absent::NO_SIZES),
    not_yet("vrrp_netlink_monitor_rcv_bufs", AT, REPEAT, "sizes netlink's buffers").without(absent::NO_SIZES),
    not_yet("vrrp_netlink_monitor_rcv_bufs_force", AT, Bool, "sizes netlink's buffers")
        .without(absent::NO_SIZES),
    not_yet("process_monitor_rcv_bufs", AT, REPEAT, "sizes the process connector's buffers")
        .without(absent::NO_SIZES),
    not_yet("process_monitor_rcv_bufs_force", AT, Bool, "sizes the process connector's buffers")
        .without(absent::NO_SIZES),
    // Names, files, dumps.
    not_yet("process_names", AT, Nothing, "names processes"),
    not_yet("process_name", AT, Text("NAME"), "names the main process"),
    not_yet("vrrp_process_name", AT, Text("NAME"), "names the VRRP process"),
    not_yet("bfd_process_name", AT, Text("NAME"), "names the BFD process"),
    not_yet("log_unknown_vrids", AT, Nothing, "logs adverts of other virtual routers")
        .without(absent::COUNTED),
    not_yet("random_seed", AT, REPEAT, "makes `_RANDOM` repeat itself").without(absent::SAME_RANDOM),
    not_yet("umask", AT, Free, "is the mask of new files")
        .default("0177")
        .without("set UMask= in the systemd units"),
    not_yet("data_use_instance", AT, Nothing, "names dumps after the instance"),
    not_yet("include_check", AT, Free, "says which includes are errors").without(absent::ALWAYS_JUDGED),
    not_yet("reload_check_config", AT, Free, "checks before it reloads, and doesn't start over a warning")
        .without(absent::ALWAYS_JUDGED),
    not_yet("reload_time_file", AT, Text("PATH"), "holds the time of the next reload"),
    not_yet("reload_repeat", AT, Nothing, "repeats a reload that was missed"),
    not_yet("reload_file", AT, Free, "is there while files are read"),
    not_yet("config_save_dir", AT, Text("DIRECTORY"), "keeps what was read"),
    not_yet("tmp_config_directory", AT, Text("DIRECTORY"), "holds copies of what was read"),
    not_yet("state_dump_file", AT, Text("PATH"), "is where state is dumped")
        .without(absent::NO_DUMP)
        .since("2.3.3"),
    not_yet("stats_dump_file", AT, Text("PATH"), "is where statistics are dumped")
        .without(absent::NO_DUMP)
        .since("2.3.3"),
    not_yet("json_dump_file", AT, Text("PATH"), "is where JSON is dumped")
        .without(absent::NO_DUMP)
        .since("2.3.3"),
    not_yet("json_version", AT, Number(1, 2), "is the shape of the JSON dump")
        .default("1")
        .without(absent::NO_DUMP),
    not_yet("iproute_usr_dir", AT, Text("DIRECTORY"), "holds iproute2's names").since("2.3.2"),
    not_yet("iproute_etc_dir", AT, Text("DIRECTORY"), "holds iproute2's names").since("2.3.2"),
    // SNMP and D-Bus.
    not_yet("enable_snmp_vrrp", AT, Nothing, "serves SNMP").without(absent::NO_SNMP),
    not_yet("enable_snmp_keepalived", AT, Nothing, "is the old name of `enable_snmp_vrrp`")
        .without(absent::NO_SNMP),
    not_yet("enable_snmp_rfc", AT, Nothing, "serves both RFC MIBs").without(absent::NO_SNMP),
    not_yet("enable_snmp_rfcv2", AT, Nothing, "serves RFC 2787").without(absent::NO_SNMP),
    not_yet("enable_snmp_rfcv3", AT, Nothing, "serves RFC 6527").without(absent::NO_SNMP),
    not_yet("snmp_socket", AT, Text("SOCKET"), "is where the SNMP agent listens").without(absent::NO_SNMP),
    not_yet("enable_traps", AT, Nothing, "sends SNMP traps").without(absent::NO_SNMP),
    not_yet("enable_dbus", AT, Nothing, "serves D-Bus").without(absent::NO_DBUS),
    not_yet("dbus_service_name", AT, Text("NAME"), "is the name on D-Bus").without(absent::NO_DBUS),
    not_yet("dbus_no_interface_name", AT, Nothing, "leaves interfaces out of D-Bus paths")
        .without(absent::NO_DBUS),
    // LVS.
    not_ours("lvs_sync_daemon", AT, LVS),
    not_ours("lvs_timeouts", AT, LVS),
    not_ours("lvs_flush", AT, LVS),
    not_ours("lvs_flush_on_stop", AT, LVS),
    not_ours("lvs_flush_onstop", AT, LVS),
    not_ours("lvs_process_name", AT, LVS),
    not_ours("lvs_notify_fifo", AT, LVS),
    not_ours("lvs_notify_fifo_script", AT, LVS),
    not_ours("lvs_netlink_cmd_rcv_bufs", AT, LVS),
    not_ours("lvs_netlink_cmd_rcv_bufs_force", AT, LVS),
    not_ours("lvs_netlink_monitor_rcv_bufs", AT, LVS),
    not_ours("lvs_netlink_monitor_rcv_bufs_force", AT, LVS),
    not_ours("checker_process_name", AT, LVS),
    not_ours("checker_priority", AT, LVS),
    not_ours("checker_rt_priority", AT, LVS),
    not_ours("checker_cpu_affinity", AT, LVS),
    not_ours("checker_no_swap", AT, LVS),
    not_ours("checker_rlimit_rttime", AT, LVS),
    not_ours("checker_rlimit_rtime", AT, LVS),
    not_ours("checker_log_all_failures", AT, LVS),
    not_ours("no_checker_emails", AT, LVS),
    not_ours("rs_init_notifies", AT, LVS),
    not_ours("smtp_alert_checker", AT, LVS),
    not_ours("enable_snmp_checker", AT, LVS),
    not_ours("snmp_vs_stats_update_interval", AT, LVS),
    not_ours("snmp_rs_stats_update_interval", AT, LVS),
    not_ours("nftables_ipvs", AT, LVS),
    not_ours("nftables_ipvs_priority", AT, LVS),
    not_ours("nftables_ipvs_start_fwmark", AT, LVS),
];

const LVS: &str = "belongs to LVS";
