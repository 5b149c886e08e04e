//! What has to be changed so that the kernel's routes and rules are as they should be. Sans I/O.
//!
//! As with addresses, a pure function of the configuration, the claims and what the kernel says. Ours are told by their
//! protocol number; the kernel is never asked for another's, so what the administrator set can't even be seen here. A route
//! has no lifetime: when vrrp-core and ipmgr are both gone it stays until ipmgr is back, or its address or interface goes.

use std::collections::HashSet;

use config::{Config, RouteHop, RouteKind, RuleAction, VirtualRoute, VirtualRule};
use sys::netlink::{Hop, Path, PathChange, PathKind, Rule, RuleChange, Verdict};

use crate::claims::{Claim, Claims, InstanceId};
use crate::plan::Thing;
use crate::world::World;

/// The protocol number of our routes and rules (`rtm_protocol`, `FRA_PROTOCOL`): that of VRRP itself, which no routing daemon
/// has. Not keepalived's 18: its routes live as long as ours and could not be told apart.
pub(crate) const ORIGIN: u8 = 112;

/// Whose a change is, for what is said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The instance that wants it; `None` for what stands still, and for what nobody wants.
    pub(crate) instance: Option<InstanceId>,
    /// The line, as the configuration has it.
    pub(crate) thing: Thing,
}

/// What to do about routes and rules.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// Before addresses change.
    pub(crate) rules_out: Vec<RuleChange>,
    /// Likewise.
    pub(crate) routes_out: Vec<PathChange>,
    /// After addresses have changed: a route may need one.
    pub(crate) routes: Vec<(PathChange, Option<Cause>)>,
    /// After routes have changed.
    pub(crate) rules: Vec<(RuleChange, Option<Cause>)>,
    /// What can't be done, with a sentence about it.
    pub(crate) impossible: Vec<(Cause, String)>,
}

/// Whether that configuration has any route or rule.
pub(crate) fn are_wanted(config: &Config) -> bool {
    let statics = &config.statics;
    let moving = config.instances.iter().any(|it| !it.routes.is_empty() || !it.rules.is_empty());
    moving || !statics.routes.is_empty() || !statics.rules.is_empty()
}

/// Compares what should be with what is.
pub(crate) fn paths(config: &Config, claims: &Claims, world: &World) -> Paths {
    let mut paths = Paths::default();
    let (mut kept_routes, mut kept_rules) = (HashSet::new(), HashSet::new());
    let (mut new_routes, mut new_rules) = (Vec::new(), Vec::new());
    for (instance, is_wanted, routes, rules) in wanted(config, claims) {
        for route in routes {
            let thing = Thing::of(route);
            match (path(route, world), is_wanted) {
                (Ok(path), _) => match world.paths().iter().position(|found| agrees(&path, found)) {
                    Some(number) => _ = kept_routes.insert(number),
                    None if is_wanted => new_routes.push((path, Cause { instance, thing })),
                    None => {}
                },
                (Err(sentence), true) => paths.impossible.push((Cause { instance, thing }, sentence)),
                (Err(_), false) => {}
            }
        }
        for wanted in rules {
            let (rule, thing) = (rule(wanted), Thing::of(wanted));
            match world.rules().iter().position(|found| *found == rule) {
                Some(number) => _ = kept_rules.insert(number),
                None if is_wanted => new_rules.push((rule, Cause { instance, thing })),
                None => {}
            }
        }
    }
    let stale = world.paths().iter().enumerate().filter(|(number, _)| !kept_routes.contains(number));
    paths.exchange(stale.map(|(_, path)| path).collect(), new_routes);
    let stale = world.rules().iter().enumerate().filter(|(number, _)| !kept_rules.contains(number));
    paths.rules_out = stale.map(|(_, rule)| RuleChange::Remove { rule: rule.clone() }).collect();
    let mut added = Vec::new();
    for (rule, cause) in new_rules {
        // Two instances may want the same; once is enough.
        if !added.contains(&rule) {
            added.push(rule.clone());
            paths.rules.push((RuleChange::Add { rule }, Some(cause)));
        }
    }
    paths
}

type Owned<'c> = (Option<InstanceId>, bool, &'c [VirtualRoute], &'c [VirtualRule]);

/// Everything that somebody wants, or that may stay.
fn wanted<'c>(config: &'c Config, claims: &Claims) -> Vec<Owned<'c>> {
    let mut owned = Vec::new();
    if claims.keeps_statics() {
        owned.push((None, true, config.statics.routes.as_slice(), config.statics.rules.as_slice()));
    }
    for (number, instance) in config.instances.iter().enumerate() {
        let id = InstanceId(number);
        let is_wanted = match claims.of(id) {
            Claim::Nobody => continue,
            Claim::LeftOver(_) => false,
            Claim::Ordered => true,
        };
        owned.push((Some(id), is_wanted, &instance.routes, &instance.rules));
    }
    owned
}

impl Paths {
    /// Puts new routes in the place of old ones. In IPv4 the new one comes before the old one goes, so that there is always
    /// one; in IPv6 the two would become one multipath route, so the old one goes first, in the same batch.
    fn exchange(&mut self, stale: Vec<&Path>, new: Vec<(Path, Cause)>) {
        let mut replaced = vec![false; stale.len()];
        let mut added: Vec<Path> = Vec::new();
        for (path, cause) in new {
            if added.contains(&path) {
                continue;
            }
            added.push(path.clone());
            let places =
                stale.iter().zip(&mut replaced).filter(|(old, replaced)| !**replaced && is_place(old, &path));
            let out: Vec<_> = places
                .map(|(old, replaced)| {
                    *replaced = true;
                    (PathChange::Remove { path: (*old).clone() }, None)
                })
                .collect();
            let is_ipv6 = path.destination.is_ipv6();
            let add = (PathChange::Add { path }, Some(cause));
            if is_ipv6 {
                self.routes.extend(out);
                self.routes.push(add);
            } else {
                self.routes.push(add);
                self.routes.extend(out);
            }
        }
        let unwanted = stale.into_iter().zip(replaced).filter(|(_, replaced)| !replaced);
        self.routes_out = unwanted.map(|(path, _)| PathChange::Remove { path: path.clone() }).collect();
    }
}

/// Whether two routes are alternatives to each other, and not both there on purpose.
fn is_place(one: &Path, other: &Path) -> bool {
    (one.destination, one.prefix, one.table, one.metric, one.tos)
        == (other.destination, other.prefix, other.table, other.metric, other.tos)
}

/// Whether a route of ours is the one that is wanted. Where nobody named an interface the kernel chose one.
fn agrees(wanted: &Path, found: &Path) -> bool {
    let is_same = |wanted: &Hop, found: &Hop| {
        let is_link = wanted.link.is_none() || wanted.link == found.link;
        is_link && Hop { link: None, ..wanted.clone() } == Hop { link: None, ..found.clone() }
    };
    // The kernel lists the hops of an IPv6 route in an order of its own, and gives one without hops to `lo`.
    let hops = wanted.kind != PathKind::Unicast
        || wanted.hops.len() == found.hops.len()
            && wanted.hops.iter().all(|hop| found.hops.iter().any(|other| is_same(hop, other)));
    let rest = Path { hops: wanted.hops.clone(), ..found.clone() };
    hops && rest == *wanted
}

/// The route as the kernel has it, or why that can't be.
fn path(route: &VirtualRoute, world: &World) -> Result<Path, String> {
    let hop = |hop: &RouteHop| {
        let link = match &hop.link {
            None => None,
            Some(name) => {
                let link = world.link(name);
                Some(link.ok_or_else(|| format!("add {route}: there is no interface {name}"))?.index)
            }
        };
        Ok(Hop { via: hop.via, link, onlink: hop.onlink, share: hop.share })
    };
    Ok(Path {
        destination: route.destination,
        prefix: route.prefix,
        kind: match route.kind {
            RouteKind::Unicast => PathKind::Unicast,
            RouteKind::Blackhole => PathKind::Blackhole,
            RouteKind::Unreachable => PathKind::Unreachable,
            RouteKind::Prohibit => PathKind::Prohibit,
        },
        table: route.table,
        metric: route.metric,
        tos: route.tos,
        scope: route.scope,
        source: route.source,
        mtu: route.mtu,
        hops: route.hops.iter().map(hop).collect::<Result<_, String>>()?,
    })
}

fn rule(rule: &VirtualRule) -> Rule {
    Rule {
        family: rule.family,
        priority: rule.priority,
        not: rule.not,
        from: rule.from,
        to: rule.to,
        incoming: rule.incoming.as_ref().map(ToString::to_string),
        outgoing: rule.outgoing.as_ref().map(ToString::to_string),
        mark: rule.mark,
        tos: rule.tos,
        suppress_prefix: rule.suppress_prefix,
        verdict: match rule.action {
            RuleAction::Table(table) => Verdict::Table(table),
            RuleAction::Blackhole => Verdict::Blackhole,
            RuleAction::Unreachable => Verdict::Unreachable,
            RuleAction::Prohibit => Verdict::Prohibit,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Instant, LinkName};
    use sys::netlink::HostLink;

    use super::*;

    const FIRST: InstanceId = InstanceId(0);
    const SECOND: InstanceId = InstanceId(1);
    const NOW: Instant = Instant::from_nanos(1);
    const TWO: &str = "
vrrp_instance first {
  interface eth0
  virtual_router_id 1
  virtual_ipaddress {
    192.0.2.5/24
  }
  virtual_routes {
    198.51.100.0/24 via 192.0.2.9
    2001:db8::/32 via fe80::9 dev eth0
    blackhole 198.51.101.0/24
  }
  virtual_rules {
    from 192.0.2.5 table 100 preference 7
  }
}
vrrp_instance second {
  interface eth0
  virtual_router_id 2
  virtual_ipaddress {
    192.0.2.6
  }
  virtual_routes {
    198.51.100.0/24 via 192.0.2.9
    203.0.113.0/24 dev eth9 no_track
  }
}
static_routes {
  10.0.0.0/8 via 192.0.2.9 dev eth0
}
";

    fn two() -> Config {
        let loaded = config::parse("two.conf", TWO);
        loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.report))
    }

    fn claims(ordered: &[InstanceId]) -> Claims {
        let mut claims = Claims::new([Duration::from_secs(1); 2], NOW);
        ordered.iter().for_each(|id| claims.order(*id));
        claims
    }

    fn world(paths: Vec<Path>, rules: Vec<Rule>) -> World {
        let name = LinkName::new("eth0").unwrap();
        let link = HostLink {
            index: 2,
            name,
            up: true,
            multicast: true,
            mac: None,
            carrier_ups: 1,
            virtual_link: None,
        };
        World::new(vec![link], vec![]).with_paths(paths, rules)
    }

    /// The world after everything that was planned was done, and one line per change.
    fn done(config: &Config, claims: &Claims, before: &World) -> (Vec<String>, World) {
        let plan = paths(config, claims, before);
        let (mut routes, mut rules) = (before.paths().to_vec(), before.rules().to_vec());
        let mut lines = Vec::new();
        let later = plan.routes.iter().map(|(change, _)| change);
        for change in plan.routes_out.iter().chain(later) {
            let path = change.path();
            match change {
                PathChange::Add { .. } => routes.push(path.clone()),
                PathChange::Remove { .. } => routes.retain(|it| it != path),
            }
            let sign = if matches!(change, PathChange::Add { .. }) { '+' } else { '-' };
            lines.push(format!("{sign}{}/{}", path.destination, path.prefix));
        }
        let later = plan.rules.iter().map(|(change, _)| change);
        for change in plan.rules_out.iter().chain(later) {
            let rule = change.rule();
            match change {
                RuleChange::Add { .. } => rules.push(rule.clone()),
                RuleChange::Remove { .. } => rules.retain(|it| it != rule),
            }
            let sign = if matches!(change, RuleChange::Add { .. }) { '+' } else { '-' };
            lines.push(format!("{sign}rule {}", rule.priority));
        }
        (lines, world(routes, rules))
    }

    #[test]
    fn what_is_wanted_comes_once_and_is_then_left_alone() {
        let config = two();
        let (lines, after) = done(&config, &claims(&[FIRST, SECOND]), &world(vec![], vec![]));
        let expected = ["+10.0.0.0/8", "+198.51.100.0/24", "+2001:db8::/32", "+198.51.101.0/24", "+rule 7"];
        assert_eq!(lines, expected);
        assert_eq!(done(&config, &claims(&[FIRST, SECOND]), &after).0, [""; 0]);
        let (lines, after) = done(&config, &claims(&[SECOND]), &after);
        assert_eq!(
            lines,
            ["-2001:db8::/32", "-198.51.101.0/24", "-rule 7"],
            "the other one stands in for it"
        );
        assert_eq!(done(&config, &claims(&[]), &after).0, ["-198.51.100.0/24"]);
    }

    #[test]
    fn what_stands_still_goes_with_us() {
        let (lines, after) = done(&two(), &claims(&[]), &world(vec![], vec![]));
        assert_eq!(lines, ["+10.0.0.0/8"]);
        let mut none = claims(&[]);
        none.clear();
        assert_eq!(done(&two(), &none, &after).0, ["-10.0.0.0/8"]);
    }

    #[test]
    fn an_interface_that_the_kernel_chose_is_none_of_our_business() {
        let (_, after) = done(&two(), &claims(&[FIRST]), &world(vec![], vec![]));
        let mut paths = after.paths().to_vec();
        paths[1].hops[0].link = Some(77);
        assert_eq!(done(&two(), &claims(&[FIRST]), &world(paths, after.rules().to_vec())).0, [""; 0]);
    }

    /// IPv4 is never without a route meanwhile; in IPv6 the kernel would make one of the two.
    #[test]
    fn another_way_to_the_same_place_takes_the_place_of_the_one_before() {
        let (_, after) = done(&two(), &claims(&[FIRST]), &world(vec![], vec![]));
        let text = TWO.replace("via 192.0.2.9\n", "via 192.0.2.8\n").replace("fe80::9", "fe80::8");
        let changed = config::parse("two.conf", text).config.unwrap();
        let (lines, after) = done(&changed, &claims(&[FIRST]), &after);
        let expected = ["+198.51.100.0/24", "-198.51.100.0/24", "-2001:db8::/32", "+2001:db8::/32"];
        assert_eq!(lines, expected);
        assert_eq!(done(&changed, &claims(&[FIRST]), &after).0, [""; 0]);
    }

    #[test]
    fn left_overs_stay_as_they_are() {
        let (_, after) = done(&two(), &claims(&[FIRST]), &world(vec![], vec![]));
        let mut left = claims(&[]);
        left.leave_over(FIRST, NOW);
        assert_eq!(done(&two(), &left, &after).0, [""; 0]);
        assert_eq!(done(&two(), &left, &world(vec![], vec![])).0, ["+10.0.0.0/8"], "and are not completed");
    }

    #[test]
    fn a_link_that_is_not_there_is_a_sentence() {
        let plan = paths(&two(), &claims(&[SECOND]), &world(vec![], vec![]));
        let (Cause { thing, .. }, sentence) = &plan.impossible[0];
        let route = "route 203.0.113.0/24 dev eth9 table 254 metric 0 scope 253";
        assert_eq!(*thing, Thing::Path(route.into()));
        assert_eq!(*sentence, format!("add {route}: there is no interface eth9"));
    }
}
