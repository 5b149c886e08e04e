//! `handover reload`: has all daemons take the configuration as it is in the file now, or says what that would change.
//!
//! Everybody or nobody: see docs/reload.md. This command is only the coordinator; each daemon reads the file itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argh::FromArgs;
use ipc::reload::{Fate, Kind, Planned, Trigger};
use serde_json::{Value, json};
use service::client::{Client, status_of};
use service::reload::{Coordinated, coordinate};
use service::{Exit, Failure};

use crate::status::{list, text};

/// How long ipmgr may take for what it is ordered; after that vrrp-core itself waits no longer.
const SETTLES_WITHIN: Duration = Duration::from_secs(6);

/// Have all daemons take the configuration as it is in the file now; exit status 1 if nothing has changed because of an
/// error, or if something that the new one wants could not be done.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "reload", help_triggers("-h", "--help"))]
pub(crate) struct ReloadArguments {
    /// only say what would change
    #[argh(switch)]
    plan: bool,

    /// as one JSON object
    #[argh(switch)]
    json: bool,

    /// accepted by all programs; the daemons read the file that they were started with
    #[argh(option, short = 'f', arg_name = "FILE")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    config: Option<PathBuf>,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    runtime_dir: Option<PathBuf>,
}

/// Reloads, and says what became of it.
///
/// # Errors
/// The diagnostics of an invalid file, who doesn't answer, or who could not follow.
pub(crate) fn run(arguments: ReloadArguments) -> Result<(), Failure> {
    let ReloadArguments { plan, json, runtime_dir, .. } = arguments;
    reload(&service::runtime_dir(runtime_dir), plan, json)
}

fn reload(runtime_dir: &Path, plan: bool, as_json: bool) -> Result<(), Failure> {
    let trigger = if plan { Trigger::Plan } else { Trigger::Command };
    let before = if plan { Vec::new() } else { instances(runtime_dir) };
    let outcome = coordinate(runtime_dir, trigger);
    let trouble = match &outcome {
        Ok(Coordinated { changed: true, plan: lines, .. }) if !plan => {
            new_trouble(&before, &settled(runtime_dir), lines)
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    if as_json {
        let text = match &outcome {
            Ok(Coordinated { config, changed, plan: lines, absent }) => {
                json!({ "config": config, "changed": changed, "done": !plan, "absent": absent, "plan": lines, "trouble": trouble })
            }
            Err(error) => json!({ "error": error }),
        };
        crate::say(&format!("{text:#}\n"));
    } else if let Ok(coordinated) = &outcome {
        crate::say(&render(coordinated, plan));
    }
    let failed = |error| Failure::new(Exit::Failed, error);
    outcome.map_err(failed)?;
    if trouble.is_empty() {
        return Ok(());
    }
    Err(failed(format!(
        "the new configuration runs, and not all of it could be done:\n{}",
        trouble.join("\n")
    )))
}

/// What vrrp-core says of its instances; none if it can't be asked.
fn instances(runtime_dir: &Path) -> Vec<Value> {
    status_of(runtime_dir, "vrrp-core").map(|status| list(&status, "instances").to_vec()).unwrap_or_default()
}

/// The same, once ipmgr has answered what the new configuration has it do, or has had its time.
fn settled(runtime_dir: &Path) -> Vec<Value> {
    let until = sys::clock::now() + SETTLES_WITHIN;
    let look = || -> Result<Vec<Value>, String> {
        let mut client = Client::connect(runtime_dir, "vrrp-core")?;
        loop {
            let status = client.status()?;
            let instances = list(&status, "instances");
            let is_done = instances.iter().all(|it| it.get("awaited").is_none());
            if is_done || sys::clock::now() >= until {
                return Ok(instances.to_vec());
            }
            client.rest()?;
        }
    };
    look().unwrap_or_default()
}

/// What the new configuration has brought: a master that isn't one any more, and what ipmgr or the kernel has refused.
fn new_trouble(before: &[Value], after: &[Value], plan: &[Planned]) -> Vec<String> {
    let before: HashMap<&str, &Value> = before.iter().map(|it| (text(it, &["name"]), it)).collect();
    let lines = plan.iter().filter(|line| line.kind == Kind::Instance);
    let former: HashMap<&str, &str> =
        lines.filter_map(|line| Some((line.name.as_str(), line.was.as_deref()?))).collect();
    let mut trouble = Vec::new();
    for now in after {
        let name = text(now, &["name"]);
        let was = before.get(former.get(name).copied().unwrap_or(name));
        if text(now, &["state"]) == "FAULT" && was.is_some_and(|was| text(was, &["state"]) != "FAULT") {
            trouble.push(format!("{name} is in FAULT: {}", text(now, &["cause", "text"])));
        } else {
            let known = was.map_or(&[] as &[Value], |was| list(was, "refused"));
            let news = list(now, "refused").iter().filter(|it| !known.contains(it));
            trouble.extend(news.filter_map(Value::as_str).map(|it| format!("{name}: {it}")));
        }
    }
    trouble
}

fn render(coordinated: &Coordinated, only_planned: bool) -> String {
    let Coordinated { changed, plan, absent, .. } = coordinated;
    let mut out: String = plan.iter().filter(|line| line.fate != Fate::Keep).map(render_line).collect();
    let kept = plan.iter().filter(|line| line.fate == Fate::Keep).count();
    out += &match (changed, only_planned) {
        (false, _) => "the configuration is the same: nothing changes\n".to_owned(),
        (true, true) => format!("{kept} are kept as they are; nothing has been done\n"),
        (true, false) => format!("{kept} were kept as they are; all daemons run the new configuration\n"),
    };
    if !absent.is_empty() {
        out += &format!("not running: {} (reads the file when it starts)\n", absent.join(", "));
    }
    out
}

fn render_line(line: &Planned) -> String {
    let kind = match line.kind {
        Kind::Instance => "instance",
        Kind::Group => "group",
        Kind::Check => "check",
        Kind::InstanceHooks => "hooks of",
        Kind::GroupHooks => "hooks of group",
        Kind::Mail => "mail to",
        Kind::OuterScript => "command of",
        Kind::Static => "static",
        Kind::Global => "settings of",
    };
    let fate = match line.fate {
        Fate::Keep => "keep",
        Fate::Retune => "retune",
        Fate::Restart => "restart",
        Fate::Add => "add",
        Fate::Remove => "remove",
    };
    let was = line.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
    let changed =
        if line.changed.is_empty() { String::new() } else { format!(": {}", line.changed.join(", ")) };
    format!("{fate:8} {kind} {}{was}{changed}\n", line.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_and_the_rest_is_told() {
        let line = |name: &str, fate, changed: &[&str]| Planned {
            kind: Kind::Instance,
            name: name.to_owned(),
            was: (fate == Fate::Retune).then(|| "old".to_owned()),
            fate,
            changed: changed.iter().map(|it| (*it).to_owned()).collect(),
        };
        let plan = vec![line("a", Fate::Keep, &[]), line("b", Fate::Retune, &["name", "priority"])];
        let coordinated = Coordinated { config: "1".into(), changed: true, plan, absent: vec!["notifierd"] };
        assert_eq!(
            render(&coordinated, true),
            "retune   instance b (was old): name, priority\n\
             1 are kept as they are; nothing has been done\n\
             not running: notifierd (reads the file when it starts)\n"
        );
    }
}
