//! The event feed: numbers transitions, remembers how every instance and every sync group is, for whoever subscribes.
//!
//! State is published, not only announced (pain C2): a subscriber first gets a snapshot, and one that reads
//! too slowly gets a new snapshot in place of what it missed. One that comes back is given what it missed (`past.rs`).
//! Sans I/O: transitions in, lines out.

use std::collections::HashMap;

use ipc::events::{Event, GroupEvent, GroupState, InstanceState, Message, Notice, Snapshot, Told};
use model::{Cause, Evidence, Instant, Priority, State};
use vrrp::{CoreConfig, GroupId, GroupTransition, InstanceId, Transition};

use crate::past::Past;

/// A moment, in both forms that an event carries.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// RFC 3339, for people.
    pub(crate) wall: String,
    /// For arithmetic.
    pub(crate) boot: Instant,
}

/// The feed's memory.
#[derive(Debug)]
pub(crate) struct Feed {
    boot: String,
    sequence: u64,
    past: Past,
    states: Vec<InstanceState>,
    groups: Vec<GroupState>,
}

impl Feed {
    /// Everybody starts as INIT. `boot` is another one in each life of a vrrp-core.
    pub(crate) fn new(core: &CoreConfig, boot: String, at: &Moment) -> Self {
        let (states, groups) = (Vec::new(), Vec::new());
        let mut feed = Self { boot, sequence: 0, past: Past::default(), states, groups };
        feed.begin(core, at, "vrrp-core has just started");
        feed
    }

    /// Whose numbers these are.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Keeps an event, as it is sent, for those who come back.
    pub(crate) fn remember(&mut self, sequence: u64, line: &[u8]) {
        self.past.remember(sequence, line.to_vec());
    }

    /// What somebody gets who followed a feed before: that it goes on, and the lines that it missed. `None` if it needs a
    /// snapshot.
    pub(crate) fn resume(&self, boot: &str, after: u64) -> Option<(Message, Vec<u8>)> {
        let missed = if boot == self.boot { self.past.after(after) } else { None };
        missed.map(|missed| (Message::Resumed { after, sequence: self.sequence }, missed))
    }

    /// Another configuration runs: those that go on are as they were, under their new names; others start as INIT. The
    /// lists say where each of before is now. It takes a number: who hasn't seen the snapshot that follows needs one.
    pub(crate) fn reconfigure(
        &mut self,
        core: &CoreConfig,
        instances: &[Option<InstanceId>],
        groups: &[Option<GroupId>],
        at: &Moment,
    ) {
        self.sequence += 1;
        self.past.begin_at(self.sequence);
        let (states, group_states) = (std::mem::take(&mut self.states), std::mem::take(&mut self.groups));
        self.begin(core, at, "it has just come into the configuration");
        for (before, is) in states.into_iter().zip(instances) {
            if let Some(state) = is.and_then(|is| self.states.get_mut(is.0)) {
                *state = InstanceState { instance: state.instance.clone(), ..before };
            }
        }
        for (before, is) in group_states.into_iter().zip(groups) {
            if let Some(state) = is.and_then(|is| self.groups.get_mut(is.0)) {
                *state = GroupState { group: state.group.clone(), ..before };
            }
        }
    }

    fn begin(&mut self, core: &CoreConfig, at: &Moment, why: &str) {
        let cause = Cause { code: "started".into(), text: why.into() };
        let states = core.instances.iter().map(|instance| InstanceState {
            instance: instance.name.clone(),
            state: Told::from(State::Init),
            priority: instance.priority,
            cause: cause.clone(),
            since: at.wall.clone(),
        });
        let groups = core.groups.iter().map(|group| GroupState {
            group: group.name.clone(),
            state: Told::from(State::Init),
            cause: cause.clone(),
            since: at.wall.clone(),
        });
        (self.states, self.groups) = (states.collect(), groups.collect());
    }

    /// Takes a transition and gives the event for subscribers; `None` for an instance that isn't there.
    pub(crate) fn record(&mut self, transition: &Transition, at: &Moment) -> Option<Event> {
        let state = self.states.get_mut(transition.instance.0)?;
        self.sequence += 1;
        let from = state.state;
        state.state = transition.to.map_or(Told::Stop, Told::from);
        state.priority = transition.priority;
        state.cause = transition.cause.clone();
        state.since.clone_from(&at.wall);
        Some(Event {
            sequence: self.sequence,
            instance: state.instance.clone(),
            from,
            to: state.state,
            priority: state.priority,
            cause: state.cause.clone(),
            evidence: transition.evidence.clone(),
            at: at.wall.clone(),
            monotonic: at.boot.as_nanos(),
        })
    }

    /// Takes what happened within a state, and gives the notice for subscribers.
    pub(crate) fn record_notice(
        &mut self,
        (instance, priority): (InstanceId, Priority),
        (cause, evidence): (Cause, Evidence),
        at: &Moment,
    ) -> Option<Notice> {
        let state = self.states.get_mut(instance.0)?;
        self.sequence += 1;
        state.priority = priority;
        Some(Notice {
            sequence: self.sequence,
            instance: state.instance.clone(),
            state: state.state,
            priority,
            cause,
            evidence,
            at: at.wall.clone(),
            monotonic: at.boot.as_nanos(),
        })
    }

    /// The same for a sync group.
    pub(crate) fn record_group(&mut self, transition: &GroupTransition, at: &Moment) -> Option<GroupEvent> {
        let state = self.groups.get_mut(transition.group.0)?;
        self.sequence += 1;
        let from = state.state;
        state.state = transition.to.map_or(Told::Stop, Told::from);
        state.cause = transition.cause.clone();
        state.since.clone_from(&at.wall);
        Some(GroupEvent {
            sequence: self.sequence,
            group: state.group.clone(),
            from,
            to: state.state,
            cause: state.cause.clone(),
            at: at.wall.clone(),
            monotonic: at.boot.as_nanos(),
        })
    }

    /// How everything is now.
    pub(crate) fn snapshot(&self) -> Message {
        let (instances, groups) = (self.states.clone(), self.groups.clone());
        Message::Snapshot(Snapshot { boot: self.boot.clone(), sequence: self.sequence, instances, groups })
    }

    /// Since when the instance is as it is.
    pub(crate) fn since(&self, instance: InstanceId) -> Option<&str> {
        self.states.get(instance.0).map(|state| state.since.as_str())
    }

    /// Since when the group is as it is.
    pub(crate) fn group_since(&self, group: GroupId) -> Option<&str> {
        self.groups.get(group.0).map(|state| state.since.as_str())
    }

    /// How many instances are in each state, in one line for the service manager.
    pub(crate) fn summary(&self) -> String {
        let mut counts: HashMap<Told, usize> = HashMap::new();
        for state in &self.states {
            *counts.entry(state.state).or_default() += 1;
        }
        let told = [Told::Master, Told::Backup, Told::Fault, Told::Init, Told::Stop];
        let parts: Vec<String> =
            told.iter().filter_map(|told| counts.get(told).map(|count| format!("{count} {told}"))).collect();
        if parts.is_empty() { "no instances".to_owned() } else { parts.join(", ") }
    }

    /// A change of priority without a change of state is part of the snapshot, too.
    pub(crate) fn set_priority(&mut self, instance: InstanceId, priority: Priority) {
        if let Some(state) = self.states.get_mut(instance.0) {
            state.priority = priority;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> (Feed, Moment) {
        let text = "
vrrp_sync_group pair { group { one two } }
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } }
vrrp_instance two { interface eth0 \n virtual_router_id 6 \n virtual_ipaddress { 10.0.0.2/32 } }
";
        let config = config::parse("test.conf", text).config.expect("valid");
        let setup = crate::setup::Setup::new(&config);
        let at = Moment { wall: "2026-01-01T00:00:00.000Z".into(), boot: Instant::from_nanos(7) };
        (Feed::new(&setup.core, "b0".to_owned(), &at), at)
    }

    fn transition(to: Option<State>) -> Transition {
        Transition {
            instance: InstanceId(0),
            from: State::Init,
            to,
            cause: Cause { code: "peer-silent".into(), text: "why".into() },
            priority: Priority(120),
            evidence: Evidence { waited_ms: Some(3571), ..Evidence::default() },
        }
    }

    #[test]
    fn events_are_numbered_without_a_gap() {
        let (mut feed, at) = feed();
        let first = feed.record(&transition(Some(State::Backup)), &at).unwrap();
        let second = feed.record(&transition(Some(State::Master)), &at).unwrap();
        assert_eq!((first.sequence, second.sequence), (1, 2));
        assert_eq!((second.from, second.to), (Told::Backup, Told::Master));
        let Message::Snapshot(snapshot) = feed.snapshot() else { panic!("not a snapshot") };
        assert_eq!((snapshot.sequence, snapshot.instances[0].state), (2, Told::Master));
        assert_eq!(feed.summary(), "1 MASTER, 1 INIT");
    }

    #[test]
    fn another_configuration_leaves_who_goes_on_as_it_was() {
        let (mut feed, at) = feed();
        feed.record(&transition(Some(State::Master)), &at);
        let text =
            "vrrp_instance new { interface eth0 \n virtual_router_id 7 \n virtual_ipaddress { 10.0.0.3 } }
vrrp_instance uno { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1 } }\n";
        let setup = crate::setup::Setup::new(&config::parse("test.conf", text).config.expect("valid"));
        feed.reconfigure(&setup.core, &[Some(InstanceId(1)), None], &[None], &at);
        let Message::Snapshot(snapshot) = feed.snapshot() else { panic!("not a snapshot") };
        let states: Vec<_> = snapshot.instances.iter().map(|it| (it.instance.as_str(), it.state)).collect();
        assert_eq!(states, [("new", Told::Init), ("uno", Told::Master)]);
        assert_eq!(
            (snapshot.sequence, snapshot.groups.len()),
            (2, 0),
            "numbers go on, and the reload has one"
        );
        assert!(feed.resume("b0", 1).is_none(), "who was away gets the new names first");
        assert!(feed.resume("b0", 2).is_some());
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_or_a_snapshot() {
        let (mut feed, at) = feed();
        for to in [State::Backup, State::Master] {
            let event = feed.record(&transition(Some(to)), &at).unwrap();
            feed.remember(event.sequence, format!("{}\n", event.to).as_bytes());
        }
        let resumed = Message::Resumed { after: 1, sequence: 2 };
        assert_eq!(feed.resume("b0", 1), Some((resumed, b"MASTER\n".to_vec())));
        assert_eq!(feed.resume("b1", 1), None, "another life counts anew");
        assert_eq!(feed.resume("b0", 3), None, "nobody can have seen that");
    }

    #[test]
    fn groups_are_numbered_along_with_their_members() {
        let (mut feed, at) = feed();
        let cause = Cause { code: "peer-silent".into(), text: "why".into() };
        let (group, to) = (GroupId(0), Some(State::Backup));
        let transition_of_group = GroupTransition { group, from: State::Init, to, cause };
        assert_eq!(feed.record(&transition(Some(State::Backup)), &at).map(|event| event.sequence), Some(1));
        let event = feed.record_group(&transition_of_group, &at).unwrap();
        assert_eq!((event.sequence, event.from, event.to), (2, Told::Init, Told::Backup));
        let Message::Snapshot(snapshot) = feed.snapshot() else { panic!("not a snapshot") };
        assert_eq!((snapshot.sequence, snapshot.groups[0].state), (2, Told::Backup));
        assert_eq!(snapshot.groups[0].cause.code, "peer-silent");
        let ended = GroupTransition { to: None, ..transition_of_group.clone() };
        assert_eq!(feed.record_group(&ended, &at).map(|event| event.to), Some(Told::Stop));
        let unknown = GroupTransition { group: GroupId(1), ..transition_of_group };
        assert!(feed.record_group(&unknown, &at).is_none());
    }

    #[test]
    fn an_instance_that_ends_is_told_as_stop() {
        let (mut feed, at) = feed();
        assert_eq!(feed.record(&transition(None), &at).unwrap().to, Told::Stop);
        let unknown = Transition { instance: InstanceId(9), ..transition(None) };
        assert!(feed.record(&unknown, &at).is_none());
    }
}
