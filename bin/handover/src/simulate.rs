//! `handover simulate A.conf B.conf`: the operator's what-if, on the very core that runs in production.
//!
//! Cores are made from the configurations as vrrp-core makes its own (crate `setup`) and run on a simulated LAN (crate
//! `sim`). It must never touch the machine: no socket, no script, no right is needed. [`plan`] reads what is asked,
//! [`stage`] runs it, [`outcome`] says what became of an address, [`words`] says why, [`timeline`] and [`json`] print.

mod json;
mod mishap;
mod outcome;
mod plan;
mod stage;
mod timeline;
mod words;

use std::path::PathBuf;

use argh::FromArgs;
use service::{Exit, Failure};

use self::mishap::TIME_MARK;
use self::plan::Plan;
use self::stage::Stage;

/// Say what would happen: who becomes master, and which failures move the address. Nothing on this machine is touched.
///
/// Each file is a node, named as the file (a.conf: a) or, where files have one name, as its directory. Interfaces of the same name are one LAN, without loss or delay.
/// Checks pass until they are made to fail. Time 0 is when all elections are over, just after an advert.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "simulate",
    help_triggers("-h", "--help"),
    example = "handover simulate a.conf b.conf --every-single-failure",
    example = "handover simulate a.conf b.conf --fail chk_haproxy@a --at 5s --crash b --at 60s",
    note = "A check that is made to fail is noticed after fall - 1 to fall intervals, and the time that its script takes;\n\
            the timeline shows the longest. It fails from then on, whatever hooks do."
)]
pub(crate) struct SimulateArguments {
    /// let a check fail on a node, for good
    #[argh(option, arg_name = "CHECK@NODE")]
    fail: Vec<String>,

    /// let a node lose power
    #[argh(option, arg_name = "NODE")]
    crash: Vec<String>,

    /// cut a node off from all others
    #[argh(option, arg_name = "NODE")]
    partition: Vec<String>,

    /// let a node stand still for a time (a virtual machine that is migrated)
    #[argh(option, arg_name = "NODE:TIME")]
    pause: Vec<String>,

    /// when the failure named just before happens: 5s, 500ms, 2m (default: 0s)
    #[argh(option, arg_name = "TIME")]
    at: Vec<String>,

    /// try every check, link, crash and cut, each alone, and say for each whether the address moves
    #[argh(switch)]
    every_single_failure: bool,

    /// what this check looks for runs only on the master: hooks start it for MASTER and stop it otherwise, so the check
    /// passes only there, and fall or rise intervals late. It begins stopped everywhere
    #[argh(option, arg_name = "CHECK")]
    only_on_master: Vec<String>,

    /// the name that @NAME lines of the configurations are for (default: the host's, up to the first dot)
    #[argh(option, short = 'i', arg_name = "ID")]
    config_id: Option<String>,

    /// as one JSON object
    #[argh(switch)]
    json: bool,

    /// one configuration for each node, at least two
    #[argh(positional, arg_name = "file")]
    files: Vec<PathBuf>,
}

/// Ties each `--at TIME` to the failure before it: argh forgets in which order different options came.
///
/// Arguments of other commands stay as they are.
pub(crate) fn tie_times(arguments: Vec<String>) -> Vec<String> {
    if arguments.first().is_none_or(|command| command != "simulate") {
        return arguments;
    }
    const TIMED: [&str; 4] = ["--fail", "--crash", "--partition", "--pause"];
    let mut tied: Vec<String> = Vec::with_capacity(arguments.len());
    let mut rest = arguments.into_iter();
    // Whether the last of `tied` is the value of an option that takes a time.
    let mut timed = false;
    while let Some(argument) = rest.next() {
        if TIMED.contains(&argument.as_str()) {
            tied.push(argument);
            tied.extend(rest.next());
            timed = true;
        } else if argument == "--at" && timed {
            if let (Some(value), Some(time)) = (tied.last_mut(), rest.next()) {
                value.push(TIME_MARK);
                value.push_str(&time);
            }
            timed = false;
        } else {
            tied.push(argument);
            timed = false;
        }
    }
    tied
}

/// Simulates what is asked, and prints what happened.
///
/// # Errors
/// [`Exit::Failed`] (status 1) when a file is no configuration, a name is unknown, or the nodes have nothing in common.
pub(crate) fn run(arguments: &SimulateArguments) -> Result<(), Failure> {
    let bad = |why: String| Failure::new(Exit::Failed, why);
    let mut configs = Vec::new();
    let id = service::config_id(arguments.config_id.clone());
    for path in &arguments.files {
        configs.push((path.as_path(), crate::check::valid(path, &id, Exit::Failed)?));
    }
    if !arguments.at.is_empty() {
        return Err(bad("--at says when the failure named just before it happens: there is none".to_owned()));
    }
    let plan = Plan::new(configs, &arguments.only_on_master).map_err(bad)?;
    let mishaps = plan
        .mishaps(&[
            ("--fail", &arguments.fail),
            ("--crash", &arguments.crash),
            ("--partition", &arguments.partition),
            ("--pause", &arguments.pause),
        ])
        .map_err(bad)?;
    let stage = Stage::new(&plan);
    let told = !mishaps.is_empty() || !arguments.every_single_failure;
    let story = told.then(|| stage.story(&mishaps));
    let mut singles = match mishaps.as_slice() {
        [(_, only)] => vec![stage.study(only)],
        [] | [_, _, ..] => Vec::new(),
    };
    if arguments.every_single_failure {
        singles = plan.single_mishaps().iter().map(|mishap| stage.study(mishap)).collect();
    }
    let text = if arguments.json {
        json::render(&stage, story.as_ref(), &singles)
    } else {
        words::render(&stage, story.as_ref(), &singles)
    };
    crate::say(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tied(line: &str) -> String {
        let arguments = line.split(' ').map(str::to_owned).collect();
        tie_times(arguments).join(" ").replace(TIME_MARK, "/")
    }

    #[test]
    fn a_time_belongs_to_the_failure_before_it() {
        assert_eq!(
            tied("simulate a --fail c@a --at 5s --crash b --pause a:1s --at 9s"),
            "simulate a --fail c@a/5s --crash b --pause a:1s/9s"
        );
        assert_eq!(tied("simulate --at 5s --crash a"), "simulate --at 5s --crash a", "nothing before it");
        assert_eq!(
            tied("simulate --crash a x --at 5s"),
            "simulate --crash a x --at 5s",
            "not just before it"
        );
        assert_eq!(tied("simulate --crash a --at 1s --at 2s"), "simulate --crash a/1s --at 2s");
        assert_eq!(tied("lab --crash a --at 1s"), "lab --crash a --at 1s", "other commands keep theirs");
    }
}
