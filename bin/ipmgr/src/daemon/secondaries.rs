//! `promote_secondaries` of interfaces: switched on where it is configured, and where an address of ours that goes would take
//! somebody else's along ([`crate::bystanders`]); put back when neither is so any more.

use std::collections::HashSet;

use model::Instant;
use sys::netlink;

use super::Daemon;
use crate::bystanders;

impl Daemon {
    /// To be called before anything is removed.
    pub(super) fn promote(&mut self, now: Instant) {
        self.inherit();
        let promoting = self.config.instances.iter().filter(|instance| instance.promotes_secondaries);
        let mut links: HashSet<u32> = promoting
            .flat_map(|instance| instance.held().filter(|it| it.address.is_ipv4()).map(|it| &it.link))
            .filter_map(|name| self.world.link(name))
            .map(|link| link.index)
            .collect();
        let endangered = bystanders::endangered(&self.config, &self.world);
        links.extend(endangered.keys());
        for index in &links {
            let Some(name) = self.world.name(*index).filter(|_| !self.promoted.contains_key(index)) else {
                continue;
            };
            // Where nobody can tell how it was, nothing is put back at the end.
            let before = netlink::promotes_secondaries(name).ok();
            let mut is_ours = false;
            if before != Some(true) {
                if let Some(pair) = endangered.get(index) {
                    log::info!("{name}: promote_secondaries is switched on for as long as {pair}");
                }
                if before.is_some() {
                    self.debt.owe(name);
                }
                match self.route.set_promote_secondaries(*index, true) {
                    Ok(()) => is_ours = before.is_some(),
                    Err(error) => {
                        self.debt.settle(name);
                        self.complaints.mention(now, || log::error!("{error}"));
                    }
                }
            }
            self.promoted.insert(*index, is_ours);
        }
        self.demote(&links);
    }

    /// What did so only for us does so no longer, but for these.
    pub(super) fn demote(&mut self, but: &HashSet<u32>) {
        for (index, _) in
            self.promoted.extract_if(|index, _| !but.contains(index)).filter(|(_, is_ours)| *is_ours)
        {
            match self.route.set_promote_secondaries(index, false) {
                Err(error) if !error.is_absent() => {
                    log::error!("{error}");
                    continue;
                }
                Ok(()) | Err(_) => {}
            }
            if let Some(name) = self.world.name(index) {
                self.debt.settle(name);
            }
        }
    }

    /// What an ipmgr before us has switched on is ours to put back.
    fn inherit(&mut self) {
        let owed: Vec<_> = self.debt.links().cloned().collect();
        for name in owed {
            match self.world.link(&name).map(|link| link.index) {
                Some(index) if netlink::promotes_secondaries(&name).is_ok_and(|is_on| is_on) => {
                    self.promoted.entry(index).or_insert(true);
                }
                // Gone, or switched off by somebody else.
                Some(_) | None => self.debt.settle(&name),
            }
        }
    }
}
