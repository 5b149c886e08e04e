//! What must be so, whatever happens: checked after every event against facts that the core did not supply.
//!
//! The oracles see what a neighbour on the LAN or a reader of the event feed could see (addresses held, states told)
//! and what the script did (who runs, who is connected, which checks are up). They must never ask the core what it
//! thinks. RFC 9568 6.4 says which router is to be master.
//!
//! 1. At most one node of a connected part holds the addresses, once settled.
//! 2. At least one does, if any node there is eligible, once settled.
//! 3. It is one that the rules allow: nobody eligible there preempts and has a higher priority. And it is the one that
//!    already was, unless something happened to it or to the rules' answer: ties, `nopreempt` and a node that slept too
//!    long never move an address. Where parts meet, it is the best of their masters (V3-FSM-11, V3-FSM-18).
//! 4. Addresses are held only for a core that tells MASTER, while an order or answer is under way, or within the grace.
//! 5. MASTER is told only while the addresses are held. (Who stops for good tells so once it knows that they are gone.)
//!    Once settled, for a node that is eligible.
//! 6. What one input can cause is bounded ([`crate::world`] counts).
//! 7. Who tells MASTER and was silent for as long as the quickest peer needs to take over does not transmit (X-1).
//! 8. What was told last is so: once settled, who could be master and isn't tells BACKUP, who may not tells FAULT or INIT.
//!    A sync group tells what its members tell together, after every input.
//! 9. After a double master the winner's announcement is the last that a neighbour saw ([`crate::neighbours`], X-4).
//! 10. Skews order the backups ([`crate::turns`]).
//! 11. Whom a reload doesn't concern is unmoved by it ([`crate::reload`]).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use model::{Instant, Priority, State};

use crate::turns::Turns;

/// One instance on one node, as it stands after an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The node's place in the scenario.
    pub(crate) node: usize,
    /// The virtual router's place in [`Oracle::routers`].
    pub(crate) router: usize,
    /// Which connected part of the network the node is in; `None` if it can be reached by nobody.
    pub(crate) part: Option<usize>,
    /// In which it would be.
    pub(crate) side: usize,
    /// It runs, is connected, and no check keeps it out.
    pub(crate) eligible: bool,
    /// After the weights of the checks.
    pub(crate) priority: Priority,
    /// Where its adverts come from: the greater address wins a tie of two masters.
    pub(crate) address: IpAddr,
    /// Takes the addresses from a lower master.
    pub(crate) preempts: bool,
    /// Its core runs and its host does not stand still.
    pub(crate) running: bool,
    /// It was told to stop for good.
    pub(crate) stopping: bool,
    /// The addresses are on the host.
    pub(crate) held: bool,
    /// What was told last.
    pub(crate) told: Option<State>,
    /// Orders and answers between core and manager that have not arrived.
    pub(crate) under_way: u32,
    /// Of these, how many say that the manager took the addresses away by itself.
    pub(crate) revocations: u32,
    /// The addresses may be held without a core: within a grace, or since nobody is there to remove them.
    pub(crate) excused: bool,
}

/// What happened, seen from the elections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// To nodes; the network is as it was.
    Nodes,
    /// To the network: parts may have split or met.
    Network,
    /// To packets, beyond what elections can bear: nobody need stay master.
    Packets,
}

/// One virtual router: what has a VRID and a family of its own on a LAN (V3-FSM-17).
#[derive(Clone, Debug)]
pub(crate) struct Router {
    /// For people.
    pub(crate) name: String,
    /// How long after the last disturbance the election must have ended ([`crate::settle`]).
    pub(crate) settling: Duration,
    /// All its nodes have one interval. Otherwise a node that starts with a shorter one than the master's takes over
    /// before it hears the master at all (V3-TMR-2), and nobody can be expected to stay.
    pub(crate) uniform: bool,
    /// Oracle 10, where it can be asked.
    pub(crate) turns: Option<Skews>,
}

/// What orders the backups of a virtual router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skews {
    /// What 256 steps of priority are.
    pub(crate) unit: Duration,
    /// How much later than its turn somebody may be, as delays are.
    pub(crate) slack: Duration,
}

/// Which oracle was violated, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Display says what each means")]
pub enum Violation {
    SeveralMasters { router: String, nodes: Vec<String> },
    NoMaster { router: String, eligible: Vec<String> },
    MasterDoesNotTell { router: String, node: String },
    WrongMaster { router: String, master: String, better: String },
    Usurped { router: String, incumbent: String, master: String },
    StrayAddress { router: String, node: String },
    UnfitMaster { router: String, node: String },
    LateAdvert { node: String, silence: Duration },
    UnfoundedMaster { router: String, node: String },
    WrongNotification { router: String, node: String, told: String },
    WrongGroup { node: String, told: String, members: String },
    MisledNeighbour { router: String, neighbour: String, believes: String, master: String },
    Moved { node: String, instance: usize },
    OutOfTurn { router: String, node: String, better: String },
    TooManyOutputs { node: String, limit: usize },
    Restless { node: String, limit: u32 },
    WrongHistory { node: String, said: String, was: String },
    Unfinished { node: String },
    TooManyEvents { limit: u64 },
    NeverSettled,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralMasters { router, nodes } => {
                write!(f, "oracle 1: {router}: {} all hold the addresses after settling", nodes.join(", "))
            }
            Self::NoMaster { router, eligible } => {
                let who = eligible.join(", ");
                write!(f, "oracle 2: {router}: nobody holds the addresses after settling, though {who} could")
            }
            Self::MasterDoesNotTell { router, node } => {
                write!(
                    f,
                    "oracle 2: {router}: {node} holds the addresses after settling and does not tell MASTER"
                )
            }
            Self::WrongMaster { router, master, better } => {
                write!(f, "oracle 3: {router}: {master} is master, but {better} is better and preempts")
            }
            Self::Usurped { router, incumbent, master } => {
                write!(
                    f,
                    "oracle 3: {router}: {incumbent} was master and fit to stay, but {master} is it now"
                )
            }
            Self::StrayAddress { router, node } => {
                write!(f, "oracle 4: {router}: {node} holds the addresses for no master")
            }
            Self::UnfitMaster { router, node } => {
                write!(f, "oracle 4: {router}: {node} holds the addresses after settling and is not fit to")
            }
            Self::LateAdvert { node, silence } => {
                write!(
                    f,
                    "oracle 7: {node} transmits as master after {silence:?} of silence: a peer may have taken over"
                )
            }
            Self::UnfoundedMaster { router, node } => {
                write!(f, "oracle 5: {router}: {node} tells MASTER and does not hold the addresses")
            }
            Self::WrongNotification { router, node, told } => {
                write!(f, "oracle 8: {router}: {node} told {told} last, which is not so after settling")
            }
            Self::WrongGroup { node, told, members } => {
                write!(f, "oracle 8: {node} tells {told} of a sync group whose members tell {members}")
            }
            Self::MisledNeighbour { router, neighbour, believes, master } => {
                write!(
                    f,
                    "oracle 9: {router}: {master} won, but the last announcement that {neighbour} saw is {believes}'s"
                )
            }
            Self::Moved { node, instance } => {
                write!(
                    f,
                    "oracle 11: {node}: instance {instance} is moved by a reload that doesn't concern it"
                )
            }
            Self::OutOfTurn { router, node, better } => {
                write!(
                    f,
                    "oracle 10: {router}: {node} takes over from a silent master before {better}, which is better"
                )
            }
            Self::TooManyOutputs { node, limit } => {
                write!(f, "oracle 6: {node}: more than {limit} outputs for one input")
            }
            Self::Restless { node, limit } => {
                write!(f, "oracle 6: {node}: wants to be woken more than {limit} times in one moment")
            }
            Self::WrongHistory { node, said, was } => {
                write!(f, "{node} tells a change from {said}, but what it told before is {was}")
            }
            Self::Unfinished { node } => write!(f, "{node} was told to stop and did not finish in time"),
            Self::TooManyEvents { limit } => write!(f, "oracle 6: more than {limit} events in one run"),
            Self::NeverSettled => write!(f, "the run ended before its elections had time to settle"),
        }
    }
}

/// Remembers what is needed to judge: when the last disturbance was, and who has been master since before it.
#[derive(Debug)]
pub(crate) struct Oracle {
    routers: Vec<Router>,
    names: Vec<String>,
    disturbed: Instant,
    incumbents: Vec<(usize, usize)>,
    turns: Turns,
    judged: u64,
}

impl Oracle {
    pub(crate) fn new(routers: Vec<Router>, names: Vec<String>) -> Self {
        let turns = Turns::new(routers.len());
        Self { routers, names, disturbed: Instant::ZERO, incumbents: Vec::new(), turns, judged: 0 }
    }

    /// How often a settled virtual router was judged.
    pub(crate) const fn judged(&self) -> u64 {
        self.judged
    }

    /// The settling time of the slowest virtual router.
    pub(crate) fn settling(&self) -> Duration {
        self.routers.iter().map(|router| router.settling).max().unwrap_or_default()
    }

    /// Whether every virtual router has had its time.
    pub(crate) fn all_settled(&self, now: Instant) -> bool {
        self.routers.iter().all(|router| now >= self.disturbed + router.settling)
    }

    /// Whether a virtual router has had its time.
    pub(crate) fn is_settled(&self, now: Instant, router: usize) -> bool {
        self.routers.get(router).is_some_and(|router| now >= self.disturbed + router.settling)
    }

    /// Something happened; `standings` are those after it. Masters stay expected where the rules still name them.
    pub(crate) fn disturb(&mut self, now: Instant, what: Disturbance, standings: &[Standing]) {
        self.turns.forget();
        if what == Disturbance::Nodes {
            self.give_turns(now, standings);
        }
        match what {
            Disturbance::Packets => self.incumbents.clear(),
            Disturbance::Network => self.incumbents = self.winners(now, standings),
            Disturbance::Nodes => self.incumbents.retain(|(router, node)| {
                let is_it = |standing: &&Standing| standing.router == *router && standing.node == *node;
                standings
                    .iter()
                    .find(is_it)
                    .is_some_and(|master| master.eligible && better(master, standings).is_none())
            }),
        }
        self.disturbed = now;
    }

    /// Who has lost its settled master just now will have the best of the others (oracle 10).
    fn give_turns(&mut self, now: Instant, standings: &[Standing]) {
        for (router, node) in &self.incumbents {
            let Some(Router { settling, turns: Some(skews), .. }) = self.routers.get(*router) else {
                continue;
            };
            let is_it = |s: &&Standing| s.router == *router && s.node == *node;
            let gone = standings.iter().find(is_it).is_some_and(|master| !master.eligible);
            if gone && now >= self.disturbed + *settling {
                let skew = |s: &Standing| skews.unit.saturating_mul(256 - u32::from(s.priority.0)) / 256;
                self.turns.vacate(*router, *node, standings, skew);
            }
        }
    }

    /// It has ended, or begins anew: nobody expects it to stay.
    pub(crate) fn dismiss(&mut self, router: usize, node: usize) {
        self.incumbents.retain(|it| *it != (router, node));
    }

    /// What comes first is a matter of chance.
    pub(crate) fn forget_turn(&mut self, router: usize) {
        self.turns.forget_one(router);
    }

    /// Oracle 10: a node advertises itself as master.
    pub(crate) fn speak(&mut self, router: usize, node: usize) -> Result<(), Violation> {
        let slack = self.routers.get(router).and_then(|router| router.turns).map(|skews| skews.slack);
        match self.turns.speak(router, node, slack.unwrap_or_default()) {
            Ok(()) => Ok(()),
            Err(better) => {
                let (node, better) = (self.name(node), self.name(better));
                Err(Violation::OutOfTurn { router: self.router(router), node, better })
            }
        }
    }

    /// Of the masters that are in one part now, the one that the others yield to; where all was settled before.
    fn winners(&self, now: Instant, standings: &[Standing]) -> Vec<(usize, usize)> {
        let is_master = |s: &&Standing| s.held && s.running && s.told == Some(State::Master);
        let masters = || standings.iter().filter(is_master);
        let yields = |one: &Standing, other: &Standing| {
            (one.router, one.part) == (other.router, other.part)
                && (one.priority, one.address) < (other.priority, other.address)
        };
        masters()
            .filter(|master| {
                let router = self.routers.get(master.router);
                router.is_some_and(|router| router.uniform && now >= self.disturbed + router.settling)
                    && master.eligible
                    && !masters().any(|other| yields(master, other))
                    && better(master, standings).is_none()
            })
            .map(|master| (master.router, master.node))
            .collect()
    }

    /// Judges the standings after an event. A network that loses packets is never settled.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        lossy: bool,
        standings: &[Standing],
    ) -> Result<(), Violation> {
        for standing in standings {
            self.check_addresses(standing)?;
        }
        if lossy {
            self.disturbed = now;
            self.incumbents.clear();
            return Ok(());
        }
        for index in 0..self.routers.len() {
            if self.is_settled(now, index) {
                self.judged += 1;
                self.check_elections(index, standings)?;
            }
        }
        Ok(())
    }

    /// Oracles 4 and 5, which hold at every moment.
    fn check_addresses(&self, standing: &Standing) -> Result<(), Violation> {
        let master = standing.running && standing.told == Some(State::Master);
        let router = || self.router(standing.router);
        let node = || self.name(standing.node);
        let exchanging = standing.running && standing.under_way > 0;
        if standing.held && !master && !exchanging && !standing.excused {
            return Err(Violation::StrayAddress { router: router(), node: node() });
        }
        // A core that stops tells so when it knows that the addresses are gone.
        let stopping = standing.stopping && exchanging;
        if master && !standing.held && standing.revocations == 0 && !stopping {
            return Err(Violation::UnfoundedMaster { router: router(), node: node() });
        }
        Ok(())
    }

    /// Oracles 1 to 3, for every part in which the virtual router lives.
    fn check_elections(&mut self, router: usize, standings: &[Standing]) -> Result<(), Violation> {
        let is_unfit = |s: &&Standing| s.router == router && s.held && !s.eligible && !s.excused;
        if let Some(unfit) = standings.iter().find(is_unfit) {
            return Err(Violation::UnfitMaster { router: self.router(router), node: self.name(unfit.node) });
        }
        for standing in standings.iter().filter(|s| s.router == router) {
            self.check_notification(standing)?;
        }
        let mut parts: Vec<usize> =
            standings.iter().filter(|s| s.router == router).filter_map(|s| s.part).collect();
        parts.sort_unstable();
        parts.dedup();
        for part in parts {
            let members = || standings.iter().filter(move |s| s.router == router && s.part == Some(part));
            let mut holders = members().filter(|s| s.held);
            match (holders.next(), holders.next()) {
                (None, _) => {
                    let eligible: Vec<_> =
                        members().filter(|s| s.eligible).map(|s| self.name(s.node)).collect();
                    if !eligible.is_empty() {
                        return Err(Violation::NoMaster { router: self.router(router), eligible });
                    }
                }
                (Some(master), None) => self.check_master(master, standings)?,
                (Some(_), Some(_)) => {
                    let nodes = members().filter(|s| s.held).map(|s| self.name(s.node)).collect();
                    return Err(Violation::SeveralMasters { router: self.router(router), nodes });
                }
            }
        }
        Ok(())
    }

    /// Oracle 8, for who isn't master: of masters, oracles 2 and 5 know.
    fn check_notification(&self, standing: &Standing) -> Result<(), Violation> {
        if !standing.running || standing.stopping || standing.held {
            return Ok(());
        }
        let right = match standing.told {
            Some(State::Backup) => standing.eligible,
            Some(State::Fault | State::Init) => !standing.eligible,
            Some(State::Master) | None => false,
        };
        if right {
            return Ok(());
        }
        let (router, node) = (self.router(standing.router), self.name(standing.node));
        let told = standing.told.map_or("STOP".to_owned(), |told| told.to_string());
        Err(Violation::WrongNotification { router, node, told })
    }

    /// Oracle 3: the only holder of its part is one that the rules allow, and the one who was there before.
    fn check_master(&mut self, master: &Standing, standings: &[Standing]) -> Result<(), Violation> {
        let router = self.router(master.router);
        if master.told != Some(State::Master) {
            return Err(Violation::MasterDoesNotTell { router, node: self.name(master.node) });
        }
        if let Some(better) = better(master, standings) {
            let (master, better) = (self.name(master.node), self.name(better.node));
            return Err(Violation::WrongMaster { router, master, better });
        }
        let here = |node: usize| {
            standings.iter().any(|s| s.router == master.router && s.node == node && s.part == master.part)
        };
        let incumbent = self.incumbents.iter().find(|(router, node)| *router == master.router && here(*node));
        match incumbent {
            Some((_, node)) if *node == master.node => Ok(()),
            Some((_, node)) => {
                let (incumbent, master) = (self.name(*node), self.name(master.node));
                Err(Violation::Usurped { router, incumbent, master })
            }
            None => {
                if self.routers.get(master.router).is_some_and(|router| router.uniform) {
                    self.incumbents.push((master.router, master.node));
                }
                Ok(())
            }
        }
    }

    fn name(&self, node: usize) -> String {
        self.names.get(node).cloned().unwrap_or_default()
    }

    pub(crate) fn router(&self, router: usize) -> String {
        self.routers.get(router).map(|router| router.name.clone()).unwrap_or_default()
    }
}

/// Who would take the addresses from this master by the rules: eligible, in its part, preempting (an owner always
/// does, V3-FSM-16), of a higher priority. Equal ones leave it alone (V3-FSM-6).
fn better<'a>(master: &Standing, standings: &'a [Standing]) -> Option<&'a Standing> {
    standings.iter().find(|rival| {
        rival.router == master.router
            && rival.part == master.part
            && rival.node != master.node
            && rival.eligible
            && rival.priority > master.priority
            && (rival.preempts || rival.priority == Priority::OWNER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: Instant = Instant::from_nanos(10);

    fn oracle() -> Oracle {
        let turns = Some(Skews { unit: Duration::from_nanos(256), slack: Duration::from_nanos(5) });
        let router = Router { name: "r".into(), settling: Duration::from_nanos(10), uniform: true, turns };
        Oracle::new(vec![router], vec!["a".into(), "b".into()])
    }

    fn standing(node: usize, priority: u8, master: bool) -> Standing {
        Standing {
            node,
            router: 0,
            part: Some(0),
            side: 0,
            eligible: true,
            priority: Priority(priority),
            address: IpAddr::from([10, 1, 0, u8::try_from(node).unwrap()]),
            preempts: true,
            running: true,
            stopping: false,
            held: master,
            told: Some(if master { State::Master } else { State::Backup }),
            under_way: 0,
            revocations: 0,
            excused: false,
        }
    }

    fn verdict(oracle: &mut Oracle, at: Instant, standings: [Standing; 2]) -> Result<(), Violation> {
        oracle.check(at, false, &standings)
    }

    #[test]
    fn two_masters_trip_it_after_settling_only() {
        let both = [standing(0, 100, true), standing(1, 100, true)];
        assert_eq!(verdict(&mut oracle(), Instant::from_nanos(9), both), Ok(()));
        assert!(matches!(verdict(&mut oracle(), SETTLED, both), Err(Violation::SeveralMasters { .. })));
        assert_eq!(oracle().check(SETTLED, true, &both), Ok(()), "a lossy network is never settled");
        let apart = [standing(0, 100, true), Standing { part: Some(1), ..standing(1, 100, true) }];
        assert_eq!(verdict(&mut oracle(), SETTLED, apart), Ok(()), "one in each part is right");
    }

    #[test]
    fn no_master_trips_it_if_anybody_could() {
        let none = [standing(0, 100, false), standing(1, 100, false)];
        assert!(matches!(verdict(&mut oracle(), SETTLED, none), Err(Violation::NoMaster { .. })));
        let unfit = none.map(|s| Standing { eligible: false, told: Some(State::Fault), ..s });
        assert_eq!(verdict(&mut oracle(), SETTLED, unfit), Ok(()));
    }

    #[test]
    fn a_master_that_is_not_fit_trips_it() {
        let unfit = [Standing { eligible: false, ..standing(0, 100, true) }, standing(1, 90, false)];
        assert!(matches!(verdict(&mut oracle(), SETTLED, unfit), Err(Violation::UnfitMaster { .. })));
        let apart = [Standing { part: None, ..unfit[0] }, standing(1, 90, true)];
        assert!(matches!(verdict(&mut oracle(), SETTLED, apart), Err(Violation::UnfitMaster { .. })));
        let without_manager = [Standing { excused: true, ..apart[0] }, apart[1]];
        assert_eq!(verdict(&mut oracle(), SETTLED, without_manager), Ok(()));
    }

    #[test]
    fn a_lower_master_trips_it_if_the_higher_one_preempts() {
        let lower = [standing(0, 100, true), standing(1, 101, false)];
        assert!(matches!(verdict(&mut oracle(), SETTLED, lower), Err(Violation::WrongMaster { .. })));
        let polite = [lower[0], Standing { preempts: false, ..lower[1] }];
        assert_eq!(verdict(&mut oracle(), SETTLED, polite), Ok(()));
        let owner = [lower[0], Standing { preempts: false, priority: Priority::OWNER, ..lower[1] }];
        assert!(matches!(verdict(&mut oracle(), SETTLED, owner), Err(Violation::WrongMaster { .. })));
    }

    #[test]
    fn a_tie_moves_nothing() {
        let (first, second) = (
            [standing(0, 100, true), standing(1, 100, false)],
            [standing(0, 100, false), standing(1, 100, true)],
        );
        let mut oracle = oracle();
        assert_eq!(verdict(&mut oracle, SETTLED, first), Ok(()));
        oracle.disturb(SETTLED, Disturbance::Nodes, &first);
        let later = Instant::from_nanos(20);
        assert!(matches!(verdict(&mut oracle, later, second), Err(Violation::Usurped { .. })));
        oracle.disturb(later, Disturbance::Packets, &first);
        assert_eq!(verdict(&mut oracle, Instant::from_nanos(30), second), Ok(()));
    }

    #[test]
    fn where_parts_meet_the_greater_address_wins_a_tie() {
        let mut oracle = oracle();
        let apart = [standing(0, 100, true), Standing { part: Some(1), ..standing(1, 100, true) }];
        assert_eq!(verdict(&mut oracle, SETTLED, apart), Ok(()));
        let met = apart.map(|s| Standing { part: Some(0), ..s });
        oracle.disturb(SETTLED, Disturbance::Network, &met);
        let lesser = [standing(0, 100, true), standing(1, 100, false)];
        let later = Instant::from_nanos(20);
        assert!(matches!(verdict(&mut oracle, later, lesser), Err(Violation::Usurped { .. })));
        let greater = [standing(0, 100, false), standing(1, 100, true)];
        assert_eq!(verdict(&mut oracle, later, greater), Ok(()));
    }

    #[test]
    fn an_address_without_a_master_trips_it() {
        let stray = Standing { held: true, ..standing(0, 100, false) };
        let rest = standing(1, 100, false);
        let now = Instant::from_nanos(5);
        assert!(matches!(verdict(&mut oracle(), now, [stray, rest]), Err(Violation::StrayAddress { .. })));
        for excused in [Standing { under_way: 1, ..stray }, Standing { excused: true, ..stray }] {
            assert_eq!(verdict(&mut oracle(), now, [excused, rest]), Ok(()));
        }
        let dead = Standing { running: false, under_way: 1, told: Some(State::Master), ..stray };
        assert!(matches!(verdict(&mut oracle(), now, [dead, rest]), Err(Violation::StrayAddress { .. })));
    }

    #[test]
    fn master_without_an_address_trips_it() {
        let unfounded = Standing { held: false, ..standing(0, 100, true) };
        let rest = standing(1, 100, false);
        let now = Instant::from_nanos(5);
        assert!(matches!(
            verdict(&mut oracle(), now, [unfounded, rest]),
            Err(Violation::UnfoundedMaster { .. })
        ));
        let revoked = Standing { revocations: 1, ..unfounded };
        let stopping = Standing { stopping: true, under_way: 1, ..unfounded };
        for excused in [revoked, stopping] {
            assert_eq!(verdict(&mut oracle(), now, [excused, rest]), Ok(()));
        }
    }

    #[test]
    fn a_state_that_is_not_so_any_more_trips_it() {
        let master = standing(0, 100, true);
        let wrong = [
            Standing { told: Some(State::Fault), ..standing(1, 100, false) },
            Standing { told: None, ..standing(1, 100, false) },
            Standing { eligible: false, ..standing(1, 100, false) },
        ];
        for wrong in wrong {
            let judged = verdict(&mut oracle(), SETTLED, [master, wrong]);
            assert!(matches!(judged, Err(Violation::WrongNotification { .. })), "{judged:?}");
            assert_eq!(verdict(&mut oracle(), Instant::from_nanos(9), [master, wrong]), Ok(()));
        }
        let unfit = Standing { eligible: false, told: Some(State::Init), ..standing(1, 100, false) };
        assert_eq!(verdict(&mut oracle(), SETTLED, [master, unfit]), Ok(()));
    }

    #[test]
    fn who_takes_over_before_a_better_one_trips_it() {
        let three = |second: u8| [standing(0, 200, true), standing(1, second, false), standing(2, 90, false)];
        let vacant = |second: u8| {
            let mut oracle = oracle();
            let before = three(second);
            assert_eq!(oracle.check(SETTLED, false, &before), Ok(()));
            let gone = Standing { eligible: false, running: false, held: false, ..before[0] };
            oracle.disturb(Instant::from_nanos(20), Disturbance::Nodes, &[gone, before[1], before[2]]);
            oracle
        };
        assert!(matches!(vacant(100).speak(0, 2), Err(Violation::OutOfTurn { .. })));
        assert_eq!(vacant(100).speak(0, 1), Ok(()));
        assert_eq!(vacant(94).speak(0, 2), Ok(()), "within what delays may do");
        let mut last_words = vacant(100);
        assert_eq!(last_words.speak(0, 0), Ok(()));
        assert!(last_words.speak(0, 2).is_err());
        let mut disturbed = vacant(100);
        disturbed.disturb(Instant::from_nanos(21), Disturbance::Packets, &[]);
        assert_eq!(disturbed.speak(0, 2), Ok(()));
    }
}
