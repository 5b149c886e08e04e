//! What happens, from three witnesses: each node's event feed, the wire, and the client.
//!
//! Tells it as it comes, and remembers what the acts are judged by. The wire is a witness of its own: a node that says
//! MASTER and sends nothing, or the other way round, shows.

use std::collections::BTreeMap;
use std::time::Duration;

use ::lab::{Frame, Packet};
use ipc::events::{Message, Told};
use model::Instant;

use super::floor::seconds;
use super::plan::CLIENT;
use super::probe;
use super::stage::Stage;
use super::timeline::Timeline;

/// A pause between two answers that is worth a line: far above the probe's interval, far below any failover.
const NOTABLE: Duration = Duration::from_millis(100);
/// How long news wait to be told, so that witnesses who need longer to report are told in the right order.
const HOLD: Duration = Duration::from_millis(60);
/// The adverts' place for the VRID and the priority (RFC 9568 5.1).
const VRID_BYTE: usize = 1;
const PRIORITY_BYTE: usize = 2;

/// Something to tell.
type News = (Instant, String, String, String);

/// What is known now.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) timeline: Timeline,
    /// Node and instance.
    states: BTreeMap<(String, String), (Told, String)>,
    /// Node and VRID.
    advertised: BTreeMap<(String, u8), u8>,
    last_answer: Option<(Instant, String)>,
    silent: bool,
    /// What happened and hasn't been told.
    news: Vec<News>,
    /// The longest pause since the last mark.
    longest: Duration,
    marked: Instant,
}

impl Watch {
    pub(super) fn new() -> Self {
        let timeline = Timeline::start();
        Self {
            timeline,
            states: BTreeMap::new(),
            advertised: BTreeMap::new(),
            last_answer: None,
            silent: false,
            news: Vec::new(),
            longest: Duration::ZERO,
            marked: Instant::ZERO,
        }
    }

    /// Looks at everything that is new.
    pub(super) fn look(&mut self, stage: &mut Stage<'_>) -> Result<(), String> {
        for index in 0..stage.actors.len() {
            let lines = stage.feed(index).map_err(|error| error.to_string())?;
            let node =
                stage.actors.get(index).filter(|actor| actor.alive).map(|actor| actor.node.name.clone());
            let Some(node) = node else { continue };
            for line in lines {
                // What isn't a message is a complaint that nobody listens yet.
                if let Ok(message) = ipc::json::parse::<Message>(line.text.as_bytes()) {
                    self.hear(&node, line.at, message);
                }
            }
        }
        for frame in stage.capture.take() {
            self.overhear(&frame);
        }
        for line in stage.answers() {
            if let Some((at, name)) = probe::parse(&line.text) {
                self.answered(at, name);
            }
        }
        self.notice_silence();
        self.tell_until(sys::clock::now() - HOLD);
        Ok(())
    }

    /// Something that the rehearsal itself did.
    pub(super) fn note(&mut self, who: &str, what: &str, text: &str) {
        self.news.push((sys::clock::now(), who.to_owned(), what.to_owned(), text.to_owned()));
    }

    /// Tells what there is, before something else is printed.
    pub(super) fn tell_all(&mut self) {
        self.tell_until(Instant::from_nanos(u64::MAX));
    }

    fn tell_until(&mut self, limit: Instant) {
        self.news.sort();
        let later = self.news.split_off(self.news.partition_point(|(at, ..)| *at <= limit));
        for (at, who, what, text) in std::mem::replace(&mut self.news, later) {
            self.timeline.line(at, &who, &what, &text);
        }
    }

    fn hear(&mut self, node: &str, at: Instant, message: Message) {
        match message {
            Message::Event(event) => {
                let text = format!("{} with priority {}: {}", event.instance, event.priority, event.cause);
                let at = Instant::from_nanos(event.monotonic);
                self.become_state(node, event.instance.as_str(), (event.to, text), at);
            }
            Message::GroupEvent(event) => {
                let text = format!("sync group {}: {}", event.group, event.cause);
                let at = Instant::from_nanos(event.monotonic);
                self.news.push((at, node.to_owned(), event.to.to_string(), text));
            }
            Message::LowerMaster(notice) | Message::Priority(notice) => {
                let text = format!("{}: {}", notice.instance, notice.cause);
                let at = Instant::from_nanos(notice.monotonic);
                self.news.push((at, node.to_owned(), notice.state.to_string(), text));
            }
            Message::Snapshot(snapshot) => {
                for it in snapshot.instances {
                    let text = format!("{} with priority {}: {}", it.instance, it.priority, it.cause);
                    self.become_state(node, it.instance.as_str(), (it.state, text), at);
                }
            }
            Message::Hello(_)
            | Message::Status(_)
            | Message::Reload(_)
            | Message::Done { .. }
            | Message::Resumed { .. }
            | Message::Prelude(_)
            | Message::Startup { .. }
            | Message::Stopping
            | Message::Error { .. } => {}
        }
    }

    fn become_state(&mut self, node: &str, instance: &str, state: (Told, String), at: Instant) {
        let known = self.states.insert((node.to_owned(), instance.to_owned()), state.clone());
        // That a core has just started is no news.
        if state.0 != Told::Init && known.is_none_or(|(before, _)| before != state.0) {
            self.news.push((at, node.to_owned(), state.0.to_string(), state.1));
        }
    }

    fn overhear(&mut self, frame: &Frame) {
        let Packet::Vrrp { message, .. } = &frame.packet else { return };
        let (Some(vrid), Some(priority)) = (message.get(VRID_BYTE), message.get(PRIORITY_BYTE)) else {
            return;
        };
        match self.advertised.insert((frame.host.clone(), *vrid), *priority) {
            Some(before) if before != *priority => {
                let text = format!("VRID {vrid} with priority {priority} instead of {before}");
                self.news.push((frame.at, frame.host.clone(), "advert".to_owned(), text));
            }
            Some(_) => {}
            None => {
                let text = format!("VRID {vrid} with priority {priority}, its first");
                self.news.push((frame.at, frame.host.clone(), "advert".to_owned(), text));
            }
        }
    }

    fn answered(&mut self, at: Instant, name: &str) {
        let told = match &self.last_answer {
            None => Some(format!("by {name} for the first time")),
            Some((last, before)) => {
                let pause = at.since(*last);
                if at > self.marked {
                    self.longest = self.longest.max(pause);
                }
                (before != name || pause >= NOTABLE).then(|| format!("by {name}, after {}", seconds(pause)))
            }
        };
        if let Some(text) = told {
            self.news.push((at, CLIENT.to_owned(), "served".to_owned(), text));
        }
        // Two answers may overtake each other on the way to us.
        let last = self.last_answer.take().map_or(at, |(last, _)| last.max(at));
        self.last_answer = Some((last, name.to_owned()));
        self.silent = false;
    }

    fn notice_silence(&mut self) {
        let Some((last, _)) = &self.last_answer else { return };
        if !self.silent && sys::clock::now().since(*last) > NOTABLE * 2 {
            self.silent = true;
            self.news.push((
                *last,
                CLIENT.to_owned(),
                "silence".to_owned(),
                "the last answer for now".to_owned(),
            ));
        }
    }

    /// Begins to measure pauses anew, as of now.
    pub(super) fn mark(&mut self) {
        self.marked = sys::clock::now();
        self.longest = Duration::ZERO;
    }

    /// The longest pause between two answers since the mark, one that still lasts included; `None` without any answer.
    pub(super) fn longest_pause(&self) -> Option<Duration> {
        let (last, _) = self.last_answer.as_ref()?;
        Some(self.longest.max(sys::clock::now().since(*last)))
    }

    /// Who answered last, if that was after the mark.
    pub(super) fn server(&self) -> Option<&str> {
        self.last_answer.as_ref().filter(|(at, _)| *at > self.marked).map(|(_, name)| name.as_str())
    }

    /// What a node says of itself.
    pub(super) fn state(&self, node: &str, instance: &str) -> Option<Told> {
        self.states.get(&(node.to_owned(), instance.to_owned())).map(|(state, _)| *state)
    }

    /// The priority of a node's last advert.
    pub(super) fn advertised(&self, node: &str, vrid: u8) -> Option<u8> {
        self.advertised.get(&(node.to_owned(), vrid)).copied()
    }

    /// A node was killed: what it said doesn't count any more.
    pub(super) fn forget(&mut self, node: &str) {
        self.states.retain(|(of, _), _| of != node);
        self.advertised.retain(|(of, _), _| of != node);
    }

    /// What every node said last, for whom the outcome surprises.
    pub(super) fn last_words(&self) -> Vec<String> {
        let words = self.states.iter().map(|((node, _), (state, text))| format!("{node} is {state}: {text}"));
        words.collect()
    }
}
