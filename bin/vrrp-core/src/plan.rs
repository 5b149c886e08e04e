//! What another configuration means for instances and groups, and for what stands still, in the words of a reload.
//!
//! The core knows only what decides elections; what ipmgr alone does with it is told here, too, since ipmgr has no socket that a
//! coordinator could ask.

use std::collections::{HashMap, HashSet};

use config::{Address, AddressOptions, Config, Firewall, Global, Instance, NotifyPipe, Statics, VirtualMac};
use ipc::reload::{Fate, Kind, Planned};
use vrrp::{Aspect, CoreConfig, Step};

/// The plan by which the host would go from `old` to `new`, of which the core is made from `core`.
pub(crate) fn plan(old: &Config, new: &Config, core: &CoreConfig) -> Vec<Planned> {
    let mut plan = plan_of_core(&setup::core_config(old), core);
    let (known, wanted) = (by_name(old), by_name(new));
    let before = |line: &Planned| known.get(line.was.as_ref().unwrap_or(&line.name).as_str()).copied();
    let after = |line: &Planned| wanted.get(line.name.as_str()).copied();
    for line in plan.iter_mut().filter(|line| line.kind == Kind::Instance) {
        let (Some(before), Some(after)) = (before(line), after(line)) else { continue };
        let more = differences(before, after);
        match line.fate {
            Fate::Keep if more.is_empty() => {}
            Fate::Keep => (line.fate, line.changed) = (Fate::Retune, more),
            Fate::Retune => line.changed.extend(more),
            // It ends and begins anew, whatever else is different.
            Fate::Restart | Fate::Add | Fate::Remove => {}
        }
    }
    plan.extend(plan_of_statics(&old.statics, &new.statics));
    plan.extend(plan_of_host(&old.global, &new.global));
    plan
}

fn by_name(config: &Config) -> HashMap<&str, &Instance> {
    config.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect()
}

/// What is different about an instance and nothing to the core. A new field has to be named here before anything compiles.
fn differences(before: &Instance, after: &Instance) -> Vec<String> {
    let Instance {
        // The core's.
        name: _,
        wants_master: _,
        link: _,
        vrid: _,
        priority: _,
        version: _,
        family: _,
        advert_interval: _,
        credential: _,
        addresses: _,
        excluded: _,
        routes: _,
        rules: _,
        checks: _,
        links: _,
        follows_link: _,
        follows_source: _,
        preempt: _,
        preempt_delay: _,
        source: _,
        peers: _,
        unicast_ttl: _,
        multicast_group: _,
        announcements: _,
        manners: _,
        preludes: _,
        // notifierd's.
        hooks: _,
        delivery: _,
        tells_priority: _,
        mails: _,
        // Where it stands.
        given: _,
        span: _,
        virtual_mac,
        accepts,
        promotes_secondaries,
    } = after;
    let made = |own: &Option<VirtualMac>| own.as_ref().map(|own| (own.link.clone(), own.mac));
    let from_base = |own: &Option<VirtualMac>| own.as_ref().map(|own| own.adverts_from_base);
    let both_made = before.virtual_mac.is_some() && virtual_mac.is_some();
    let words = [
        ("virtual MAC", made(&before.virtual_mac) != made(virtual_mac)),
        ("vmac_xmit_base", both_made && from_base(&before.virtual_mac) != from_base(virtual_mac)),
        ("accept mode", before.accepts != *accepts),
        ("promote_secondaries", before.promotes_secondaries != *promotes_secondaries),
    ];
    told(&words)
}

fn told(words: &[(&str, bool)]) -> Vec<String> {
    words.iter().filter(|(_, differs)| *differs).map(|(word, _)| (*word).to_owned()).collect()
}

/// Each comes and goes by itself.
fn plan_of_statics(old: &Statics, new: &Statics) -> Vec<Planned> {
    let (before, after) = (things(old), things(new));
    let line = |name: &str, fate| Planned {
        kind: Kind::Static,
        name: name.to_owned(),
        was: None,
        fate,
        changed: if fate == Fate::Retune { vec!["options".to_owned()] } else { Vec::new() },
    };
    let known: HashMap<&str, _> = before.iter().map(|(name, options)| (name.as_str(), options)).collect();
    let still: HashSet<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
    let is = after.iter().map(|(name, options)| match known.get(name.as_str()) {
        None => line(name, Fate::Add),
        Some(was) if *was == options => line(name, Fate::Keep),
        Some(_) => line(name, Fate::Retune),
    });
    let gone = before.iter().filter(|(name, _)| !still.contains(name.as_str()));
    is.chain(gone.map(|(name, _)| line(name, Fate::Remove))).collect()
}

/// What each is called, and what of an address that doesn't say.
fn things(statics: &Statics) -> Vec<(String, Option<&AddressOptions>)> {
    let Statics { addresses, routes, rules } = statics;
    let address = |it: &'_ Address| format!("address {}/{} on {}", it.address, it.prefix, it.link);
    let addresses = addresses.iter().map(|it| (address(it), Some(&it.options)));
    let routes = routes.iter().map(|it| (it.to_string(), None));
    addresses.chain(routes).chain(rules.iter().map(|it| (it.to_string(), None))).collect()
}

/// Each pipe, and what reads it.
fn pipe_texts(pipes: &[NotifyPipe]) -> Vec<String> {
    let text = |pipe: &NotifyPipe| {
        let NotifyPipe { word, path, owner, reader, span: _ } = pipe;
        let reader = reader.as_ref().map(|hook| (&hook.command.program, &hook.command.arguments, &hook.user));
        format!("{word} {path:?} {owner:?} {reader:?}")
    };
    pipes.iter().map(text).collect()
}

/// What of `global_defs` is vrrp-core's or ipmgr's.
fn plan_of_host(old: &Global, new: &Global) -> Option<Planned> {
    let Global {
        router_id,
        // Each check and hook has its own, if it is another than before.
        script_user: _,
        script_security: _,
        // At the next start or stop: notifierd tells of those.
        startup_delay,
        startup_script: _,
        shutdown_script: _,
        mail: _,
        pacing,
        firewall: Firewall { table, priority, counters },
        real_time,
        pipes,
        pipes_repeat,
        given: _,
    } = new;
    let before = &old.firewall;
    let words = [
        ("router_id", old.router_id != *router_id),
        ("vrrp_startup_delay", old.startup_delay != *startup_delay),
        ("pause between announcements", old.pacing != *pacing),
        ("nftables", (&before.table, before.priority, before.counters) != (table, *priority, *counters)),
        ("vrrp_rt_priority (at the next start)", old.real_time != *real_time),
        ("named pipes", pipe_texts(&old.pipes) != pipe_texts(pipes)),
        ("fifo_write_vrrp_states_on_reload", old.pipes_repeat != *pipes_repeat),
    ];
    let changed = told(&words);
    (!changed.is_empty()).then(|| Planned {
        kind: Kind::Global,
        name: "global_defs".to_owned(),
        was: None,
        fate: Fate::Retune,
        changed,
    })
}

/// The plan by which the core would go from `old` to `new`.
fn plan_of_core(old: &CoreConfig, new: &CoreConfig) -> Vec<Planned> {
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
        let lines: Vec<_> = plan_of_core(&old, &new)
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

    #[test]
    fn what_is_nothing_to_the_core_is_told_as_well() {
        let text = |globals: &str, more: &str, statics: &str| {
            let text = format!(
                "global_defs {{ {globals} }}\n{statics}\nvrrp_instance a {{ interface eth0 \n virtual_router_id 1 \n virtual_ipaddress {{ 10.0.0.1 }} \n {more} }}\n"
            );
            config::parse("test.conf", &text).config.expect("valid")
        };
        let lines = |old: &Config, new: &Config| -> Vec<String> {
            let lines =
                plan(old, new, &setup::core_config(new)).into_iter().filter(|it| it.fate != Fate::Keep);
            lines.map(|it| format!("{:?} {} {}", it.fate, it.name, it.changed.join(", "))).collect()
        };
        let of = |more: &str| text("", more, "");
        assert_eq!(lines(&of("no_accept"), &of("accept")), ["Retune a accept mode"]);
        assert_eq!(lines(&of("use_vmac"), &of("use_vmac \n vmac_xmit_base")), ["Retune a vmac_xmit_base"]);
        assert_eq!(
            lines(&of("use_vmac"), &of("use_vmac vrrp.1 02:00:00:00:00:01")),
            ["Retune a addresses, virtual MAC"]
        );
        assert_eq!(lines(&of(""), &of("promote_secondaries")), ["Retune a promote_secondaries"]);
        assert_eq!(lines(&of(""), &of("priority 5 \n no_accept")), ["Retune a priority, accept mode"]);
        assert_eq!(
            lines(&text("nftables one", "", ""), &text("nftables two \n router_id x", "", "")),
            ["Retune global_defs router_id, nftables"]
        );
        assert_eq!(
            lines(
                &text("", "", "static_ipaddress { 10.1.0.1/24 dev eth0 \n 10.1.0.2/24 dev eth0 }"),
                &text(
                    "",
                    "",
                    "static_ipaddress { 10.1.0.2/24 dev eth0 scope link \n 10.1.0.3/24 dev eth0 } \n static_routes { blackhole 10.9.0.0/24 }"
                ),
            ),
            [
                "Retune address 10.1.0.2/24 on eth0 options",
                "Add address 10.1.0.3/24 on eth0 ",
                "Add route blackhole 10.9.0.0/24 table 254 metric 0 scope 0 ",
                "Remove address 10.1.0.1/24 on eth0 ",
            ]
        );
    }
}
