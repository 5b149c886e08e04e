//! `handover drain` and `handover undrain`: a node is taken out for maintenance and brought back (pain A7).

use std::path::Path;

use serde_json::{Value, json};
use service::{Exit, Failure};

use service::client::Client;

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

    fn name(&self) -> Value {
        match self {
            Self::All => Value::Null,
            Self::One(name) => Value::String(name.clone()),
        }
    }
}

/// Takes instances out of the elections until they are undrained, across restarts, too.
///
/// # Errors
/// vrrp-core's reason, or that it can't be asked.
pub(crate) fn drain(runtime_dir: &Path, whom: &Whom, force: bool) -> Result<(), Failure> {
    order(runtime_dir, &json!({ "request": "drain", "instance": whom.name(), "force": force }))
}

/// Brings instances back.
///
/// # Errors
/// As [`drain`].
pub(crate) fn undrain(runtime_dir: &Path, whom: &Whom) -> Result<(), Failure> {
    order(runtime_dir, &json!({ "request": "undrain", "instance": whom.name() }))
}

fn order(runtime_dir: &Path, request: &Value) -> Result<(), Failure> {
    let failed = |trouble: String| Failure::new(Exit::Failed, trouble);
    let mut client = Client::connect(runtime_dir, "vrrp-core").map_err(failed)?;
    client.send(request).map_err(failed)?;
    while let Some(message) = client.line().map_err(failed)? {
        let field = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if field("type") == "done" {
            crate::say(&format!("{}\n", field("done")));
            return Ok(());
        }
    }
    Err(failed("vrrp-core closed the connection without an answer".to_owned()))
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
