//! What is mailed of a state, in keepalived's words (docs/mail.md) and then in ours.
//!
//! Subject and first line are those of keepalived 2.2.7, as received by a server of the tests, since people sort mail by
//! them. How it is put on the wire is for the process that hands it in. What it must never do: be longer than that process
//! can be given.

use ipc::events::Told;
use ipc::json;
use runner::MAX_INPUT;
use serde::{Deserialize, Serialize};

use crate::occasion::{Occasion, Subject};

/// How much of `router_id` and of the host's name is shown, in characters.
const MAX_LABEL: usize = 100;
/// How much of a cause is shown, in characters.
const MAX_CAUSE: usize = 400;

/// A mail before it has headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The same each time it is tried, so that a server that got it twice can tell.
    pub(crate) id: String,
    /// When it was written, in seconds since 1970.
    pub(crate) date: u64,
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    /// `router_id`, else the host's name.
    pub(crate) label: &'a str,
    /// The host's name.
    pub(crate) host: &'a str,
    /// Never the same twice.
    pub(crate) id: &'a str,
    /// In seconds since 1970.
    pub(crate) date: u64,
}

impl Letter {
    /// What is mailed of a state that followed on `previous`. `None` for those that nobody is mailed: INIT, and STOP like
    /// keepalived.
    pub(crate) fn new(occasion: &Occasion, previous: Told, writer: Writer<'_>) -> Option<Self> {
        let state = occasion.to();
        let (kind, name, first) = match (occasion.subject(), state) {
            (_, Told::Init | Told::Stop) => return None,
            (Subject::Instance(name), Told::Master) => {
                ("Instance", name.to_string(), "VRRP Instance is now owning VRRP VIPs".to_owned())
            }
            (Subject::Instance(name), Told::Backup | Told::Fault) => {
                ("Instance", name.to_string(), "VRRP Instance is no longer owning VRRP VIPs".to_owned())
            }
            (Subject::Group(name), Told::Master | Told::Backup | Told::Fault) => {
                let first = format!("All VRRP group instances are now in {state} state");
                ("Group", name.to_string(), first)
            }
        };
        let label = shortened(writer.label, MAX_LABEL);
        let subject = format!("[{label}] VRRP {kind} {name} - Entering {state} state");
        let mut body = format!("=> {first} <=\n\n");
        let mut line =
            |what: &str, value: &str| body.push_str(&format!("{:<10}{value}\n", format!("{what}:")));
        line("Host", &shortened(writer.host, MAX_LABEL));
        line(kind, &name);
        line("State", &format!("{state}, after {previous}"));
        line("Cause", &shortened(&occasion.cause().text, MAX_CAUSE));
        if let Some(priority) = occasion.priority() {
            line("Priority", &priority.to_string());
        }
        line("Time", occasion.at());
        Some(Self { id: writer.id.to_owned(), date: writer.date, subject, body })
    }

    /// What is mailed for the asking, at such a time.
    pub(crate) fn test(writer: Writer<'_>, time: &str) -> Self {
        let (label, host) = (shortened(writer.label, MAX_LABEL), shortened(writer.host, MAX_LABEL));
        let subject = format!("[{label}] Test of mail about states");
        let body =
            format!("=> Nothing has happened <=\n\nSomebody ran `notifierd mail` on {host} at {time}.\n");
        Self { id: writer.id.to_owned(), date: writer.date, subject, body }
    }

    /// As the process that hands it in reads it; `None` if it is too long for that, which its parts don't let it be.
    pub(crate) fn line(&self) -> Option<Vec<u8>> {
        json::line(self).ok().filter(|line| line.len() <= MAX_INPUT)
    }
}

/// On one line, without control characters, and not longer than that.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use ipc::events::{Event, GroupEvent};
    use model::{Cause, Evidence, GroupName, InstanceName};

    use super::*;

    const WRITER: Writer<'_> = Writer { label: "R1", host: "fw1", id: "1.2.3", date: 0 };

    fn instance(name: &str, to: Told, cause: &str) -> Occasion {
        Occasion::Instance(Event {
            sequence: 7,
            instance: InstanceName::new(name).unwrap(),
            from: Told::Init,
            to,
            priority: model::Priority(120),
            cause: Cause { code: "peer-silent".into(), text: cause.into() },
            evidence: Evidence::default(),
            at: "2026-01-01T00:00:03.570Z".into(),
            monotonic: 1,
        })
    }

    fn group(to: Told) -> Occasion {
        Occasion::Group(GroupEvent {
            sequence: 8,
            group: GroupName::new("pair").unwrap(),
            from: Told::Init,
            to,
            cause: Cause { code: "peer-silent".into(), text: "nobody speaks".into() },
            at: "2026-01-01T00:00:03.571Z".into(),
            monotonic: 1,
        })
    }

    #[test]
    fn an_instance_is_told_of_with_cause_and_time() {
        let letter =
            Letter::new(&instance("api_vip", Told::Master, "nobody speaks"), Told::Backup, WRITER).unwrap();
        assert_eq!(letter.subject, "[R1] VRRP Instance api_vip - Entering MASTER state");
        assert_eq!(
            letter.body,
            "=> VRRP Instance is now owning VRRP VIPs <=\n\n\
             Host:     fw1\nInstance: api_vip\nState:    MASTER, after BACKUP\nCause:    nobody speaks\n\
             Priority: 120\nTime:     2026-01-01T00:00:03.570Z\n"
        );
        let letter = Letter::new(&instance("a", Told::Fault, ""), Told::Master, WRITER).unwrap();
        assert!(
            letter.body.starts_with("=> VRRP Instance is no longer owning VRRP VIPs <=\n"),
            "{}",
            letter.body
        );
    }

    #[test]
    fn a_group_is_told_of_without_a_priority() {
        let letter = Letter::new(&group(Told::Fault), Told::Backup, WRITER).unwrap();
        assert_eq!(letter.subject, "[R1] VRRP Group pair - Entering FAULT state");
        assert!(
            letter.body.starts_with("=> All VRRP group instances are now in FAULT state <=\n"),
            "{}",
            letter.body
        );
        assert!(!letter.body.contains("Priority"), "{}", letter.body);
    }

    #[test]
    fn nobody_is_mailed_what_keepalived_mails_nobody() {
        for state in [Told::Init, Told::Stop] {
            assert_eq!(Letter::new(&group(state), Told::Backup, WRITER), None);
        }
    }

    #[test]
    fn the_longest_letter_can_be_handed_over() {
        let (label, name) = ("\u{1F600}".repeat(9999), "\u{1F600}".repeat(63));
        let long = Writer { label: &label, host: &label, ..WRITER };
        let letter = Letter::new(&instance(&name, Told::Master, &label), Told::Backup, long).unwrap();
        assert!(letter.line().is_some(), "{}", json::line(&letter).unwrap().len());
        assert!(Letter::test(long, "2026-01-01T00:00:03.570Z").line().is_some());
        let sly = instance("a", Told::Master, "one\r\n.\r\nQUIT\u{7}");
        let letter = Letter::new(&sly, Told::Backup, WRITER).unwrap();
        assert!(letter.body.contains("Cause:    one  .  QUIT \n"), "{}", letter.body);
    }
}
