//! `handover events`: follows vrrp-core's feed, line by line, for as long as it lasts.

use std::path::Path;

use serde_json::Value;
use service::{Exit, Failure};

use service::client::Client;

/// Prints the snapshot and then every event: as it comes (`--json`), or as one readable line.
///
/// # Errors
/// [`Exit::Failed`] when vrrp-core isn't there or goes away.
pub(crate) fn run(runtime_dir: &Path, as_json: bool) -> Result<(), Failure> {
    follow(runtime_dir, as_json).map_err(|trouble| Failure::new(Exit::Failed, trouble))
}

fn follow(runtime_dir: &Path, as_json: bool) -> Result<(), String> {
    let mut client = Client::connect(runtime_dir, "vrrp-core")?;
    client.request("subscribe")?;
    client.wait_for_ever()?;
    let out = std::io::stdout();
    loop {
        if client.waits_in_vain(&out)? {
            return Ok(());
        }
        let Some(message) = client.line()? else { break };
        let text = if as_json { format!("{message}\n") } else { render(&message) };
        if !crate::say(&text) {
            return Ok(());
        }
    }
    Err("vrrp-core has closed the feed".to_owned())
}

fn render(message: &Value) -> String {
    let field = |value: &Value, key: &str| match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let cause = |value: &Value| value.get("cause").map(|cause| field(cause, "text")).unwrap_or_default();
    match message.get("type").and_then(Value::as_str) {
        Some("snapshot") => {
            let list = |key: &str| message.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let instance = |it: &Value| {
                let [since, name, state, priority] =
                    ["since", "instance", "state", "priority"].map(|k| field(it, k));
                format!("{since}  {name}  {state}  priority {priority}  {}\n", cause(it))
            };
            let group = |it: &Value| {
                let [since, name, state] = ["since", "group", "state"].map(|k| field(it, k));
                format!("{since}  group {name}  {state}  {}\n", cause(it))
            };
            list("instances").iter().map(instance).chain(list("groups").iter().map(group)).collect()
        }
        Some("event") => {
            let [at, name, from, to, priority] =
                ["at", "instance", "from", "to", "priority"].map(|key| field(message, key));
            format!("{at}  {name}  {from} -> {to}  priority {priority}  {}\n", cause(message))
        }
        Some("group-event") => {
            let [at, name, from, to] = ["at", "group", "from", "to"].map(|key| field(message, key));
            format!("{at}  group {name}  {from} -> {to}  {}\n", cause(message))
        }
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_cause() {
        let event = serde_json::json!({
            "type": "event", "sequence": 3, "instance": "api_vip", "from": "BACKUP", "to": "MASTER", "priority": 120,
            "cause": {"code": "peer-silent", "text": "no advert for 3.571 s"}, "at": "2026-01-01T00:00:00.000Z"
        });
        assert_eq!(
            render(&event),
            "2026-01-01T00:00:00.000Z  api_vip  BACKUP -> MASTER  priority 120  no advert for 3.571 s\n"
        );
        assert_eq!(render(&serde_json::json!({"type": "hello"})), "");
    }

    #[test]
    fn groups_are_told_apart_from_instances() {
        let cause = serde_json::json!({"code": "peer-silent", "text": "no advert for 3.571 s"});
        let since = "2026-01-01T00:00:00.000Z";
        let event = serde_json::json!({
            "type": "group-event", "sequence": 4, "group": "pair", "from": "BACKUP", "to": "MASTER",
            "cause": cause, "at": since
        });
        assert_eq!(render(&event), format!("{since}  group pair  BACKUP -> MASTER  no advert for 3.571 s\n"));
        let snapshot = serde_json::json!({
            "type": "snapshot", "sequence": 4,
            "instances": [{"instance": "one", "state": "MASTER", "priority": 120, "cause": cause, "since": since}],
            "groups": [{"group": "pair", "state": "MASTER", "cause": cause, "since": since}]
        });
        assert_eq!(
            render(&snapshot),
            format!(
                "{since}  one  MASTER  priority 120  no advert for 3.571 s\n\
                 {since}  group pair  MASTER  no advert for 3.571 s\n"
            )
        );
    }
}
