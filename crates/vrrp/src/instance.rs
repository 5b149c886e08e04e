//! One virtual router: what it knows, and how it speaks. What it *decides* is in `machine.rs`.
//!
//! It must never write its state outside of [`Instance::transition`]. RFC 9568 sections 5 and 6.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Credential, Instant, Priority, ProtocolVersion, Secret};

use crate::ah::{self, IpHeader, Sequence};
use crate::cause::Cause;
use crate::door::{
    InstanceConfig, InstanceId, LinkId, Notice, OrderNumber, Output, Packet, Transition, Transmit,
};
use crate::eligibility::{self, Facts, Manager, OwnFacts, Reason};
use crate::handover::Keeping;
use crate::packet::{self, AddressList, Advert, Authentication, Dialect, Unsendable};
use crate::receive::{self, Heard, Own, Rejected};
use crate::refusal::Refusals;
use crate::remarks::{Remark, Remarks};
use crate::roles::RoleChecks;
use crate::state::{Holding, State};
use crate::status::{InstanceView, MasterView};
use crate::timers;
use crate::withdrawal::Withdrawal;

/// What the core wants done, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) outputs: VecDeque<Output>,
    last_order: OrderNumber,
}

impl Outbox {
    pub(crate) fn order(&mut self) -> OrderNumber {
        self.last_order = OrderNumber(self.last_order.0.saturating_add(1));
        self.last_order
    }
}

/// One input's time, the facts around the instance, and where outputs go.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) facts: Facts<'a>,
    pub(crate) out: &'a mut Outbox,
}

/// One virtual router.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) config: InstanceConfig,
    /// The configured addresses as they stand in an advert.
    addresses: Vec<u8>,
    /// The state of RFC 9568 section 6; written by `transition`, its timers by the machine's `keep_*`.
    pub(crate) state: State,
    /// The state as told; `None` when stopped for good.
    told: Option<model::State>,
    cause: Cause,
    since: Instant,
    /// After all weights.
    pub(crate) effective: Priority,
    /// What was told last of that.
    priority_told: Priority,
    /// Where adverts are sent from.
    pub(crate) source: Option<IpAddr>,
    /// What is sent, one per destination; built when priority or source change.
    adverts: Vec<Transmit>,
    unsendable: Option<Unsendable>,
    /// What keeps it from taking part by itself.
    pub(crate) own_reasons: Vec<Reason>,
    /// What keeps it from taking part: also the other members of its sync group.
    pub(crate) reasons: Vec<Reason>,
    /// ipmgr still holds the addresses of a core that died, and nothing has been decided about them yet.
    pub(crate) held: bool,
    /// It has decided about its addresses in this life, so what ipmgr holds from a former one counts no more.
    pub(crate) decided: bool,
    /// It has given way, and keeps the addresses for its successor.
    pub(crate) keeping: Option<Keeping>,
    /// What ipmgr hasn't answered.
    pub(crate) withdrawing: Option<Withdrawal>,
    /// ipmgr may keep for a while what it has found of a life before, and isn't told yet that nobody claims it.
    pub(crate) unclaimed: bool,
    pub(crate) refusals: Refusals,
    /// Which checks count, and what it failed as master.
    pub(crate) roles: RoleChecks,
    /// Addresses that the kernel refused while it took others.
    pub(crate) refused: Vec<String>,
    pub(crate) stopping: bool,
    pub(crate) master: Option<MasterView>,
    /// When it advertised last.
    pub(crate) spoke: Instant,
    sent: u64,
    received: u64,
    /// Since when both are counted.
    counted_since: Instant,
    /// Where it is in the row of AH's sequence numbers.
    sequence: Sequence,
    remarks: Remarks,
}

impl Instance {
    /// Knows nothing of the world yet; the first [`crate::machine::Event::Facts`] follows.
    pub(crate) fn new(id: InstanceId, config: InstanceConfig, now: Instant) -> Self {
        let (addresses, unsendable) = encode_addresses(&config);
        Self {
            id,
            addresses,
            state: State::Initialize,
            told: Some(model::State::Init),
            cause: Cause::Started,
            since: now,
            effective: config.priority,
            priority_told: config.priority,
            config,
            source: None,
            adverts: Vec::new(),
            unsendable,
            own_reasons: Vec::new(),
            reasons: Vec::new(),
            held: false,
            decided: false,
            keeping: None,
            withdrawing: None,
            unclaimed: false,
            refusals: Refusals::none(),
            roles: RoleChecks::new(now),
            refused: Vec::new(),
            stopping: false,
            master: None,
            spoke: now,
            sent: 0,
            received: 0,
            counted_since: now,
            sequence: Sequence::default(),
            remarks: Remarks::default(),
        }
    }

    /// It has another place, and its link may have one, in a configuration in which it is the same.
    pub(crate) fn renumber(&mut self, id: InstanceId, link: LinkId) {
        self.id = id;
        self.config.link = link;
        for advert in &mut self.adverts {
            (advert.instance, advert.link) = (id, link);
        }
    }

    /// Takes other settings. True if what it says to its peers is different now.
    pub(crate) fn adopt(&mut self, settings: InstanceConfig, facts: &Facts<'_>) -> bool {
        let before = (std::mem::take(&mut self.adverts), self.config.credential);
        // What was refused is not the same any more.
        if self.installs_differently(&settings) {
            self.refusals = Refusals::none();
        }
        self.config = settings;
        (self.addresses, self.unsendable) = encode_addresses(&self.config);
        let last = self.source.take();
        self.refresh(facts);
        if let (None, Some(last)) = (self.source, last) {
            self.source = Some(last);
            self.adverts = self.build(last, self.effective).unwrap_or_default();
        }
        (&self.adverts, self.config.credential) != (&before.0, before.1)
    }

    pub(crate) const fn interval(&self) -> Duration {
        self.config.advert_interval
    }

    /// Skew_Time for a master's `interval`.
    pub(crate) fn skew(&self, interval: Duration) -> Duration {
        timers::skew(self.config.version, self.effective, interval)
    }

    /// Active_Down_Interval for a master's `interval`.
    pub(crate) fn down_interval(&self, interval: Duration) -> Duration {
        let missed = self.config.manners.down_timer_adverts;
        timers::down_interval(self.config.version, missed, self.effective, interval)
    }

    /// How long the master may sleep.
    pub(crate) fn stall_limit(&self, interval: Duration) -> Duration {
        timers::stall_limit(self.config.version, self.config.manners.down_timer_adverts, interval)
    }

    /// Computes source, priority, adverts and eligibility anew from all facts. True if what is advertised changed.
    pub(crate) fn refresh(&mut self, facts: &Facts<'_>) -> bool {
        // Without a source we are about to leave; the goodbye still goes out from the last one.
        let source = eligibility::source(&self.config, facts.link.fact.as_ref()).or(self.source);
        self.refusals.look(facts.link.fact.as_ref());
        let is_master = (self.told != Some(model::State::Init)).then(|| self.is_told_master());
        self.roles.look(facts.now, is_master, &self.config.checks, facts.verdicts);
        let effective = eligibility::effective_priority(&self.config, facts, &self.roles);
        let changed = source != self.source || effective != self.effective;
        self.source = source;
        self.effective = effective;
        if facts.manager == Manager::Gone {
            self.withdrawing = None;
        }
        if let Some(source) = source
            && changed
        {
            match self.build(source, effective) {
                Ok(adverts) => self.adverts = adverts,
                Err(why) => self.unsendable = Some(why),
            }
        }
        let own = OwnFacts {
            refused: self.refusals.failures(),
            unsendable: self.unsendable,
            held: self.held,
            roles: &self.roles,
        };
        self.own_reasons = eligibility::reasons(&self.config, facts, &own);
        self.reasons.clone_from(&self.own_reasons);
        if let Some(group) = &facts.group {
            self.reasons.extend(group.reasons_of_others(self.id, &self.own_reasons));
        }
        changed
    }

    /// One message per destination: each has its own checksum (V3-PKT-4).
    fn build(&self, source: IpAddr, priority: Priority) -> Result<Vec<Transmit>, Unsendable> {
        let advert = Advert {
            vrid: self.config.vrid,
            priority,
            interval: self.config.advert_interval,
            addresses: AddressList::new(self.config.family, &self.addresses),
            dialect: match (self.config.version, self.config.credential) {
                (ProtocolVersion::V2, None) => Dialect::V2(Authentication::None),
                (ProtocolVersion::V2, Some(Credential::Password(text))) => {
                    Dialect::V2(Authentication::Text(text))
                }
                (ProtocolVersion::V2, Some(Credential::AhKey(_))) => Dialect::V2(Authentication::Ah),
                (ProtocolVersion::V3, _) => Dialect::V3,
            },
        };
        let form = self.config.manners.checksum;
        let group = self.config.peers.is_empty().then_some((self.config.group, receive::TTL));
        let peers = self.config.peers.iter().map(|peer| (peer.address, self.config.unicast_ttl));
        group
            .into_iter()
            .chain(peers)
            .map(|(destination, ttl)| {
                let message = Arc::from(packet::emit(&advert, form, source, destination)?);
                let (instance, link) = (self.id, self.config.link);
                Ok(Transmit { instance, link, source, destination, ttl, sealed: None, message })
            })
            .collect()
    }

    /// The addresses as a received list is compared with.
    pub(crate) fn address_list(&self) -> AddressList<'_> {
        AddressList::new(self.config.family, &self.addresses)
    }

    /// Sends an advert to everybody.
    pub(crate) fn advertise(&mut self, turn: &mut Turn<'_>) {
        self.spoke = turn.now;
        let adverts = std::mem::take(&mut self.adverts);
        self.send(turn, adverts.iter().cloned());
        self.adverts = adverts;
    }

    /// Sends one message to each destination, all with the same sequence number if there is an authentication header.
    fn send(&mut self, turn: &mut Turn<'_>, messages: impl ExactSizeIterator<Item = Transmit>) {
        self.sent = self.sent.saturating_add(messages.len() as u64);
        let Some(Credential::AhKey(key)) = self.config.credential else {
            turn.out.outputs.extend(messages.map(Output::Transmit));
            return;
        };
        let sequence = self.sequence.next(turn.now, turn.facts.wall_at_zero);
        turn.out.outputs.extend(messages.map(|message| Output::Transmit(sealed(message, sequence, key))));
    }

    /// Sends an advert with priority 0 (V3-FSM-13).
    pub(crate) fn say_goodbye(&mut self, turn: &mut Turn<'_>) {
        // What could be sent with one priority can be sent with another.
        let goodbyes =
            self.source.and_then(|source| self.build(source, Priority::STOP).ok()).unwrap_or_default();
        self.send(turn, goodbyes.into_iter());
    }

    /// The only writer of the state. Tells everybody.
    pub(crate) fn transition(&mut self, turn: &mut Turn<'_>, to: State, cause: Cause) {
        self.state = to;
        self.cause = cause;
        self.tell_again(turn);
    }

    /// Tells the state if it reads differently now.
    pub(crate) fn tell_again(&mut self, turn: &mut Turn<'_>) {
        let told = self.translate();
        if told == self.told {
            return;
        }
        let from = self.told.unwrap_or(model::State::Init);
        self.told = told;
        self.priority_told = self.effective;
        self.since = turn.now;
        turn.out.outputs.push_back(Output::Transition(Transition {
            instance: self.id,
            from,
            to: told,
            cause: self.cause.told(),
            priority: self.effective,
            evidence: self.cause.evidence(),
        }));
    }

    /// Tells the priority of who takes part, if it is another and no transition has told it.
    pub(crate) fn tell_priority(&mut self, turn: &mut Turn<'_>) {
        let takes_part = matches!(self.told, Some(model::State::Backup | model::State::Master));
        if takes_part && self.priority_told != self.effective {
            self.priority_told = self.effective;
            turn.out.outputs.push_back(Output::Priority { instance: self.id, priority: self.effective });
        }
    }

    /// The one translation from the RFC's states to users' words; `None` is STOP.
    fn translate(&self) -> Option<model::State> {
        match self.state {
            // Not until the addresses are gone.
            State::Initialize | State::Backup(_) if self.keeping.is_some() => self.told,
            State::Initialize if self.stopping && self.withdrawing.is_none() => None,
            State::Initialize if self.stopping => self.told,
            State::Initialize if self.reasons.iter().all(Reason::is_waiting) => Some(model::State::Init),
            State::Initialize => Some(model::State::Fault),
            State::Backup(_) => Some(model::State::Backup),
            State::Active(Holding { install_by: None, .. }) => Some(model::State::Master),
            // Not until the addresses are in place (V3-FSM-15).
            State::Active(Holding { install_by: Some(_), .. }) => self.told,
        }
    }

    /// Until when the addresses may be kept, for a prelude and then for a successor.
    pub(crate) fn kept_until(&self) -> Option<Instant> {
        let paused_until = match self.state {
            State::Active(Holding { pause: Some(pause), .. }) => Some(pause.until + self.longest_keeping()),
            State::Initialize | State::Backup(_) | State::Active(_) => None,
        };
        self.keeping.map(|keeping| keeping.until).or(paused_until)
    }

    /// The state that was last told; `None` once it has stopped for good.
    pub(crate) const fn told(&self) -> Option<model::State> {
        self.told
    }

    /// Whether it is master, told or not.
    pub(crate) const fn is_active(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    /// Whether it is master and its addresses, or some of them, are in place (V3-FSM-15).
    pub(crate) const fn may_announce(&self) -> bool {
        matches!(self.state, State::Active(Holding { install_by: None, .. } | Holding { placed: true, .. }))
    }

    /// Whether it is master and everybody knows: its addresses have been in place, and only a change of them may be under way.
    pub(crate) fn is_told_master(&self) -> bool {
        self.is_active() && self.told == Some(model::State::Master)
    }

    /// Until when a master that it may not preempt can't be said to be late.
    pub(crate) fn held_back_until(&self) -> Option<Instant> {
        match self.state {
            State::Backup(listening) => listening.held_back_until(),
            State::Initialize | State::Active(_) => None,
        }
    }

    /// Until when it waits for a sign that its link carries frames; `None` if it doesn't.
    fn awaits_frames(&self) -> Option<Instant> {
        match self.state {
            State::Backup(listening) => listening.awaits_frames(self.config.manners.link_patience),
            State::Initialize | State::Active(_) => None,
        }
    }

    /// Whether it has ended for good and said so.
    pub(crate) const fn has_stopped(&self) -> bool {
        self.told.is_none()
    }

    /// Why it is in its state.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.clone()
    }

    /// Whether a packet is an advert for this virtual router.
    pub(crate) fn judge<'a>(&self, packet: &Packet<'a>) -> Result<Heard<'a>, Rejected> {
        let own = Own {
            source: self.source,
            link_local_first: self.address_list().starts_link_local(),
            sequence: self.sequence,
        };
        receive::judge(&self.config, &own, packet)
    }

    /// Counts an advert that passed every check, and what is odd about it.
    pub(crate) fn count_received(&mut self, turn: &mut Turn<'_>, heard: &Heard<'_>) {
        self.received = self.received.saturating_add(1);
        if let Some(sequence) = heard.sequence {
            self.sequence.note(sequence);
        }
        if heard.advert.priority != Priority::STOP {
            self.master = Some(MasterView {
                address: heard.source,
                priority: heard.advert.priority,
                heard: turn.now,
                interval: heard.advert.interval,
            });
        }
        let ours = self.interval();
        for remark in heard.remarks(&self.config, self.address_list()) {
            self.remark(turn, remark, heard.source, || heard.sentence(remark, ours));
        }
    }

    /// Counts a packet that was dropped.
    pub(crate) fn count_rejected(&mut self, turn: &mut Turn<'_>, rejected: Rejected, from: IpAddr) {
        self.remark(turn, rejected.remark(), from, || format!("dropped a packet from {from}: {rejected}"));
    }

    /// Counts something about a packet and tells it, at a limited rate.
    pub(crate) fn remark(
        &mut self,
        turn: &mut Turn<'_>,
        remark: Remark,
        from: IpAddr,
        text: impl FnOnce() -> String,
    ) {
        if let Some(line) = self.remarks.note(turn.now, remark, from, text) {
            let notice = Notice { instance: Some(self.id), text: line.text, suppressed: line.suppressed };
            turn.out.outputs.push_back(Output::Notice(notice));
        }
    }

    /// Tells what was held back long enough.
    pub(crate) fn flush_remarks(&mut self, turn: &mut Turn<'_>) {
        turn.out.outputs.extend(self.remarks.flush(turn.now).into_iter().map(|line| {
            Output::Notice(Notice { instance: Some(self.id), text: line.text, suppressed: line.suppressed })
        }));
    }

    /// When to call [`Self::flush_remarks`].
    pub(crate) fn remarks_deadline(&self) -> Option<Instant> {
        self.remarks.deadline()
    }

    pub(crate) fn view(&self) -> InstanceView {
        InstanceView {
            state: self.told,
            cause: self.cause.told(),
            since: self.since,
            base: self.config.priority,
            effective: self.effective,
            reasons: self.reasons.iter().map(Reason::cause).collect(),
            master: self.master,
            awaits_frames: self.awaits_frames(),
            awaited: self.awaited(),
            counted_since: self.counted_since,
            adverts_sent: self.sent,
            adverts_received: self.received,
            remarks: self.remarks.view(),
            refused: self.refused.iter().cloned().chain(self.refusals.view()).collect(),
            penalties: self.roles.view(),
        }
    }
}

/// The addresses as they stand in an advert, or why they can't.
fn encode_addresses(config: &InstanceConfig) -> (Vec<u8>, Option<Unsendable>) {
    match packet::encode_addresses(config.family, &config.addresses) {
        Ok(bytes) => (bytes, None),
        Err(why) => (Vec::new(), Some(why)),
    }
}

/// Puts a message behind an authentication header.
fn sealed(plain: Transmit, sequence: u32, key: Secret) -> Transmit {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (plain.source, plain.destination) else {
        // VRRPv2 isn't spoken over IPv6 (V2-PKT-3), so nothing was built.
        return plain;
    };
    let identification = ah::identification(sequence);
    let ip = IpHeader { source, destination, ttl: plain.ttl, identification };
    let message = ah::seal(&plain.message, &ip, sequence, key).into();
    Transmit { sealed: Some(identification), message, ..plain }
}
