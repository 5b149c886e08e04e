//! Who is who when one configuration takes the place of another.
//!
//! An instance is what it is on the wire (interface, family, VRID), so that its name may change without anybody outside
//! noticing; a group is its name, or else its members. As crate `vrrp` has it (`plan.rs`), for those who don't know that one.

use std::collections::{BTreeSet, HashMap, HashSet};

use ::model::{Family, GroupName, InstanceName, LinkName, Vrid};

use crate::{Config, Instance, SyncGroup};

/// From names in an earlier configuration to those in a later one, of who is the same under another name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Instances.
    pub instances: HashMap<InstanceName, InstanceName>,
    /// Sync groups.
    pub groups: HashMap<GroupName, GroupName>,
}

impl Instance {
    /// What the instance is on the wire.
    #[must_use]
    pub const fn identity(&self) -> (&LinkName, Family, Vrid) {
        (&self.link, self.family, self.vrid)
    }
}

impl Config {
    /// Who has another name here than in `old`.
    #[must_use]
    pub fn renamed_since(&self, old: &Self) -> Renames {
        let now: HashMap<_, _> = self.instances.iter().map(|it| (it.identity(), &it.name)).collect();
        let pairs = old.instances.iter().filter_map(|it| Some((&it.name, *now.get(&it.identity())?)));
        let instances: HashMap<InstanceName, InstanceName> =
            pairs.filter(|(was, is)| was != is).map(|(was, is)| (was.clone(), is.clone())).collect();
        let name = |name: &InstanceName| instances.get(name).unwrap_or(name).clone();
        let members = |group: &SyncGroup| group.members.iter().map(name).collect::<BTreeSet<_>>();
        let kept: HashSet<&GroupName> = old.groups.iter().map(|group| &group.name).collect();
        let gone: HashMap<BTreeSet<InstanceName>, &GroupName> = old
            .groups
            .iter()
            .filter(|group| self.groups.iter().all(|other| other.name != group.name))
            .map(|group| (members(group), &group.name))
            .collect();
        let groups = self.groups.iter().filter(|group| !kept.contains(&group.name)).filter_map(|group| {
            let was = gone.get(&group.members.iter().cloned().collect())?;
            Some(((*was).clone(), group.name.clone()))
        });
        let groups = groups.collect();
        Renames { instances, groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(group: &str, names: [&str; 2]) -> Config {
        let [a, b] = names;
        let text = format!(
            "vrrp_sync_group {group} {{ group {{ {a} {b} }} }}
vrrp_instance {a} {{ interface eth0 \n virtual_router_id 1 \n virtual_ipaddress {{ 10.0.0.1 }} }}
vrrp_instance {b} {{ interface eth0 \n virtual_router_id 2 \n virtual_ipaddress {{ 10.0.0.2 }} }}\n"
        );
        crate::parse("test.conf", text).config.expect("valid")
    }

    #[test]
    fn names_may_change_and_even_change_places() {
        let name = |text: &str| InstanceName::new(text).unwrap();
        let old = config("pair", ["a", "b"]);
        assert_eq!(old.renamed_since(&old), Renames::default());
        let renames = config("couple", ["b", "a"]).renamed_since(&old);
        assert_eq!(renames.instances, [(name("a"), name("b")), (name("b"), name("a"))].into());
        let group = |text: &str| GroupName::new(text).unwrap();
        assert_eq!(renames.groups, [(group("pair"), group("couple"))].into());
        let other = config("couple", ["a", "c"]).renamed_since(&config("pair", ["a", "b"]));
        assert_eq!((other.instances.len(), other.groups.len()), (1, 1), "b is c now, and so is its group");
    }
}
