//! Why a state is what it is, with the evidence, in the words that status, history, logs and hooks show.
//!
//! The codes are stable and documented (docs/events.md); the sentences may be improved at any time.

use std::net::IpAddr;
use std::time::Duration;

use model::{Evidence, InstanceName, LinkName, Priority};

use crate::eligibility::Reason;
use crate::plan::Aspect;

/// How many things a sentence names before it only counts them.
const MAX_NAMED: usize = 5;

/// What made a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing is known yet.
    Started,
    /// These keep it from taking part.
    NotEligible(Vec<Reason>),
    /// Every condition is met, now listening this long for a master. `refused`: its addresses were, so it preempts none.
    Eligible { listening: Duration, refused: bool },
    /// Start-up of the owner (V3-FSM-1).
    Owner,
    /// The addresses are still held from a core that died a moment ago.
    Resumed,
    /// The down timer fired: the master has fallen silent (V3-FSM-4).
    Silent { source: IpAddr, priority: Priority, silence: Duration, interval: Duration },
    /// The down timer fired: the master said goodbye and nobody better took over (V3-FSM-5).
    Resigned { source: IpAddr, waited: Duration },
    /// The down timer fired: only a lower priority was heard (V3-FSM-7).
    Preempting { source: IpAddr, priority: Priority, own: Priority },
    /// The down timer fired: nothing was ever heard.
    Unheard { listened: Duration },
    /// The down timer fired: nothing at all came in on a link that came up.
    Deaf { listened: Duration, link: LinkName },
    /// Somebody better is master (V3-FSM-11).
    Outranked { source: IpAddr, priority: Priority, own: Priority },
    /// We slept while a peer could have taken over.
    Stalled { late: Duration },
    /// Another member of its sync group moved first.
    Group { leader: InstanceName, cause: Box<Self> },
    /// ipmgr took the addresses away by itself.
    Abandoned,
    /// V3-FSM-8, V3-FSM-13.
    Shutdown,
    /// It is in the configuration no longer.
    Removed,
    /// It begins anew with another configuration: these can't change in place.
    Restarted(Vec<Aspect>),
}

impl Cause {
    /// Something that happened to another member of its sync group.
    pub(crate) fn is_second_hand(&self) -> bool {
        match self {
            Self::Group { .. } => true,
            Self::NotEligible(reasons) => reasons.iter().all(Reason::is_second_hand),
            Self::Started
            | Self::Eligible { .. }
            | Self::Owner
            | Self::Resumed
            | Self::Silent { .. }
            | Self::Resigned { .. }
            | Self::Preempting { .. }
            | Self::Unheard { .. }
            | Self::Deaf { .. }
            | Self::Outranked { .. }
            | Self::Stalled { .. }
            | Self::Abandoned
            | Self::Shutdown
            | Self::Removed
            | Self::Restarted(_) => false,
        }
    }

    /// What it rests on, for programs.
    pub(crate) fn evidence(&self) -> Evidence {
        let none = Evidence::default();
        let heard = |source: &IpAddr, priority: &Priority| Evidence {
            router: Some(*source),
            router_priority: Some(*priority),
            ..Evidence::default()
        };
        match self {
            Self::NotEligible(reasons) => {
                Evidence { reasons: telling(reasons).take(MAX_NAMED).map(Reason::cause).collect(), ..none }
            }
            Self::Silent { source, priority, silence, .. } => {
                Evidence { waited_ms: Some(millis(*silence)), ..heard(source, priority) }
            }
            Self::Resigned { source, waited } => {
                Evidence { router: Some(*source), waited_ms: Some(millis(*waited)), ..none }
            }
            Self::Preempting { source, priority, .. } | Self::Outranked { source, priority, .. } => {
                heard(source, priority)
            }
            Self::Unheard { listened } | Self::Deaf { listened, .. } => {
                Evidence { waited_ms: Some(millis(*listened)), ..none }
            }
            Self::Stalled { late } => Evidence { waited_ms: Some(millis(*late)), ..none },
            Self::Group { leader, cause } => Evidence { leader: Some(leader.clone()), ..cause.evidence() },
            Self::Started
            | Self::Eligible { .. }
            | Self::Owner
            | Self::Resumed
            | Self::Abandoned
            | Self::Shutdown
            | Self::Removed
            | Self::Restarted(_) => none,
        }
    }

    /// In the words that cross a process border.
    pub(crate) fn told(&self) -> model::Cause {
        let (code, text) = match self {
            Self::Started => ("started", "started; nothing is known yet".to_owned()),
            Self::NotEligible(reasons) => return join(reasons),
            Self::Eligible { listening, refused: false } => {
                ("eligible", format!("nothing is in the way; listening {} for a master", seconds(*listening)))
            }
            Self::Eligible { listening, refused: true } => (
                "eligible",
                format!(
                    "its addresses were refused before, so it preempts nobody; listening {} for a master",
                    seconds(*listening)
                ),
            ),
            Self::Owner => ("owner", "owner of the addresses (priority 255)".to_owned()),
            Self::Resumed => ("resumed", "the addresses were still held here after a restart".to_owned()),
            Self::Silent { source, priority, silence, interval } => (
                "peer-silent",
                format!(
                    "no advert from {source} (priority {priority}) for {}; its interval is {}",
                    seconds(*silence),
                    seconds(*interval)
                ),
            ),
            Self::Resigned { source, waited } => (
                "peer-resigned",
                format!(
                    "{source} stopped being master (priority 0), and nobody better spoke for {}",
                    seconds(*waited)
                ),
            ),
            Self::Preempting { source, priority, own } => {
                ("preempting", format!("{source} advertises priority {priority}, lower than our {own}"))
            }
            Self::Unheard { listened } => {
                ("no-master", format!("no master was heard for {}", seconds(*listened)))
            }
            Self::Deaf { listened, link } => (
                "link-silent",
                format!(
                    "nothing at all came in on {link} for {} since it came up; not waiting any longer",
                    seconds(*listened)
                ),
            ),
            Self::Outranked { source, priority, own } if priority == own => (
                "outranked",
                format!("{source} advertises the same priority {priority} from a greater address"),
            ),
            Self::Outranked { source, priority, own } => {
                ("outranked", format!("{source} advertises priority {priority}, higher than our {own}"))
            }
            Self::Stalled { late } => (
                "stalled",
                format!("woke {} too late, when a peer may have taken over; listening first", seconds(*late)),
            ),
            Self::Group { leader, cause } => {
                ("group", format!("with {leader} of its sync group: {}", cause.told().text))
            }
            Self::Abandoned => {
                ("ipmgr-gave-up", "ipmgr took the addresses away: it had not heard from us".to_owned())
            }
            Self::Shutdown => ("shutdown", "stopping".to_owned()),
            Self::Removed => ("removed", "it is no longer in the configuration".to_owned()),
            Self::Restarted(changed) => {
                let what = enumerate(changed.iter().map(Aspect::to_string), ", ");
                ("reconfigured", format!("begins anew: its configuration has another {what}"))
            }
        };
        model::Cause { code: code.to_owned(), text }
    }
}

/// The first reason's code, and the sentences.
fn join(reasons: &[Reason]) -> model::Cause {
    let first = telling(reasons).next();
    let code = first.map_or_else(|| "eligible".to_owned(), |first| first.cause().code);
    let text = enumerate(telling(reasons).map(|reason| reason.cause().text), "; ");
    model::Cause { code, text }
}

/// What is waited for tells nothing where something is known to be wrong.
fn telling(reasons: &[Reason]) -> impl Iterator<Item = &Reason> {
    let all_wait = reasons.iter().all(Reason::is_waiting);
    reasons.iter().filter(move |reason| all_wait || !reason.is_waiting())
}

/// The first few of many texts, and how many more there are.
pub(crate) fn enumerate(mut texts: impl Iterator<Item = String>, separator: &str) -> String {
    let named: Vec<_> = texts.by_ref().take(MAX_NAMED).collect();
    match texts.count() {
        0 => named.join(separator),
        more => format!("{}{separator}and {more} more", named.join(separator)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `1 s`, `3.571 s`: milliseconds are what a person can use.
pub(crate) fn seconds(duration: Duration) -> String {
    let millis = duration.as_millis();
    match (millis / 1000, millis % 1000) {
        (whole, 0) => format!("{whole} s"),
        (whole, rest) => {
            let fraction = format!("{rest:03}");
            format!("{whole}.{} s", fraction.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (millis, text) in
            [(0, "0 s"), (10, "0.01 s"), (1000, "1 s"), (3571, "3.571 s"), (10_500, "10.5 s")]
        {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let texts = |n: usize| (1..=n).map(|i| i.to_string());
        assert_eq!(enumerate(texts(5), ", "), "1, 2, 3, 4, 5");
        assert_eq!(enumerate(texts(7), ", "), "1, 2, 3, 4, 5, and 2 more");
    }

    #[test]
    fn silence_is_told_with_its_evidence() {
        let cause = Cause::Silent {
            source: "192.168.1.2".parse().unwrap(),
            priority: Priority(120),
            silence: Duration::from_millis(3571),
            interval: Duration::from_secs(1),
        };
        let told = cause.told();
        assert_eq!(told.code, "peer-silent");
        assert_eq!(told.text, "no advert from 192.168.1.2 (priority 120) for 3.571 s; its interval is 1 s");
        let evidence = cause.evidence();
        assert_eq!(evidence.router, "192.168.1.2".parse().ok());
        assert_eq!((evidence.router_priority, evidence.waited_ms), (Some(Priority(120)), Some(3571)));
        let leader = InstanceName::new("lan").unwrap();
        let followed = Cause::Group { leader: leader.clone(), cause: Box::new(cause) };
        assert_eq!(followed.evidence(), Evidence { leader: Some(leader), ..evidence });
    }
}
