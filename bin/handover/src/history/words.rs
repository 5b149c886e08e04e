//! An entry of the history as a person reads it. Pure.
//!
//! A transition begins at the margin; what hooks made of it follows, set in, with what they wrote where they failed.

use ipc::history::{Entry, Ran};
use model::{GroupName, InstanceName};

/// How many lines of a failed hook's output are shown: the last ones, where the errors are. `--json` has more.
const MAX_LINES: usize = 5;
/// The most characters of each.
const MAX_WIDTH: usize = 200;

/// One or more lines.
pub(super) fn entry(entry: &Entry) -> String {
    let at = moment(entry.at());
    match entry {
        Entry::Event(event) => {
            let (name, from, to, priority) = (&event.instance, event.from, event.to, event.priority);
            format!("{at}  {name}  {from} -> {to}  priority {priority}  {}\n", plain(&event.cause.text))
        }
        Entry::GroupEvent(event) => {
            let (name, from, to) = (&event.group, event.from, event.to);
            format!("{at}  group {name}  {from} -> {to}  {}\n", plain(&event.cause.text))
        }
        Entry::State(found) => {
            let it = &found.state;
            let (since, cause) = (moment(&it.since), plain(&it.cause.text));
            format!(
                "{at}  {}  is {} since {since}  priority {}  {cause}\n",
                it.instance, it.state, it.priority
            )
        }
        Entry::GroupState(found) => {
            let it = &found.state;
            let (since, cause) = (moment(&it.since), plain(&it.cause.text));
            format!("{at}  group {}  is {} since {since}  {cause}\n", it.group, it.state)
        }
        Entry::Hook(ran) => hook(&at, ran),
        Entry::Skipped(it) => {
            let name = whose(it.instance.as_ref(), it.group.as_ref());
            format!("{at}    {name}  no hook for {}: {}\n", it.state, plain(&it.reason))
        }
        Entry::Gap { away_ms, .. } => {
            format!("{at}  vrrp-core is back; for {} it wasn't heard\n", duration(*away_ms))
        }
        Entry::Lost(it) => {
            let are = if it.entries == 1 { "ENTRY IS" } else { "ENTRIES ARE" };
            let least = if it.at_least { "AT LEAST " } else { "" };
            format!("{at}  {least}{} {are} MISSING HERE: {}\n", it.entries, plain(&it.reason))
        }
        Entry::Started { version, pid, .. } => format!("{at}  notifierd {version} started as {pid}\n"),
        Entry::Stopped { .. } => format!("{at}  notifierd stopped\n"),
    }
}

/// A start whose like before it never stopped.
pub(super) fn resurrection(started: &Entry) -> String {
    let line = entry(started);
    format!(
        "{}; the one before never said that it stopped: what it had yet to write is not here\n",
        line.trim_end()
    )
}

fn hook(at: &str, ran: &Ran) -> String {
    let whose = match (&ran.instance, &ran.group) {
        (None, None) => plain(&ran.hook),
        (instance, group) => {
            let name = whose(instance.as_ref(), group.as_ref());
            format!("{name}  {} for {}", plain(&ran.hook), ran.state)
        }
    };
    let user = ran.user.as_deref().map(|user| format!(", as {}", plain(user))).unwrap_or_default();
    let outcome = plain(&ran.outcome);
    let took = duration(ran.duration_ms);
    let mut text = match (ran.succeeded, ran.user.is_some()) {
        (true, _) => format!("{at}    {whose} {outcome} in {took}{user}\n"),
        (false, true) => format!("{at}    {whose} FAILED: {outcome} after {took}{user}\n"),
        (false, false) => format!("{at}    {whose} FAILED: {outcome}\n"),
    };
    if !ran.succeeded {
        let lines: Vec<&str> = ran.output.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.get(lines.len().saturating_sub(MAX_LINES)..).unwrap_or_default() {
            text += &format!("{:at$}    | {}\n", "", plain(line), at = at.len());
        }
    }
    text
}

fn whose(instance: Option<&InstanceName>, group: Option<&GroupName>) -> String {
    match (instance, group) {
        (Some(instance), _) => instance.to_string(),
        (None, Some(group)) => format!("group {group}"),
        (None, None) => "?".to_owned(),
    }
}

fn duration(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { format!("{} s", ms / 1000) }
}

/// `2026-01-31 03:00:00.250`: UTC as everywhere, and easier on the eye.
fn moment(at: &str) -> String {
    plain(at.trim_end_matches('Z')).replacen('T', " ", 1)
}

/// Without what a terminal would obey, and cut.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> String {
        entry(&ipc::json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn who_was_killed_is_told_by_the_next() {
        let started = r#"{"type":"started","at":"2026-01-31T03:12:07.120Z","version":"0.1.0","pid":812}"#;
        assert_eq!(
            resurrection(&ipc::json::parse(started.as_bytes()).unwrap()),
            "2026-01-31 03:12:07.120  notifierd 0.1.0 started as 812; the one before never said that it stopped: what it had yet to write is not here\n"
        );
    }

    #[test]
    fn a_night_is_told_in_a_glance() {
        let cause = r#""cause":{"code":"peer-silent","text":"nothing heard from 192.168.1.12 for 3571 ms"}"#;
        let at = r#""at":"2026-01-31T03:12:07.120Z""#;
        let hook =
            |more: &str| format!(r#"{{"type":"hook",{at},"instance":"api_vip","state":"MASTER",{more}}}"#);
        let story: String = [
            format!(r#"{{"type":"started",{at},"version":"0.1.0","pid":812}}"#),
            format!(r#"{{"type":"state",{at},"instance":"api_vip","state":"BACKUP","priority":110,{cause},"since":"2026-01-30T00:00:00.000Z"}}"#),
            format!(r#"{{"type":"event","sequence":3,"instance":"api_vip","from":"BACKUP","to":"MASTER","priority":110,{cause},{at},"monotonic":1}}"#),
            hook(r#""hook":"notify_master","user":"app","outcome":"succeeded","succeeded":true,"duration_ms":117"#),
            hook(r#""hook":"notify","user":"app","outcome":"timed out","succeeded":false,"duration_ms":60004,"output":"a\n\n1\n2\n3\n4\n\u001b[2J5\n""#),
            hook(r#""hook":"notify","outcome":"no such user: ap","succeeded":false,"duration_ms":0"#),
            format!(r#"{{"type":"skipped",{at},"group":"pair","state":"FAULT","reason":"overtaken by BACKUP"}}"#),
            format!(r#"{{"type":"gap",{at},"away_ms":12345}}"#),
            format!(r#"{{"type":"lost",{at},"entries":2,"reason":"no space"}}"#),
            format!(r#"{{"type":"lost",{at},"entries":1,"at_least":true,"reason":"no space"}}"#),
            format!(r#"{{"type":"stopped",{at}}}"#),
        ]
        .iter()
        .map(|line| said(line))
        .collect();
        assert_eq!(
            story,
            "2026-01-31 03:12:07.120  notifierd 0.1.0 started as 812\n\
             2026-01-31 03:12:07.120  api_vip  is BACKUP since 2026-01-30 00:00:00.000  priority 110  nothing heard from 192.168.1.12 for 3571 ms\n\
             2026-01-31 03:12:07.120  api_vip  BACKUP -> MASTER  priority 110  nothing heard from 192.168.1.12 for 3571 ms\n\
             2026-01-31 03:12:07.120    api_vip  notify_master for MASTER succeeded in 117 ms, as app\n\
             2026-01-31 03:12:07.120    api_vip  notify for MASTER FAILED: timed out after 60 s, as app\n\
             \x20                          | 1\n\
             \x20                          | 2\n\
             \x20                          | 3\n\
             \x20                          | 4\n\
             \x20                          | [2J5\n\
             2026-01-31 03:12:07.120    api_vip  notify for MASTER FAILED: no such user: ap\n\
             2026-01-31 03:12:07.120    group pair  no hook for FAULT: overtaken by BACKUP\n\
             2026-01-31 03:12:07.120  vrrp-core is back; for 12 s it wasn't heard\n\
             2026-01-31 03:12:07.120  2 ENTRIES ARE MISSING HERE: no space\n\
             2026-01-31 03:12:07.120  AT LEAST 1 ENTRY IS MISSING HERE: no space\n\
             2026-01-31 03:12:07.120  notifierd stopped\n"
        );
    }
}
