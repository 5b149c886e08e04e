//! `handover drain` and `handover undrain`: a node is taken out for maintenance and brought back (pain A7).

use std::path::Path;

use serde_json::{Value, json};
use service::{Exit, Failure};

use service::client::Client;

use crate::status::{list, number, text};

/// ipmgr answers within milliseconds, or within a second or two where there are thousands of addresses.
const SILENT_MS: u64 = 5_000;

/// What is to be drained or brought back.
#[derive(Debug)]
pub(crate) enum Whom {
    /// Every instance.
    All,
    /// The one of that name.
    One(String),
}

impl Whom {
    /// From the command line: a name or `--all`, and not both, so that nobody drains everything by leaving out a word.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub(crate) fn new(instance: Option<String>, all: bool) -> Result<Self, Failure> {
        match (instance, all) {
            (Some(name), false) => Ok(Self::One(name)),
            (None, true) => Ok(Self::All),
            (Some(_), true) => Err(Failure::new(Exit::Usage, "an instance or --all, not both")),
            (None, false) => Err(Failure::new(Exit::Usage, "which instance? Name one, or say --all")),
        }
    }

    /// Whether that instance, as status has it, is one of them.
    fn means(&self, instance: &Value) -> bool {
        match self {
            Self::All => true,
            Self::One(name) => text(instance, &["name"]) == name,
        }
    }

    fn name(&self) -> Value {
        match self {
            Self::All => Value::Null,
            Self::One(name) => Value::String(name.clone()),
        }
    }
}

/// Takes instances out of the elections until they are undrained, across restarts, too. Returns when their addresses are gone.
///
/// # Errors
/// vrrp-core's reason, that it can't be asked, or that the addresses may still be here.
pub(crate) fn drain(runtime_dir: &Path, whom: &Whom, force: bool) -> Result<(), Failure> {
    let request = json!({ "request": "drain", "instance": whom.name(), "force": force });
    let (mut client, done) = order(runtime_dir, &request)?;
    wait_until_gone(&mut client, whom)
        .map_err(|trouble| Failure::new(Exit::Failed, format!("{done}, but {trouble}")))?;
    crate::say(&format!("{done}\n"));
    Ok(())
}

/// Brings instances back.
///
/// # Errors
/// As [`drain`].
pub(crate) fn undrain(runtime_dir: &Path, whom: &Whom) -> Result<(), Failure> {
    let (_, done) = order(runtime_dir, &json!({ "request": "undrain", "instance": whom.name() }))?;
    crate::say(&format!("{done}\n"));
    Ok(())
}

/// Carries out an order. Returns what was done, in vrrp-core's words, and the connection.
fn order(runtime_dir: &Path, request: &Value) -> Result<(Client, String), Failure> {
    let failed = |trouble: String| Failure::new(Exit::Failed, trouble);
    let mut client = Client::connect(runtime_dir, "vrrp-core").map_err(failed)?;
    client.send(request).map_err(failed)?;
    let done = client.wait_for("done").map_err(failed)?;
    Ok((client, text(&done, &["done"]).to_owned()))
}

/// Until the addresses are gone: whoever gives way in good health keeps them for its successor for some seconds, and `pre_backup`
/// takes its time, both of which vrrp-core bounds. An ipmgr that says nothing doesn't.
fn wait_until_gone(client: &mut Client, whom: &Whom) -> Result<(), String> {
    loop {
        let status = client.status()?;
        let concerned: Vec<&Value> = list(&status, "instances").iter().filter(|it| whom.means(it)).collect();
        if let Some(late) = concerned.iter().find(|it| removing_ms(it).is_some_and(|ms| ms > SILENT_MS)) {
            let name = text(late, &["name"]);
            return Err(format!(
                "ipmgr has not said that the addresses of {name} are gone: they may still be here, beside the next master's; \
                 'handover status' tells for how long that is so"
            ));
        }
        let here = |it: &&Value| text(it, &["state"]) == "MASTER" || removing_ms(it).is_some();
        if !concerned.iter().any(here) {
            return Ok(());
        }
        client.rest()?;
    }
}

/// For how long ipmgr has been asked to remove the addresses; `None` if it isn't, or is done.
fn removing_ms(instance: &Value) -> Option<u64> {
    (text(instance, &["awaited", "what"]) == "removing").then(|| number(instance, &["awaited", "ms"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_drained_only_by_saying_so() {
        assert!(Whom::new(None, false).is_err());
        assert!(Whom::new(Some("x".into()), true).is_err());
        assert_eq!(Whom::new(Some("x".into()), false).unwrap().name(), json!("x"));
        assert_eq!(Whom::new(None, true).unwrap().name(), Value::Null);
    }
}
