//! Who asks everybody to take another configuration: `handover reload`, and a thread of whoever got SIGHUP.
//!
//! It must never leave it to chance whether all daemons run the same: all are ready or nobody is told to change. It holds
//! no state worth keeping: when it dies, its connections close, and what was prepared for it is forgotten; when it dies
//! half-way through the commits, those who changed tell those who didn't (docs/reload.md).

use std::path::Path;
use std::time::Duration;

use ipc::reload::{Answer, MAX_OBJECTION, Planned, Request, Step, Trigger};
use serde_json::Value;

use crate::client::Client;

/// In the order of their commits. vrrp-core, which takes ipmgr along, comes after checkerd, whose verdicts it needs, and before
/// notifierd, which still has hooks of the old configuration to run for what ends.
const MEMBERS: [&str; 3] = ["checkerd", "vrrp-core", "notifierd"];
/// How long each may take to read the largest configuration on a busy machine, and then to take it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a reload that succeeded, or would.
#[derive(Clone, Debug)]
pub struct Coordinated {
    /// The fingerprint of the file.
    pub config: String,
    /// Some daemon ran something else before.
    pub changed: bool,
    /// What became of what.
    pub plan: Vec<Planned>,
    /// Daemons that aren't running: they read the file when they start.
    pub absent: Vec<&'static str>,
}

struct Member {
    program: &'static str,
    client: Client,
}

impl Member {
    fn say(&mut self, step: Step) -> Result<(), String> {
        let request = serde_json::to_value(Request::Reload(step)).map_err(|error| error.to_string())?;
        self.client.send(&request).map_err(|error| format!("{}: {error}", self.program))
    }

    /// The next answer; whatever else it says meanwhile is for others.
    fn answer(&mut self) -> Result<Answer, String> {
        let program = self.program;
        while let Some(message) = self.client.line().map_err(|error| format!("{program}: {error}"))? {
            match message.get("type").and_then(Value::as_str) {
                Some("reload") => {
                    return serde_json::from_value(message).map_err(|error| format!("{program}: {error}"));
                }
                Some("error") => {
                    let error = message.get("error").and_then(Value::as_str).unwrap_or_default();
                    return Err(format!("{program}: {error}"));
                }
                Some(_) | None => {}
            }
        }
        Err(format!("{program} has gone away"))
    }
}

/// Has every daemon that listens in `runtime_dir` take the configuration as it is in the file now.
///
/// # Errors
/// Sentences, a line each: why nothing has changed, or who didn't follow.
pub fn coordinate(runtime_dir: &Path, trigger: Trigger) -> Result<Coordinated, String> {
    let untouched = |error: String| format!("nothing has changed: {error}");
    let (mut party, absent) = gather(runtime_dir).map_err(untouched)?;
    let mut coordinated = prepare(&mut party, trigger).map_err(untouched)?;
    coordinated.absent = absent;
    if trigger == Trigger::Plan {
        return Ok(coordinated);
    }
    let mut late = Vec::new();
    for member in &mut party {
        let step = Step::Commit { config: coordinated.config.clone(), trigger };
        let why = match member.say(step).and_then(|()| member.answer()) {
            Ok(Answer::Done { .. }) => continue,
            Ok(Answer::Ready { .. }) => format!("{}: an answer to something else", member.program),
            Ok(Answer::Refused { error }) => format!("{}: {error}", member.program),
            Err(error) => error,
        };
        late.push(format!("{why} (it was ready; the others go on without it, 'handover status' tells)"));
    }
    if late.is_empty() { Ok(coordinated) } else { Err(late.join("\n")) }
}

/// Who is there, and who isn't.
fn gather(runtime_dir: &Path) -> Result<(Vec<Member>, Vec<&'static str>), String> {
    let (mut party, mut absent) = (Vec::new(), Vec::new());
    for program in MEMBERS {
        match Client::connect_if_running(runtime_dir, program)? {
            Some(mut client) => {
                client.wait_at_most(PATIENCE)?;
                party.push(Member { program, client });
            }
            None => absent.push(program),
        }
    }
    if party.is_empty() {
        return Err(format!("no daemon is running in {}: there is nothing to reload", runtime_dir.display()));
    }
    Ok((party, absent))
}

/// All read at the same time; whoever objects speaks for all.
fn prepare(party: &mut [Member], trigger: Trigger) -> Result<Coordinated, String> {
    party.iter_mut().try_for_each(|member| member.say(Step::Prepare { trigger }))?;
    let mut found: Option<String> = None;
    let (mut changed, mut whole_plan, mut objections) = (false, Vec::new(), Vec::new());
    let mut ready = Vec::new();
    for member in party {
        match member.answer() {
            Ok(Answer::Ready { config, running, plan }) => {
                changed |= config != running;
                whole_plan.extend(plan);
                if found.get_or_insert_with(|| config.clone()) != &config {
                    objections.push(format!(
                        "{} has read another text than the others: is the file just being written, or do they not have \
                         the same one?",
                        member.program
                    ));
                }
                ready.push(member);
            }
            Ok(Answer::Refused { error }) if objections.contains(&error) => {}
            Ok(Answer::Refused { error }) => objections.push(error),
            Ok(Answer::Done { .. }) => objections.push(format!("{}: no answer", member.program)),
            Err(error) => objections.push(error),
        }
    }
    match found {
        Some(config) if objections.is_empty() => {
            Ok(Coordinated { config, changed, plan: whole_plan, absent: Vec::new() })
        }
        Some(_) | None => {
            let error = objections.join("\n");
            if trigger != Trigger::Plan {
                abandon(ready, trigger, &error);
            }
            Err(error)
        }
    }
}

/// Has those who would have come along remember why nothing came of it: their status is where somebody looks. What becomes of that
/// changes nothing.
fn abandon(ready: Vec<&mut Member>, trigger: Trigger, error: &str) {
    let error: String = error.chars().take(MAX_OBJECTION).collect();
    for member in ready {
        let step = Step::Abandon { error: error.clone(), trigger };
        let _ = member.say(step).and_then(|()| member.answer());
    }
}
