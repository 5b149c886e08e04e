//! `handover status`: what state everything is in, and why, from the daemons' own mouths.

use std::path::Path;

use serde_json::{Map, Value, json};
use service::{Exit, Failure};

use service::client::status_of;

/// The most characters of a script's output that are shown; `--json` has them all.
const MAX_OUTPUT: usize = 200;
/// How often somebody has to undo our work until it is more than a command or two: from then on ipmgr takes its time.
const KEEPS_REMOVING: u64 = 8;
/// Who can be asked, and what is taken from whose answer under which name. ipmgr answers nobody but vrrp-core, which
/// tells how it is; vrrp-core has a view of the checks, too, but checkerd knows them better.
const ASKED: [(&str, &[(&str, &str)]); 3] = [
    (
        "vrrp-core",
        &[
            ("at", "at"),
            ("running_ms", "running_ms"),
            ("config_path", "config_path"),
            ("instances", "instances"),
            ("groups", "groups"),
            ("dropped", "dropped"),
            ("contested", "contested"),
            ("static_refused", "static_refused"),
            ("clients", "clients"),
            ("ipmgr", "ipmgr"),
            ("checks", "checks"),
            ("last_reload", "last_reload"),
        ],
    ),
    ("checkerd", &[("checks", "checks")]),
    (
        "notifierd",
        &[
            ("instances", "hooks"),
            ("groups", "group_hooks"),
            ("startup_script", "startup_script"),
            ("shutdown_script", "shutdown_script"),
            ("pipes", "pipes"),
            ("mail", "mail"),
            ("troubles", "hook_troubles"),
            ("history", "history"),
        ],
    ),
];

/// Prints the status.
///
/// # Errors
/// [`Exit::Failed`] when vrrp-core can't be asked: then nothing is known about any instance.
pub(crate) fn run(runtime_dir: &Path, as_json: bool) -> Result<(), Failure> {
    let status = collect(runtime_dir);
    let text = if as_json { format!("{status:#}\n") } else { render(&status) };
    crate::say(&text);
    match trouble(&status, "vrrp-core") {
        Some(trouble) => Err(Failure::new(Exit::Failed, trouble.to_owned())),
        None => Ok(()),
    }
}

/// One object from all daemons: `instances` and `groups` from vrrp-core, `checks` from checkerd, `hooks` (of instances)
/// and `group_hooks` from notifierd.
fn collect(runtime_dir: &Path) -> Value {
    let mut processes = Map::new();
    let mut whole = Map::new();
    for (program, parts) in ASKED {
        match status_of(runtime_dir, program) {
            Ok(mut answer) => {
                let about =
                    json!({ "running": true, "pid": answer.get("pid"), "config": answer.get("config") });
                processes.insert(program.to_owned(), about);
                for (part, name) in parts {
                    if let Some(value) = answer.get_mut(*part).map(Value::take) {
                        whole.insert((*name).to_owned(), value);
                    }
                }
            }
            Err(trouble) => {
                processes.insert(program.to_owned(), json!({ "running": false, "trouble": trouble }));
            }
        }
    }
    if let Some(ipmgr) = whole.remove("ipmgr") {
        let running = ipmgr.get("connected").cloned().unwrap_or(Value::Bool(false));
        let trouble = ipmgr.get("trouble").cloned().unwrap_or(Value::Null);
        processes.insert("ipmgr".to_owned(), json!({ "running": running, "trouble": trouble }));
    }
    for list in ["instances", "groups", "dropped", "checks", "hooks", "group_hooks", "pipes"] {
        whole.entry(list).or_insert_with(|| json!([]));
    }
    whole.insert("processes".to_owned(), Value::Object(processes));
    Value::Object(whole)
}

fn trouble<'a>(status: &'a Value, program: &str) -> Option<&'a str> {
    status.get("processes")?.get(program)?.get("trouble")?.as_str()
}

/// Text at a path of keys; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn number(value: &Value, path: &[&str]) -> u64 {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_u64).unwrap_or_default()
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn render(status: &Value) -> String {
    let mut out = String::new();
    for instance in list(status, "instances") {
        render_instance(instance, &mut out);
    }
    for group in list(status, "groups") {
        render_group(group, &mut out);
    }
    for dropped in list(status, "dropped") {
        render_dropped(dropped, &mut out);
    }
    for contested in list(status, "contested") {
        out += &render_contested(contested);
    }
    for client in list(status, "clients").iter().filter_map(Value::as_str) {
        out += &format!("client: {}\n", printable(client));
    }
    for refused in list(status, "static_refused").iter().filter_map(Value::as_str) {
        out += &format!("refused by the kernel, of what is static: {refused}\n");
    }
    for check in list(status, "checks") {
        out += &format!("check {}  {}", text(check, &["name"]), text(check, &["verdict"]).to_uppercase());
        let (outcome, output) = (text(check, &["last_outcome"]), text(check, &["last_output"]).trim());
        for part in [outcome, output].into_iter().filter(|part| !part.is_empty()) {
            out += &format!("  {}", printable(part));
        }
        out.push('\n');
    }
    for word in ["startup_script", "shutdown_script"] {
        out += &render_outer(word, status.get(word).unwrap_or(&Value::Null));
    }
    for hook in list(status, "hooks").iter().chain(list(status, "group_hooks")) {
        render_hook(hook, &mut out);
    }
    for pipe in list(status, "pipes") {
        out += &render_pipe(pipe);
    }
    for trouble in list(status, "hook_troubles").iter().filter_map(Value::as_str) {
        out += &format!("notifierd: {}\n", printable(trouble));
    }
    out += &render_mail(status.get("mail").unwrap_or(&Value::Null));
    out += &render_history(status.get("history").unwrap_or(&Value::Null));
    for program in ["ipmgr", "vrrp-core", "checkerd", "notifierd"] {
        if let Some(trouble) = trouble(status, program) {
            out += &format!("{program}: {trouble}\n");
            if status.pointer(&format!("/processes/{program}/running")) == Some(&Value::Bool(false)) {
                out += &format!(
                    "    if it has ended, its log says why (journalctl -u {program}); 'handover check' reads the file as it does\n"
                );
            }
        }
    }
    render_reload(status, &mut out);
    out
}

/// A reload is worth a line when it was refused, and daemons when they don't run the same.
fn render_reload(status: &Value, out: &mut String) {
    let last = |key: &str| printable(text(status, &["last_reload", key]));
    if last("outcome") == "refused" {
        *out += &format!("reload at {} refused ({}): {}\n", last("at"), last("by"), last("error"));
    }
    let config = |program: &'static str| (program, text(status, &["processes", program, "config"]));
    let configs = ["vrrp-core", "checkerd", "notifierd"].map(config);
    let known: Vec<_> = configs.iter().filter(|(_, config)| !config.is_empty()).collect();
    if known.windows(2).any(|pair| matches!(pair, [(_, one), (_, other)] if one != other)) {
        let each: Vec<String> = known.iter().map(|(program, config)| format!("{program} {config}")).collect();
        *out += &format!("the daemons run different configurations ({}): reload\n", each.join(", "));
    }
}

/// What a script wrote, on one line, without what a terminal would obey, and cut.
fn printable(text: &str) -> String {
    let mut line: String =
        text.replace('\n', " | ").chars().filter(|c| !c.is_control()).take(MAX_OUTPUT).collect();
    if text.chars().count() > MAX_OUTPUT {
        line += " ...";
    }
    line
}

/// Nothing, unless something is wrong with it or its reader.
fn render_pipe(pipe: &Value) -> String {
    let (trouble, reader) = (text(pipe, &["trouble"]), text(pipe, &["reader"]));
    let mut out = String::new();
    if !trouble.is_empty() {
        out += &format!("pipe {}\n", printable(trouble));
    }
    if !reader.is_empty() && reader != "running" {
        out += &format!("pipe {}: its reader {}\n", printable(text(pipe, &["path"])), printable(reader));
    }
    out
}

/// Mail is worth a line while some waits, or when some is lost.
fn render_mail(mail: &Value) -> String {
    let count = |key, what: &str| match number(mail, &[key]) {
        0 => None,
        count => Some(format!("{count} {what}")),
    };
    let trouble = Some(printable(text(mail, &["trouble"]))).filter(|trouble| !trouble.is_empty());
    let parts = [count("waiting", "waiting"), count("refused", "refused"), count("lost", "lost"), trouble];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return String::new();
    }
    format!("mail to {}: {}\n", printable(text(mail, &["server"])), parts.join(", "))
}

/// The history is worth a line when something of it is missing.
fn render_history(history: &Value) -> String {
    let (trouble, lost) = (text(history, &["trouble"]), number(history, &["lost"]));
    match (trouble, lost) {
        ("", 0) => String::new(),
        ("", 1) => "history: an entry was lost since notifierd started; it is written again\n".to_owned(),
        ("", lost) => {
            format!("history: {lost} entries were lost since notifierd started; it is written again\n")
        }
        (trouble, lost) => {
            format!("history: {}; lost since notifierd started: {lost}\n", printable(trouble))
        }
    }
}

/// Hooks are worth a line while they run, wait or have failed.
fn render_hook(hook: &Value, out: &mut String) {
    let name = match text(hook, &["group"]) {
        "" => text(hook, &["instance"]).to_owned(),
        group => format!("group {group}"),
    };
    let is_removed = hook.get("removed").and_then(Value::as_bool).unwrap_or_default();
    let name = if is_removed { format!("{name}, which a reload has removed") } else { name };
    let running = text(hook, &["running"]);
    if !running.is_empty() {
        *out += &format!("hook of {name}: {running} is running, {} waiting\n", number(hook, &["queued"]));
    }
    if running.is_empty() && number(hook, &["queued"]) > 0 {
        *out += &format!("hook of {name}: waits for one of the many that run to end\n");
    }
    let prelude = hook.get("prelude").unwrap_or(&Value::Null);
    let playing = text(prelude, &["running"]);
    if !playing.is_empty() {
        *out += &format!("hook of {name}: {playing} is running, and the addresses wait for it\n");
    }
    for run in prelude.get("last").into_iter().chain(list(hook, "failed")) {
        let outcome = text(run, &["outcome"]);
        if !outcome.is_empty() && outcome != "succeeded" {
            let (kind, state) = (text(run, &["hook"]), text(run, &["state"]));
            let output = printable(text(run, &["output"]).trim());
            *out += &format!("hook of {name}: {kind} for {state}: {outcome}  {output}\n");
        }
    }
}

/// Nothing, unless it runs or has failed.
fn render_outer(word: &str, outer: &Value) -> String {
    let outcome = printable(text(outer, &["last", "outcome"]));
    if outer.get("running").and_then(Value::as_bool).unwrap_or_default() {
        format!("{word} is running\n")
    } else if outcome.is_empty() || outcome == "succeeded" {
        String::new()
    } else {
        format!("{word}: {outcome}  {}\n", printable(text(outer, &["last", "output"]).trim()))
    }
}

fn render_group(group: &Value, out: &mut String) {
    let members: Vec<&str> = list(group, "members").iter().filter_map(Value::as_str).collect();
    let (name, state) = (text(group, &["name"]), text(group, &["state"]));
    *out += &format!("group {name}  {state}  {}\n", members.join(" "));
    *out += &format!("    since {}: {}\n", text(group, &["since"]), text(group, &["cause", "text"]));
}

/// Who has missed so many adverts isn't there any more.
const MISSED: u64 = 3;
/// And not before that, however close they are.
const RECENT_MS: u64 = 1_000;
/// A master that gives way says so after it has heard of us, which is no claim.
const GIVING_WAY_MS: u64 = 1_000;

/// ipmgr answers within milliseconds, or within a second where there are thousands.
const SILENT_MS: u64 = 2_000;

/// How long ago that moment is; 0 for what is none.
fn milliseconds_since(moment: &str) -> u64 {
    let moment = humantime::parse_rfc3339_weak(moment).ok();
    let ago = moment.and_then(|moment| sys::clock::wall().duration_since(moment).ok());
    ago.map_or(0, |ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
}

fn render_instance(instance: &Value, out: &mut String) {
    let addresses: Vec<&str> = list(instance, "addresses").iter().filter_map(Value::as_str).collect();
    *out += &format!(
        "{}  {}  {}  vrid {}  priority {}/{}  {}\n",
        text(instance, &["name"]),
        text(instance, &["state"]),
        text(instance, &["interface"]),
        number(instance, &["vrid"]),
        number(instance, &["priority", "effective"]),
        number(instance, &["priority", "base"]),
        addresses.join(" "),
    );
    *out += &format!("    since {}: {}\n", text(instance, &["since"]), text(instance, &["cause", "text"]));
    for reason in list(instance, "reasons") {
        *out += &format!("    not eligible: {}\n", text(reason, &["text"]));
    }
    for penalty in list(instance, "penalties") {
        *out += &render_penalty(penalty);
    }
    let awaited = text(instance, &["awaited", "what"]);
    let is_master = text(instance, &["state"]) == "MASTER";
    *out += &render_awaited(awaited, number(instance, &["awaited", "ms"]), is_master);
    // Whoever was master is, while we are about to be, the past.
    let taking_over = !is_master && ["prelude", "placing"].contains(&awaited);
    if let Some(master) = instance.get("master").filter(|_| !taking_over) {
        let (address, priority) = (text(master, &["address"]), number(master, &["priority"]));
        let silent = number(master, &["silent_ms"]);
        let is_recent = silent < RECENT_MS.max(number(master, &["interval_ms"]).saturating_mul(MISSED));
        let held = milliseconds_since(text(instance, &["since"]));
        *out += &if is_master && is_recent && silent + GIVING_WAY_MS < held {
            format!(
                "    {address} claims to be master beside us, with priority {priority}; last heard {silent} ms ago\n"
            )
        } else if is_master {
            // It is the past: nobody should read of two masters here.
            format!(
                "    before us {address} was master, with priority {priority}; last heard {} s ago\n",
                silent / 1000
            )
        } else if is_recent {
            format!("    master is {address} with priority {priority}, heard {silent} ms ago\n")
        } else {
            // Who takes no part, or waits for much slower adverts, may name one that is long dead.
            format!(
                "    last heard of a master {} s ago: {address} with priority {priority}\n",
                silent / 1000
            )
        };
    }
    if let Some(left) = instance.get("awaits_frames_ms").and_then(Value::as_u64) {
        *out += &format!(
            "    {} came up and has carried no frame yet: listening for {} s more at most\n",
            text(instance, &["interface"]),
            left.div_ceil(1000)
        );
    }
    let (sent, heard) = (number(instance, &["adverts_sent"]), number(instance, &["adverts_received"]));
    *out += &format!("    adverts: {sent} sent, {heard} heard{}\n", silence(instance, heard));
    for remark in list(instance, "remarks") {
        render_remark(remark, out);
    }
    for refused in list(instance, "refused").iter().filter_map(Value::as_str) {
        *out += &format!("    trouble: {refused}\n");
    }
}

/// What ipmgr, or a hook before the addresses come, is waited for.
fn render_awaited(what: &str, ms: u64, is_master: bool) -> String {
    match what {
        "placing" if is_master => {
            format!("    its addresses are being changed: ipmgr has been at it for {ms} ms\n")
        }
        "prelude" => {
            format!(
                "    taking over: pre_master has been running for {ms} ms, and the addresses come after it\n"
            )
        }
        "placing" => {
            format!("    taking over: ipmgr has been putting the addresses in place for {ms} ms\n")
        }
        "removing" if ms < SILENT_MS => {
            format!("    giving way: ipmgr has been removing the addresses for {ms} ms\n")
        }
        "removing" => format!(
            "    trouble: ipmgr has not said for {} s that the addresses are gone: they may still be here, whoever is master\n",
            ms / 1000
        ),
        _ => String::new(),
    }
}

/// What was dropped on an interface before any instance saw it.
fn render_dropped(dropped: &Value, out: &mut String) {
    *out += &format!("interface {}\n", text(dropped, &["interface"]));
    for remark in list(dropped, "remarks") {
        render_remark(remark, out);
    }
}

/// Pain D1: two programs undo each other's work, and a person has to end one of them. A few times may be one command, as of `ip
/// address flush`.
fn render_contested(contested: &Value) -> String {
    let count = number(contested, &["count"]);
    let whose = match text(contested, &["instance"]) {
        "" => ", which is static".to_owned(),
        instance => format!(" of {instance}"),
    };
    let what = if count < KEEPS_REMOVING { "removed it" } else { "keeps removing it" };
    format!(
        "contested: {}{whose}: somebody on this host {what}, put back {count} times, at last at {} (`ip monitor`, or a network manager's log, may say who)\n",
        text(contested, &["thing"]),
        text(contested, &["last"]),
    )
}

fn render_remark(remark: &Value, out: &mut String) {
    let last_from = match text(remark, &["last_from"]) {
        "" => String::new(),
        address => format!(" (last from {address})"),
    };
    *out += &format!(
        "    {} packets {}: {}{last_from}\n",
        number(remark, &["count"]),
        if remark.get("dropped") == Some(&Value::Bool(true)) { "dropped" } else { "remarked on" },
        text(remark, &["reason"]),
    );
}

/// Pain A5: who waits for a penalty to end wants to know for how long.
fn render_penalty(penalty: &Value) -> String {
    let (check, length) = (text(penalty, &["check"]), number(penalty, &["length_ms"]) / 1000);
    let left = match penalty.get("left_ms").and_then(Value::as_u64) {
        None => format!("fails as MASTER; counts for {length} s after that"),
        Some(left) => format!(
            "failed as MASTER; counts for {} s more, of {length} s, or until `handover undrain`",
            left.div_ceil(1000)
        ),
    };
    format!("    penalty: {check} {left}\n")
}

/// Pain A1: a master that hears nobody has silent backups, or is deaf, and can't know which; a person can.
fn silence(instance: &Value, heard: u64) -> String {
    if heard > 0 || text(instance, &["state"]) != "MASTER" {
        return String::new();
    }
    let seconds = number(instance, &["counted_ms"]) / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let since = match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        (_, _) => format!("{hours} h {minutes} min"),
    };
    format!(
        " in {since} (backups are silent; but if another node is MASTER, too: is IP protocol 112 let in?)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_and_its_cause_are_read_at_a_glance() {
        let status = json!({
            "instances": [{
                "name": "api_vip", "state": "BACKUP", "interface": "eth0", "vrid": 5,
                "cause": {"code": "lower-priority", "text": "192.168.1.11 has priority 120, we have 110"},
                "since": "2026-01-01T00:00:00.000Z", "priority": {"base": 90, "effective": 110},
                "penalties": [{"check": "chk", "length_ms": 60000, "left_ms": 41200}],
                "addresses": ["192.168.1.100/32"], "adverts_sent": 0, "adverts_received": 12,
                "master": {"address": "192.168.1.11", "priority": 120, "silent_ms": 300, "interval_ms": 1000},
                "remarks": [{"reason": "checksum", "dropped": true, "count": 2, "last_from": "192.168.1.9"}]
            }],
            "groups": [{
                "name": "pair", "state": "BACKUP", "since": "2026-01-01T00:00:00.000Z",
                "cause": {"code": "eligible", "text": "nothing is in the way"}, "members": ["api_vip", "inside"]
            }],
            "dropped": [{"interface": "eth0", "remarks": [
                {"reason": "unknown-vrid", "dropped": true, "count": 3, "last_from": "192.168.1.9"},
                {"reason": "header", "dropped": true, "count": 1}
            ]}],
            "checks": [{"name": "chk", "verdict": "down", "last_outcome": "exit 1", "last_output": "no process\n"}],
            "processes": {"notifierd": {"running": false, "trouble": "notifierd is not running"}}
        });
        assert_eq!(
            render(&status),
            "api_vip  BACKUP  eth0  vrid 5  priority 110/90  192.168.1.100/32\n\
             \x20   since 2026-01-01T00:00:00.000Z: 192.168.1.11 has priority 120, we have 110\n\
             \x20   penalty: chk failed as MASTER; counts for 42 s more, of 60 s, or until `handover undrain`\n\
             \x20   master is 192.168.1.11 with priority 120, heard 300 ms ago\n\
             \x20   adverts: 0 sent, 12 heard\n\
             \x20   2 packets dropped: checksum (last from 192.168.1.9)\n\
             group pair  BACKUP  api_vip inside\n\
             \x20   since 2026-01-01T00:00:00.000Z: nothing is in the way\n\
             interface eth0\n\
             \x20   3 packets dropped: unknown-vrid (last from 192.168.1.9)\n\
             \x20   1 packets dropped: header\n\
             check chk  DOWN  exit 1  no process\n\
             notifierd: notifierd is not running\n\
             \x20   if it has ended, its log says why (journalctl -u notifierd); 'handover check' reads the file as it does\n"
        );
    }

    #[test]
    fn who_was_master_before_us_is_no_second_master() {
        let master =
            json!({"address": "192.168.1.12", "priority": 100, "silent_ms": 53_046, "interval_ms": 1_000});
        let line = |state| render(&json!({"instances": [{"name": "x", "state": state, "master": master}]}));
        let past = "    before us 192.168.1.12 was master, with priority 100; last heard 53 s ago\n";
        assert!(line("MASTER").contains(past), "{}", line("MASTER"));
        let since = "2026-01-01T00:00:00.000Z";
        let beside = |since: &str, silent: u64| {
            let master = json!({"address": "192.168.1.12", "priority": 100, "silent_ms": silent, "interval_ms": 1_000});
            render(
                &json!({"instances": [{"name": "x", "state": "MASTER", "since": since, "master": master}]}),
            )
        };
        let now =
            "    192.168.1.12 claims to be master beside us, with priority 100; last heard 900 ms ago\n";
        assert!(beside(since, 900).contains(now), "{}", beside(since, 900));
        assert!(beside(since, 53_046).contains(past), "long ago, though in our time");
        assert!(beside(since, 2_999).contains("claims to be"), "it may have missed one or two");
        assert!(beside(since, 3_000).contains("before us"), "it has given way, in its own time");
        let just_now = humantime::format_rfc3339_millis(sys::clock::wall()).to_string();
        assert!(beside(&just_now, 0).contains("before us"), "it gave way with that");
        assert!(
            line("BACKUP").contains("    last heard of a master 53 s ago: 192.168.1.12 with priority 100\n")
        );
    }

    /// A1.
    #[test]
    fn a_master_that_hears_nobody_says_for_how_long() {
        let line = |state: &str, heard: u64, counted: u64| {
            let sent = json!({"name": "x", "state": state, "adverts_sent": 9, "adverts_received": heard, "counted_ms": counted});
            let text = render(&json!({ "instances": [sent] }));
            text.lines().find_map(|line| line.trim().strip_prefix("adverts: ").map(str::to_owned)).unwrap()
        };
        let advice = "(backups are silent; but if another node is MASTER, too: is IP protocol 112 let in?)";
        assert_eq!(line("MASTER", 0, 59_999), format!("9 sent, 0 heard in 59 s {advice}"));
        assert_eq!(line("MASTER", 0, 61_000), format!("9 sent, 0 heard in 1 min 1 s {advice}"));
        assert_eq!(line("MASTER", 0, 7_320_000), format!("9 sent, 0 heard in 2 h 2 min {advice}"));
        assert_eq!(line("MASTER", 1, 61_000), "9 sent, 1 heard");
        assert_eq!(line("BACKUP", 0, 61_000), "9 sent, 0 heard");
    }

    ///
    #[test]
    fn a_backup_says_that_it_waits_for_its_link_and_for_how_long() {
        let instance =
            json!({"name": "x", "state": "BACKUP", "interface": "eth0", "awaits_frames_ms": 36_001});
        let text = render(&json!({ "instances": [instance] }));
        let line = "    eth0 came up and has carried no frame yet: listening for 37 s more at most\n";
        assert!(text.contains(line), "{text}");
    }

    /// D1.
    #[test]
    fn a_feud_and_a_refusal_of_nobodys_are_shown() {
        let feud = |count| json!({"instance": "api_vip", "thing": "192.0.2.5/24 on eth0", "count": count, "last": "08:15"});
        let text = render(&json!({"contested": [feud(9)], "static_refused": ["add 10.0.0.0/8: EINVAL"]}));
        let begin = "contested: 192.0.2.5/24 on eth0 of api_vip: somebody on this host";
        assert!(
            text.contains(&format!("{begin} keeps removing it, put back 9 times, at last at 08:15 ")),
            "{text}"
        );
        let flushed = render(&json!({"contested": [feud(2)]}));
        assert!(flushed.contains(&format!("{begin} removed it, put back 2 times")), "{flushed}");
        let still = json!({"thing": "192.0.2.6/24 on eth0", "count": 9, "last": "08:15"});
        let still = render(&json!({ "contested": [still] }));
        assert!(
            still.contains("contested: 192.0.2.6/24 on eth0, which is static: somebody on this host keeps"),
            "{still}"
        );
        assert!(
            text.contains("refused by the kernel, of what is static: add 10.0.0.0/8: EINVAL\n"),
            "{text}"
        );
    }

    #[test]
    fn what_a_script_wrote_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\u{7}b\nc"), "a[2Jb | c");
        assert_eq!(printable(&"x".repeat(300)).len(), MAX_OUTPUT + 4);
    }

    #[test]
    fn a_pipe_is_shown_when_something_is_wrong_with_it() {
        let pipe = |trouble, reader| json!({"path": "/p", "trouble": trouble, "reader": reader});
        assert_eq!(render_pipe(&pipe("", "running")), "");
        assert_eq!(render_pipe(&pipe("/p: full", "")), "pipe /p: full\n");
        let ended = "starts again, after: exit 1";
        assert_eq!(render_pipe(&pipe("", ended)), "pipe /p: its reader starts again, after: exit 1\n");
    }

    #[test]
    fn mail_is_shown_while_it_waits_or_is_lost() {
        let mail = |waiting: u64, refused: u64, trouble: &str| json!({"server": "::1 port 25", "waiting": waiting, "sent": 9, "refused": refused, "lost": 0, "trouble": trouble});
        assert_eq!(render_mail(&mail(0, 0, "")), "");
        assert_eq!(render_mail(&Value::Null), "");
        assert_eq!(render_mail(&mail(0, 1, "")), "mail to ::1 port 25: 1 refused\n");
        assert_eq!(render_mail(&mail(2, 0, "no answer")), "mail to ::1 port 25: 2 waiting, no answer\n");
    }

    #[test]
    fn a_history_with_holes_is_told() {
        assert_eq!(render_history(&json!({"path": "/h", "lost": 0})), "");
        let full = json!({"lost": 2, "trouble": "write /h: No space left on device"});
        assert_eq!(
            render_history(&full),
            "history: write /h: No space left on device; lost since notifierd started: 2\n"
        );
        assert_eq!(
            render_history(&json!({"lost": 2})),
            "history: 2 entries were lost since notifierd started; it is written again\n"
        );
    }

    #[test]
    fn a_hook_that_runs_or_has_failed_is_shown() {
        let mut out = String::new();
        render_hook(&json!({"instance": "v", "running": "notify for MASTER", "queued": 1}), &mut out);
        let last = json!({"hook": "notify", "state": "BACKUP", "outcome": "exit 1", "output": "no\n"});
        render_hook(&json!({"instance": "v", "failed": [last]}), &mut out);
        render_hook(&json!({"group": "pair", "running": "notify for FAULT", "queued": 0}), &mut out);
        render_hook(&json!({"instance": "w", "removed": true, "running": "notify for STOP"}), &mut out);
        let last = json!({"hook": "pre_backup", "state": "BACKUP", "outcome": "timed out"});
        render_hook(&json!({"instance": "v", "prelude": {"running": "pre_master", "last": last}}), &mut out);
        assert_eq!(
            out,
            "hook of v: notify for MASTER is running, 1 waiting\n\
             hook of v: notify for BACKUP: exit 1  no\n\
             hook of group pair: notify for FAULT is running, 0 waiting\n\
             hook of w, which a reload has removed: notify for STOP is running, 0 waiting\n\
             hook of v: pre_master is running, and the addresses wait for it\n\
             hook of v: pre_backup for BACKUP: timed out  \n"
        );
    }

    #[test]
    fn with_nobody_to_ask_the_lists_are_empty_and_the_trouble_is_named() {
        let status = collect(Path::new("/nonexistent"));
        assert_eq!(list(&status, "instances"), &[] as &[Value]);
        assert!(trouble(&status, "vrrp-core").unwrap().contains("not running"));
    }
}
