//! The words of `vrrp_script`, of the other trackers, and of `vrrp_sync_group`.

use super::Argument::{
    Address, Bool, Command, Flag, Free, Hook, Link, Nothing, Number, OneOf, Seconds, Text, User, Weight,
    Words,
};
use super::Place::TrackEntry;
use super::root::MAX_TIMER;
use super::{Again, Directive, Place, absent, not_yet, used};

const SCRIPT: &[Place] = &[Place::Script];
const PROCESS: &[Place] = &[Place::Process];
const FILE: &[Place] = &[Place::File];
const BFD: &[Place] = &[Place::Bfd];
const GROUP: &[Place] = &[Place::SyncGroup];
/// An hour, in microseconds.
const HOUR: u64 = 3_600_000_000;
const COUNT: i64 = i32::MAX as i64;

pub(super) const ROWS: &[Directive] = &[
    used("script", SCRIPT, Command, "is what the check runs"),
    used("tcp_connect", SCRIPT, Text("ADDRESS:PORT"), "passes when a connection comes about").own(),
    used("http_get", SCRIPT, Text("URL"), "passes when the server gives the answer that is wanted").own(),
    used(
        "http_status",
        SCRIPT,
        Number(100, 599),
        "is the status that `http_get` wants; 200 to 299 if not given",
    )
    .own(),
    used("http_body", SCRIPT, Text("TEXT"), "is a text that the answer to `http_get` has to contain").own(),
    used("http_host", SCRIPT, Text("NAME"), "is what `http_get` says in its Host header").own(),
    used("tls_verify", SCRIPT, Bool, "says whether the certificate of an https server is judged")
        .default("on")
        .own(),
    used(
        "tls_ca",
        SCRIPT,
        Text("PATH"),
        "is a file with the authorities to trust; the system's if not given",
    )
    .own(),
    used("dns_query", SCRIPT, Words("NAME[@SERVER] [TYPE]"), "passes when a DNS server has such a record")
        .own(),
    used("dns_address", SCRIPT, Address, "is an address that the answer to `dns_query` has to contain").own(),
    used(
        "dns_rcode",
        SCRIPT,
        OneOf(&["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]),
        "is the code that the answer to `dns_query` has to have",
    )
    .default("NOERROR")
    .own(),
    used("systemd_unit", SCRIPT, Text("NAME"), "passes while systemd says that the unit is active").own(),
    used("unix_connect", SCRIPT, Text("PATH"), "passes when something listens on that socket").own(),
    used("process", SCRIPT, Text("NAME"), "passes while a process of that name runs").own(),
    used("file", SCRIPT, Text("PATH"), "passes while that file exists").own(),
    used("ping", SCRIPT, Address, "passes when an ICMP echo is answered").own(),
    used("source", SCRIPT, Address, "is the address from which a probe asks").own(),
    used("interface", SCRIPT, Link, "is the interface through which a probe asks").own(),
    used("interval", SCRIPT, Seconds(0, MAX_TIMER), "is the time from run to run, in seconds").default("1"),
    used("timeout", SCRIPT, Seconds(0, MAX_TIMER), "is how long a run may take, in seconds"),
    used("weight", SCRIPT, Weight(253), "is what the check does to the priority"),
    used("rise", SCRIPT, Number(1, COUNT), "is how many successes make it up").default("1"),
    used("fall", SCRIPT, Number(1, COUNT), "is how many failures make it down").default("1"),
    used("user", SCRIPT, User, "is whom the check runs as"),
    used("init_fail", SCRIPT, Nothing, "assumes failure until the first result"),
    used("while", SCRIPT, OneOf(&["master", "backup"]), "is the only role in which the check counts").own(),
    used("grace", SCRIPT, Seconds(0, HOUR), "is how long after MASTER a failure doesn't count, in seconds")
        .own(),
    used("penalty", SCRIPT, Seconds(0, HOUR), "is how long a failure counts after its end, in seconds")
        .default("60")
        .own(),
    used("process", PROCESS, Words("PROGRAM [ARGUMENT ...]"), "is the process to look for"),
    used(
        "param_match",
        PROCESS,
        Flag(&["initial", "partial"]),
        "says how its arguments are compared; alone: it has none",
    ),
    used(
        "full_command",
        PROCESS,
        Nothing,
        "looks for the name as it was started, not as the kernel shortens it",
    ),
    used("weight", PROCESS, Weight(254), "is what it does to the priority"),
    used("quorum", PROCESS, Number(1, 65_535), "is how many there must be").default("1"),
    used("quorum_max", PROCESS, Number(0, 65_535), "is how many there may be"),
    used("delay", PROCESS, Seconds(1, HOUR), "is both of the next two, in seconds"),
    used(
        "terminate_delay",
        PROCESS,
        Seconds(1, HOUR),
        "is how long they may be too few or too many before that counts, in seconds",
    ),
    used(
        "fork_delay",
        PROCESS,
        Seconds(1, HOUR),
        "is how long they must be as many as wanted before that counts, in seconds",
    ),
    used("file", FILE, Text("PATH"), "is the file to read"),
    used("weight", FILE, Weight(254), "multiplies the number; 1 if not given"),
    used("init_file", FILE, Words("[NUMBER] [overwrite]"), "creates the file at the start, with a number"),
    not_yet("neighbor_ip", BFD, Address, "is the other end"),
    not_yet("neighbour_ip", BFD, Address, "is the other end"),
    not_yet("source_ip", BFD, Address, "is our end"),
    not_yet("min_rx", BFD, Number(1, COUNT), "is the least receive interval, in ms").default("10"),
    not_yet("min_tx", BFD, Number(1, COUNT), "is the least send interval, in ms").default("10"),
    not_yet("idle_tx", BFD, Number(1000, COUNT), "is the idle interval, in ms").default("1000"),
    not_yet("multiplier", BFD, Number(1, 255), "is how many packets may be missed").default("5"),
    not_yet("passive", BFD, Nothing, "waits for the other end"),
    not_yet("ttl", BFD, Number(1, 255), "is the TTL sent").default("255"),
    not_yet("hoplimit", BFD, Number(1, 255), "is the hop limit sent").default("64"),
    not_yet("max_hops", BFD, Number(-1, 255), "is how far packets may have come").default("0"),
    not_yet("multihop", BFD, Bool, "goes over several hops"),
    not_yet("weight", BFD, Weight(253), "is what it does to the priority").default("0"),
    not_yet("vrrp", BFD, Nothing, "tells VRRP alone"),
    not_yet("checker", BFD, Nothing, "tells the checkers alone"),
    used("group", GROUP, Nothing, "lists the members").names(),
    used("track_interface", GROUP, Nothing, "lists interfaces for all members").entries(TrackEntry),
    used("track_script", GROUP, Nothing, "lists checks for all members").entries(TrackEntry),
    used("track_file", GROUP, Nothing, "lists files for all members").entries(TrackEntry),
    used("track_process", GROUP, Nothing, "lists processes for all members").entries(TrackEntry),
    not_yet("track_bfd", GROUP, Nothing, "lists BFD sessions for all members").harms(absent::NO_SESSION),
    used("notify", GROUP, Hook, "runs for every state of the group").again(Again::FirstWins),
    used("notify_master", GROUP, Hook, "runs when the group is MASTER").again(Again::FirstWins),
    used("notify_backup", GROUP, Hook, "runs when the group is BACKUP").again(Again::FirstWins),
    used("notify_fault", GROUP, Hook, "runs when the group is FAULT").again(Again::FirstWins),
    used("notify_stop", GROUP, Hook, "runs when the group stops").again(Again::FirstWins),
    used("sync_group_tracking_weight", GROUP, Nothing, "allows weights on members"),
    used("global_tracking", GROUP, Nothing, "is the old name of `sync_group_tracking_weight`"),
    used("auth_type", &[Place::Authentication], OneOf(&["PASS", "AH"]), "is how adverts are authenticated"),
    used("auth_pass", &[Place::Authentication], Text("PASSWORD"), "is the password, eight bytes of it"),
    not_yet("key", &[Place::AuthHmac], Free, "is a numbered key"),
    not_yet("active_key", &[Place::AuthHmac], Number(0, 255), "is the key to sign with"),
    not_yet("time_window", &[Place::AuthHmac], Number(1, 300), "is how old an advert may be, in seconds"),
    not_yet("anti_replay", &[Place::AuthHmac], OneOf(&["time", "monotonic"]), "is how replay is seen")
        .default("time"),
    not_yet(
        "mode",
        &[Place::AuthHmac],
        OneOf(&["receive-only", "permissive", "enforce"]),
        "is how strict it is",
    )
    .default("enforce"),
];
