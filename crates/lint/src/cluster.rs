//! Which instances of which nodes are one virtual router.
//!
//! Nodes call their interfaces as they like, and the mistake to be found may be in the very number that should say who
//! belongs together. So the addresses tell: instances that share one are meant to be one router. Those of one VRID and
//! one name are so as well, whatever their addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use config::Instance;
use model::Family;

use crate::Node;
use crate::follow::{Index, Tracker};

/// All nodes, and the virtual routers that they share.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// In the order in which they were given.
    pub nodes: &'a [Node<'a>],
    /// One for each node.
    pub(crate) indexes: Vec<Index<'a>>,
    /// In the order of the first node's file, then of the next one's.
    pub routers: Vec<Router<'a>>,
}

/// The instances that are meant to be one virtual router, at most one of each node.
#[derive(Clone, Debug)]
pub struct Router<'a> {
    /// In the order of the nodes.
    pub members: Vec<Member<'a>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The node's number.
    pub node: usize,
    /// The node's name.
    pub name: &'a str,
    /// What it says.
    pub instance: &'a Instance,
    /// What it follows.
    pub trackers: Vec<Tracker>,
}

impl<'a> Router<'a> {
    /// What the first node calls it.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.members.first().map_or("?", |member| member.instance.name.as_str())
    }

    /// The first member, with each of the others.
    pub(crate) fn against_first(&self) -> impl Iterator<Item = (&Member<'a>, &Member<'a>)> {
        let first = self.members.first();
        first.into_iter().flat_map(|first| self.members.iter().skip(1).map(move |other| (first, other)))
    }

    fn has(&self, node: usize) -> bool {
        self.members.iter().any(|member| member.node == node)
    }

    fn speaks(&self, instance: &Instance) -> bool {
        self.members.iter().any(|it| id(it.instance) == id(instance))
    }
}

fn id(instance: &Instance) -> (u8, Family) {
    (instance.vrid.get(), instance.family)
}

impl<'a> Cluster<'a> {
    /// Finds who belongs together.
    #[must_use]
    pub fn new(nodes: &'a [Node<'a>]) -> Self {
        let indexes: Vec<Index<'a>> = nodes.iter().map(|node| Index::new(node.config)).collect();
        let mut match_maker = MatchMaker::default();
        for (number, (node, index)) in nodes.iter().zip(&indexes).enumerate() {
            match_maker.add(number, node, index);
        }
        Self { nodes, indexes, routers: match_maker.routers }
    }

    /// The routers that more than one node has.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &Router<'a>> {
        self.routers.iter().filter(|router| router.members.len() > 1)
    }
}

#[derive(Default)]
struct MatchMaker<'a> {
    routers: Vec<Router<'a>>,
    by_address: HashMap<IpAddr, Vec<usize>>,
    by_name: HashMap<(&'a str, u8, Family), usize>,
}

impl<'a> MatchMaker<'a> {
    /// Whoever agrees in the VRID as well is served first: another instance can't take its place.
    fn add(&mut self, number: usize, node: &Node<'a>, index: &Index<'a>) {
        let member = |instance: &'a Instance| {
            let trackers = index.trackers(instance);
            Member { node: number, name: node.name, instance, trackers }
        };
        let mut rest = Vec::new();
        for instance in &node.config.instances {
            match self.place(number, instance, true) {
                Some(place) => self.join(place, member(instance)),
                None => rest.push(instance),
            }
        }
        for instance in rest {
            let place = self.place(number, instance, false);
            self.join(place.unwrap_or(self.routers.len()), member(instance));
        }
        self.index(number);
    }

    fn join(&mut self, place: usize, member: Member<'a>) {
        match self.routers.get_mut(place) {
            Some(router) => router.members.push(member),
            None => self.routers.push(Router { members: vec![member] }),
        }
    }

    fn place(&self, node: usize, instance: &Instance, same_id: bool) -> Option<usize> {
        let fits = |place: &usize| {
            self.routers
                .get(*place)
                .is_some_and(|router| !router.has(node) && (!same_id || router.speaks(instance)))
        };
        let of_address = |address: IpAddr| self.by_address.get(&address).into_iter().flatten().copied();
        let shared = instance.addresses.iter().flat_map(|it| of_address(it.address)).find(&fits);
        let (vrid, family) = id(instance);
        shared.or_else(|| self.by_name.get(&(instance.name.as_str(), vrid, family)).copied().filter(fits))
    }

    /// A node's own instances never match each other, so they are listed when all of them have their place.
    fn index(&mut self, node: usize) {
        for (place, router) in self.routers.iter().enumerate() {
            let Some(member) = router.members.iter().find(|member| member.node == node) else { continue };
            let (vrid, family) = id(member.instance);
            self.by_name.entry((member.instance.name.as_str(), vrid, family)).or_insert(place);
            for address in &member.instance.addresses {
                let places = self.by_address.entry(address.address).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
    }
}
