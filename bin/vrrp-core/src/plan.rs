//! What another configuration means for instances and groups, in the words of a reload.

use ipc::reload::{Fate, Kind, Planned};
use vrrp::{Aspect, CoreConfig, Step};

/// The plan by which the core would go from `old` to `new`.
pub(crate) fn plan(old: &CoreConfig, new: &CoreConfig) -> Vec<Planned> {
    let plan = vrrp::plan(old, new);
    let instance =
        |core: &CoreConfig, id: vrrp::InstanceId| core.instances.get(id.0).map(|it| it.name.to_string());
    let group = |core: &CoreConfig, id: vrrp::GroupId| core.groups.get(id.0).map(|it| it.name.to_string());
    let instances = plan
        .instances
        .iter()
        .filter_map(|step| planned(Kind::Instance, step, |id| instance(old, id), |id| instance(new, id)));
    let groups = plan
        .groups
        .iter()
        .filter_map(|step| planned(Kind::Group, step, |id| group(old, id), |id| group(new, id)));
    instances.chain(groups).collect()
}

fn planned<Id: Copy>(
    kind: Kind,
    step: &Step<Id>,
    before: impl Fn(Id) -> Option<String>,
    after: impl Fn(Id) -> Option<String>,
) -> Option<Planned> {
    let none: &[Aspect] = &[];
    let (was, is, fate, changed) = match step {
        Step::Keep { was, is } => (Some(*was), Some(*is), Fate::Keep, none),
        Step::Retune { was, is, changed } => (Some(*was), Some(*is), Fate::Retune, changed.as_slice()),
        Step::Restart { was, is, changed } => (Some(*was), Some(*is), Fate::Restart, changed.as_slice()),
        Step::Add { is } => (None, Some(*is), Fate::Add, none),
        Step::Remove { was } => (Some(*was), None, Fate::Remove, none),
    };
    let (was, is) = (was.and_then(before), is.and_then(after));
    let name = is.clone().or_else(|| was.clone())?;
    let was = was.filter(|was| *was != name);
    Some(Planned { kind, name, was, fate, changed: changed.iter().map(ToString::to_string).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(instances: &[(&str, u8, &str)]) -> CoreConfig {
        let one = |(name, vrid, more): &(&str, u8, &str)| {
            format!(
                "vrrp_instance {name} {{ interface eth0 \n virtual_router_id {vrid} \n virtual_ipaddress {{ 10.0.0.{vrid} }} \n {more} }}\n"
            )
        };
        let text: String = instances.iter().map(one).collect();
        setup::core_config(&config::parse("test.conf", text).config.expect("valid"))
    }

    #[test]
    fn every_fate_has_its_line() {
        let old = core(&[("a", 1, ""), ("b", 2, ""), ("c", 3, ""), ("d", 4, ""), ("e", 5, "")]);
        let new =
            core(&[("f", 6, ""), ("c", 3, "version 3"), ("B", 2, ""), ("a", 1, ""), ("e", 5, "priority 5")]);
        let lines: Vec<_> = plan(&old, &new)
            .into_iter()
            .map(|it| (it.name, it.was.unwrap_or_default(), it.fate, it.changed.join(", ")))
            .collect();
        let expected = [
            ("f", "", Fate::Add, ""),
            ("c", "", Fate::Restart, "version"),
            ("B", "b", Fate::Retune, "name"),
            ("a", "", Fate::Keep, ""),
            ("e", "", Fate::Retune, "priority"),
            ("d", "", Fate::Remove, ""),
        ];
        let text = str::to_owned;
        assert_eq!(
            lines,
            expected.map(|(name, was, fate, changed)| (text(name), text(was), fate, text(changed)))
        );
    }
}
