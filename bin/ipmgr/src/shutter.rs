//! The addresses that nothing may be let in to: those of instances without accept mode, while they are held.
//!
//! An address is shut before it is added and opened after it is gone, so that no packet ever finds it open. What can't be
//! shut is held all the same, and told: an address that answers too much is worth more than none.
//!
//! It must never shut an address that nobody holds here: an administrator may have it as well, for purposes of their own.

use std::collections::BTreeSet;

use config::{Config, Firewall, Instance};
use sys::netlink::{Filter, KernelError, Shut, Table};

use crate::claims::{Claim, Claims, InstanceId};
use crate::world::World;

/// How the table should be made.
pub(crate) fn table(config: &Config) -> Table {
    let Firewall { table, priority, counters } = &config.global.firewall;
    Table { name: table.clone(), priority: *priority, counters: *counters }
}

/// What should be shut. An address of two instances of which one has accept mode is open.
pub(crate) fn wanted(config: &Config, claims: &Claims, world: &World) -> BTreeSet<Shut> {
    let held = config.instances.iter().enumerate();
    let held = held.filter(|(number, _)| claims.of(InstanceId(*number)) != Claim::Nobody);
    let (open, shut): (Vec<&Instance>, Vec<&Instance>) =
        held.map(|(_, instance)| instance).partition(|instance| instance.accepts);
    let open = addresses(&open, world);
    addresses(&shut, world).difference(&open).copied().collect()
}

fn addresses(instances: &[&Instance], world: &World) -> BTreeSet<Shut> {
    let held = instances.iter().flat_map(|instance| instance.held());
    held.filter_map(|it| Some(Shut::new(it.address, world.link(&it.link)?.index))).collect()
}

/// What is shut, and what went wrong. There is a table in the kernel only while something has to be shut.
#[derive(Debug, Default)]
pub(crate) struct Shutter {
    filter: Option<Filter>,
    shut: BTreeSet<Shut>,
    failure: Option<String>,
    /// What failed may succeed in a moment.
    passing: bool,
}

impl Shutter {
    /// Shuts what isn't yet, before addresses are added. Tells whether [`Self::failure_of`] answers otherwise than before.
    pub(crate) fn shut(&mut self, wanted: &BTreeSet<Shut>, table: &Table) -> bool {
        let result = if wanted.is_empty() { Ok(()) } else { self.keep(wanted, table) };
        self.passing = result.as_ref().is_err_and(KernelError::is_passing);
        let failure = result.err().map(|error| match &self.filter {
            Some(filter) if wanted.is_subset(&self.shut) => {
                format!("{error}; the table `{}` does its work as before", filter.table().name)
            }
            Some(_) | None => {
                format!(
                    "{error}; the addresses answer, although they shouldn't (`no_accept`, or strict mode)"
                )
            }
        });
        let changed = failure != self.failure;
        if let Some(failure) = failure.as_ref().filter(|_| changed) {
            log::error!("{failure}");
        }
        self.failure = failure;
        changed
    }

    fn keep(&mut self, wanted: &BTreeSet<Shut>, table: &Table) -> Result<(), KernelError> {
        let renamed = self.filter.as_ref().is_some_and(|it| it.table().name != table.name);
        let moved = if renamed { self.renew(wanted, table) } else { Ok(()) };
        let missing: Vec<Shut> = wanted.difference(&self.shut).copied().collect();
        let result = match &mut self.filter {
            Some(filter) => rearrange(filter, table).and_then(|()| filter.shut(&missing)),
            None => return self.renew(wanted, table),
        };
        match result {
            Ok(()) => self.shut.extend(missing),
            Err(error) => {
                log::warn!("{error}; making the table anew");
                self.renew(wanted, table)?;
            }
        }
        moved
    }

    /// Makes the table anew, since it is another one, or after an error nobody knows what is in it.
    fn renew(&mut self, wanted: &BTreeSet<Shut>, table: &Table) -> Result<(), KernelError> {
        // Of one name the kernel takes but one, and removes the one before with its socket. Of two names both may be there,
        // so that nothing answers in between.
        if self.filter.as_ref().is_some_and(|it| it.table().name == table.name) {
            self.filter = None;
            self.shut.clear();
        }
        let mut filter = Filter::open(table)?;
        filter.shut(&wanted.iter().copied().collect::<Vec<_>>())?;
        self.shut.clone_from(wanted);
        self.filter = Some(filter);
        Ok(())
    }

    /// Opens what needn't be shut any more, after addresses are removed.
    pub(crate) fn reopen(&mut self, wanted: &BTreeSet<Shut>, table: &Table) {
        if wanted.is_empty() {
            self.filter = None;
            self.shut.clear();
            return;
        }
        let surplus: Vec<Shut> = self.shut.difference(wanted).copied().collect();
        let Some(filter) = self.filter.as_mut().filter(|_| !surplus.is_empty()) else { return };
        match filter.reopen(&surplus) {
            Ok(()) => self.shut.retain(|it| wanted.contains(it)),
            Err(error) => {
                log::warn!("{error}; making the table anew");
                if let Err(error) = self.renew(wanted, table) {
                    // The next comparison finds it missing, tries again and tells. Until then they answer: so it is soon.
                    log::error!("{error}");
                    self.passing = true;
                }
            }
        }
    }

    /// Whether trying once more is worth it before all else is looked at again.
    pub(crate) const fn may_soon(&self) -> bool {
        self.passing
    }

    /// Why the addresses of that instance answer although they shouldn't.
    pub(crate) fn failure_of(&self, instance: &Instance) -> Option<String> {
        self.failure.clone().filter(|_| !instance.accepts)
    }
}

/// As the configuration has it, which may be another one by now.
fn rearrange(filter: &mut Filter, table: &Table) -> Result<(), KernelError> {
    let is_otherwise = filter.table().name == table.name && filter.table() != table;
    if is_otherwise { filter.rearrange(table) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Instant, LinkName};
    use sys::netlink::HostLink;

    use super::*;

    const TEXT: &str = "
        vrrp_instance a { interface eth0
          virtual_router_id 1
          no_accept
          virtual_ipaddress {
            192.0.2.5
            192.0.2.6
          }
          virtual_ipaddress_excluded {
            fe80::5
          }
        }
        vrrp_instance b { interface eth0
          virtual_router_id 2
          virtual_ipaddress {
            192.0.2.6
          }
        }
        vrrp_instance owner { interface eth0
          virtual_router_id 3
          priority 255
          no_accept
          virtual_ipaddress {
            192.0.2.7
          }
        }";

    fn shut_while(held: &[usize]) -> Vec<Shut> {
        let config = config::parse("t.conf", TEXT.replace("{ interface", "{\n interface")).config.unwrap();
        let mut claims = Claims::new([Duration::from_secs(1); 3], Instant::from_nanos(1));
        held.iter().for_each(|number| claims.order(InstanceId(*number)));
        let name = LinkName::new("eth0").unwrap();
        let link = HostLink {
            index: 7,
            name,
            up: true,
            multicast: true,
            mac: None,
            carrier_ups: 0,
            virtual_link: None,
        };
        wanted(&config, &claims, &World::new(vec![link], vec![])).into_iter().collect()
    }

    fn shut(addresses: &[&str]) -> Vec<Shut> {
        let all: BTreeSet<Shut> = addresses.iter().map(|it| Shut::new(it.parse().unwrap(), 7)).collect();
        all.into_iter().collect()
    }

    /// V3-FSM-14.
    #[test]
    fn what_is_held_without_accept_mode_is_shut_unless_somebody_owns_or_shares_it() {
        assert_eq!(shut_while(&[]), []);
        assert_eq!(shut_while(&[0]), shut(&["192.0.2.5", "192.0.2.6", "fe80::5"]));
        assert_eq!(shut_while(&[0, 1, 2]), shut(&["192.0.2.5", "fe80::5"]));
        assert_eq!(shut_while(&[1, 2]), []);
    }
}
