//! Another configuration while it runs: what is borne in place, what begins anew, and what nobody notices.

use handover_vrrp::{
    Announcements, Aspect, CoreConfig, GroupConfig, GroupId, Input, InstanceConfig, InstanceId, LinkId,
    Manners, Output, Step, Switched, plan,
};
use model::{
    Credential, GroupName, InstanceName, LinkFact, LinkName, Priority, Secret, State, Verdict, Vrid,
};

use crate::support::*;

const TWO: InstanceId = InstanceId(1);

fn of(instances: Vec<InstanceConfig>) -> CoreConfig {
    let links = ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap()).to_vec();
    CoreConfig { links, instances, ..CoreConfig::default() }
}

fn named(name: &str, vrid: u8, config: InstanceConfig) -> InstanceConfig {
    InstanceConfig { name: InstanceName::new(name).unwrap(), vrid: Vrid::new(vrid).unwrap(), ..config }
}

fn group(members: &[usize]) -> GroupConfig {
    GroupConfig {
        name: GroupName::new("vg").unwrap(),
        members: members.iter().copied().map(InstanceId).collect(),
        checks: Vec::new(),
        tracked_links: Vec::new(),
    }
}

/// Reconfigures, and answers what follows; the farewells are apart.
fn reload(host: &mut Host, config: CoreConfig) -> (Switched, Vec<Output>) {
    let switched = host.reconfigure(config);
    let outputs = host.drain();
    (switched, host.answer(outputs))
}

/// Nothing ended, and this is what followed.
fn retune(host: &mut Host, config: CoreConfig) -> Vec<Output> {
    let (switched, outputs) = reload(host, config);
    assert_eq!(switched.farewells, []);
    outputs
}

fn master(config: InstanceConfig) -> Host {
    let mut host = Host::configured(of(vec![config]));
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host.pass(ms(30_000));
    assert_eq!(host.state(), Some(State::Master));
    host
}

/// Backup of a master with priority 200 that has just been heard.
fn backup(config: InstanceConfig) -> Host {
    let mut host = Host::configured(of(vec![config.clone()]));
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host.hear(&message(&config, GREATER, 200));
    host
}

/// How long until it speaks as master, if it does within a minute.
fn takeover(host: &mut Host) -> Option<std::time::Duration> {
    let start = host.now;
    while host.now < start + ms(60_000) {
        if !sent(&host.pass(ms(1))).is_empty() {
            return Some(host.now.since(start));
        }
    }
    None
}

#[test]
fn a_plan_names_what_changes() {
    let old =
        of(vec![v3(100), named("two", 6, v3(100)), named("three", 7, v3(100)), named("four", 8, v3(100))]);
    let new = of(vec![
        named("four", 8, v2(100)),
        v3(100),
        named("deux", 6, InstanceConfig { advert_interval: ms(500), ..v3(90) }),
        named("five", 9, v3(100)),
    ]);
    let places = |was, is| (InstanceId(was), InstanceId(is));
    let [(kept, keeps), (tuned, tunes), (restarted, restarts)] = [places(0, 1), places(1, 2), places(3, 0)];
    assert_eq!(
        plan(&old, &new).instances,
        [
            Step::Restart { was: restarted, is: restarts, changed: vec![Aspect::Version] },
            Step::Keep { was: kept, is: keeps },
            Step::Retune {
                was: tuned,
                is: tunes,
                changed: vec![Aspect::Name, Aspect::Priority, Aspect::Interval]
            },
            Step::Add { is: InstanceId(3) },
            Step::Remove { was: InstanceId(2) },
        ]
    );
    let mut elsewhere = of(vec![InstanceConfig { link: LinkId(1), ..v3(100) }]);
    let moved = plan(&of(vec![v3(100)]), &elsewhere).instances;
    assert_eq!(moved, [Step::Add { is: ONE }, Step::Remove { was: ONE }], "another link is another router");
    elsewhere.links.swap(0, 1);
    let renumbered = plan(&of(vec![v3(100)]), &elsewhere).instances;
    assert_eq!(renumbered, [Step::Keep { was: ONE, is: ONE }], "the same link in another place is not");
}

#[test]
fn what_peers_would_not_understand_begins_anew() {
    let ours = v2(100);
    let unicast = InstanceConfig { peers: vec![GREATER.into()], ..ours.clone() };
    let with = |credential| InstanceConfig { credential: Some(credential), ..ours.clone() };
    let password = |text: &[u8; 8]| with(Credential::Password(Secret(*text)));
    let key = |text: &[u8; 8]| with(Credential::AhKey(Secret(*text)));
    let cases = [
        (ours.clone(), v3(100), Some(Aspect::Version)),
        (ours.clone(), password(b"12345678"), Some(Aspect::Authentication)),
        (password(b"12345678"), password(b"87654321"), None),
        (password(b"12345678"), key(b"12345678"), Some(Aspect::Authentication)),
        (key(b"12345678"), key(b"87654321"), None),
        (ours.clone(), unicast.clone(), Some(Aspect::Wire)),
        (
            ours.clone(),
            InstanceConfig { group: "224.0.0.19".parse().unwrap(), ..ours.clone() },
            Some(Aspect::Wire),
        ),
        (unicast.clone(), InstanceConfig { source: Some(OWN), ..unicast.clone() }, Some(Aspect::Wire)),
        (unicast.clone(), InstanceConfig { peers: vec![LOWER.into()], ..unicast }, None),
        (ours.clone(), InstanceConfig { source: Some(OWN), ..ours.clone() }, None),
    ];
    for (before, after, aspect) in cases {
        let steps = plan(&of(vec![before]), &of(vec![after])).instances;
        match aspect {
            Some(aspect) => {
                assert!(
                    matches!(&steps[0], Step::Restart { changed, .. } if changed.contains(&aspect)),
                    "{steps:?}"
                );
            }
            None => assert!(matches!(&steps[0], Step::Retune { .. }), "{steps:?}"),
        }
    }
}

#[test]
fn a_renamed_master_stays_and_its_order_stands_by_the_new_name() {
    let mut host = master(v3(100));
    let since = host.view().since;
    let outputs = retune(&mut host, of(vec![named("uno", 5, v3(100))]));
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    assert_eq!(installs(&outputs).len(), 1);
    assert_eq!((host.state(), host.view().since), (Some(State::Master), since));
    assert_eq!(host.core.config().instances[0].name.as_str(), "uno");
}

#[test]
fn one_renamed_before_its_addresses_are_in_place_waits_for_the_new_order() {
    let mut host = Host::new(v3(100));
    let outputs = host.pass_unanswered(ms(4000));
    let first = installs(&outputs)[0];
    host.reconfigure(of(vec![named("uno", 5, v3(100))]));
    let second = installs(&host.drain())[0];
    host.give(Input::Installed { instance: ONE, order: first, failures: &[], nothing: false });
    assert_eq!(host.state(), Some(State::Backup));
    host.give(Input::Installed { instance: ONE, order: second, failures: &[], nothing: false });
    assert_eq!(host.state(), Some(State::Master));
}

#[test]
fn a_lowered_priority_is_advertised_at_once_and_nothing_else_happens() {
    let mut host = master(v3(100));
    host.pass(ms(300));
    let due = host.core.next_deadline();
    let outputs = retune(&mut host, of(vec![v3(40)]));
    let told = Output::Priority { instance: ONE, priority: Priority(40) };
    assert_eq!((sent(&outputs), outputs.len(), outputs.last()), (vec![40], 2, Some(&told)));
    assert_eq!((host.state(), host.view().effective), (Some(State::Master), Priority(40)));
    assert_eq!(host.core.next_deadline(), due, "the schedule stays");
}

#[test]
fn a_backups_skew_follows_its_priority() {
    // V3-TMR-1
    let mut host = backup(v3(100));
    host.pass(ms(500));
    let told = Output::Priority { instance: ONE, priority: Priority(228) };
    assert_eq!(retune(&mut host, of(vec![v3(228)])), [told]);
    assert_eq!(takeover(&mut host), Some(ms(2500 + 110)));
}

#[test]
fn another_interval_is_told_at_once_and_kept_from_then_on() {
    let mut host = master(v3(100));
    host.pass(ms(300));
    let quick = InstanceConfig { advert_interval: ms(100), ..v3(100) };
    let outputs = retune(&mut host, of(vec![quick]));
    assert_eq!(sent(&outputs), [100]);
    assert_eq!(sent(&host.pass(ms(1000))).len(), 10);
    // Much slower than before, and no stall by the measure of either.
    let slow = InstanceConfig { advert_interval: ms(10_000), ..v3(100) };
    retune(&mut host, of(vec![slow]));
    assert_eq!(sent(&host.pass(ms(20_000))).len(), 2);
    let outputs = retune(&mut host, of(vec![InstanceConfig { advert_interval: ms(10), ..v3(100) }]));
    assert_eq!((sent(&outputs), host.state()), (vec![100], Some(State::Master)));
}

#[test]
fn a_backup_keeps_the_masters_interval_and_listens_anew_by_its_own() {
    // V3-RX-12: it has learnt one second.
    let mut host = backup(v3(100));
    host.pass(ms(500));
    assert_eq!(retune(&mut host, of(vec![InstanceConfig { advert_interval: ms(100), ..v3(100) }])), []);
    assert_eq!(takeover(&mut host), Some(ms(3110)));
    // VRRPv2 knows only its own.
    let mut host = backup(v2(100));
    host.pass(ms(500));
    retune(&mut host, of(vec![InstanceConfig { advert_interval: ms(2000), ..v2(100) }]));
    assert_eq!(takeover(&mut host), Some(ms(6610)));
    let mut host = backup(v3(100));
    host.pass(ms(500));
    let patient = Manners { down_timer_adverts: 5, ..v3(100).manners };
    retune(&mut host, of(vec![InstanceConfig { manners: patient, ..v3(100) }]));
    assert_eq!(takeover(&mut host), Some(ms(5610)));
}

#[test]
fn a_stalled_master_does_not_speak_because_it_is_reconfigured() {
    // X-1, by the measure that its peers know.
    let mut host = master(v3(100));
    host.freeze(ms(3500));
    let outputs = retune(&mut host, of(vec![InstanceConfig { advert_interval: ms(10_000), ..v3(90) }]));
    assert_eq!((sent(&outputs), told(&outputs)), (vec![], vec![Some(State::Backup)]));
    assert_eq!(host.view().cause.code, "stalled");
}

#[test]
fn other_addresses_are_ordered_and_announced_when_they_are_there() {
    let mut host = master(v3(100));
    let more = InstanceConfig { addresses: vec![VIP, "192.0.2.101".parse().unwrap()], ..v3(100) };
    host.reconfigure(of(vec![more]));
    let outputs = host.drain();
    assert_eq!((sent(&outputs), installs(&outputs).len(), announcements(&outputs)), (vec![100], 1, 0));
    assert!(!host.core.may_announce(ONE));
    let outputs = host.answer(outputs);
    assert_eq!((announcements(&outputs), told(&outputs)), (ANNOUNCEMENTS, vec![]));
    assert_eq!(announcements(&host.pass(ms(5000))), ANNOUNCEMENTS, "and once more");
    // The same addresses in another way (a prefix, an interface): no advert, but an order.
    let placed = InstanceConfig { placement: 7, ..host.core.config().instances[0].clone() };
    let outputs = retune(&mut host, of(vec![placed]));
    assert_eq!(
        (sent(&outputs), installs(&outputs).len(), announcements(&outputs)),
        (vec![], 1, ANNOUNCEMENTS)
    );
}

#[test]
fn addresses_that_are_refused_cost_it_the_mastership() {
    let mut host = master(v3(100));
    host.reconfigure(of(vec![InstanceConfig { addresses: vec![GREATER], ..v3(100) }]));
    let order = installs(&host.drain())[0];
    let failures = ["EPERM".to_owned()];
    let outputs = host.give(Input::Installed { instance: ONE, order, failures: &failures, nothing: true });
    assert_eq!((sent(&outputs), told(&outputs)), (vec![0], vec![Some(State::Fault)]));
    // Others may fare better, and aren't kept waiting.
    let outputs = retune(&mut host, of(vec![v3(100)]));
    assert_eq!(told(&outputs), [Some(State::Backup)]);
}

#[test]
fn a_second_round_of_announcements_survives() {
    let mut host = Host::new(v3(100));
    let first = host.pass(ms(4000));
    assert_eq!(announcements(&first), ANNOUNCEMENTS);
    let once = Announcements { repeat: 2, ..Announcements::default() };
    for config in [v3(100), v3(90), InstanceConfig { announcements: once, ..v3(90) }] {
        let outputs = retune(&mut host, of(vec![config]));
        assert_eq!(announcements(&outputs), 0);
    }
    assert_eq!(announcements(&host.pass(ms(6000))), ANNOUNCEMENTS);
}

#[test]
fn refreshments_begin_and_end() {
    let refreshing = Announcements { refresh: Some(ms(2000)), refresh_repeat: 1, ..Announcements::default() };
    let mut host = master(v3(100));
    retune(&mut host, of(vec![InstanceConfig { announcements: refreshing, ..v3(100) }]));
    assert_eq!(announcements(&host.pass(ms(10_500))), 5);
    retune(&mut host, of(vec![v3(100)]));
    assert_eq!(announcements(&host.pass(ms(10_500))), 0);
    assert!(host.core.next_deadline() > Some(host.now));
}

#[test]
fn who_may_not_preempt_any_more_lets_a_lower_master_be() {
    // V3-FSM-6, V3-FSM-7
    let lower = message(&v3(100), LOWER, 50);
    for after in [InstanceConfig { preempt: false, ..v3(100) }, v3(40)] {
        let mut host = Host::new(v3(100));
        host.hear(&lower);
        host.pass(ms(900));
        host.hear(&lower);
        retune(&mut host, of(vec![after.clone()]));
        for _ in 0..10 {
            assert_eq!(sent(&host.pass(ms(1000))), [], "{after:?}");
            host.hear(&lower);
        }
    }
    // And the other way round.
    let mut host = Host::new(InstanceConfig { preempt: false, ..v3(100) });
    host.hear(&lower);
    retune(&mut host, of(vec![v3(100)]));
    host.hear(&lower);
    assert_eq!(sent(&host.pass(ms(3700))).first(), Some(&100));
}

#[test]
fn patience_is_counted_from_the_same_moment() {
    let lower = message(&v3(100), LOWER, 50);
    let patient = |delay| InstanceConfig { preempt_delay: ms(delay), ..v3(100) };
    let mut host = Host::new(patient(60_000));
    host.hear(&lower);
    host.pass(ms(1000));
    retune(&mut host, of(vec![patient(4000)]));
    let start = host.now;
    while sent(&host.pass(ms(100))).is_empty() {
        host.hear(&lower);
        assert!(host.now < start + ms(20_000));
    }
    // 4 s after the first advert, and the down interval of the last that held it back.
    assert!(host.now.since(start) > ms(3000 + 3400) && host.now.since(start) < ms(3000 + 3800));
}

#[test]
fn who_is_removed_says_goodbye_by_its_old_place() {
    // V3-FSM-13
    let mut host = Host::configured(of(vec![v3(100), named("two", 6, v3(100))]));
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host.pass(ms(30_000));
    let (switched, outputs) = reload(&mut host, of(vec![named("two", 6, v3(100))]));
    let farewells = switched.farewells;
    assert_eq!((sent(&farewells), withdraws(&farewells).len()), (vec![0], 1));
    let last = transitions(&farewells)[0];
    assert_eq!((last.instance, last.from, last.to), (ONE, State::Master, None));
    assert_eq!((last.cause.code.as_str(), farewells.len()), ("removed", 3));
    assert_eq!(outputs, []);
    assert_eq!(switched.instances, [None, Some(ONE)]);
    assert_eq!(sent(&host.pass(ms(2000))), [100, 100]);
    // A late answer is for nobody.
    let outputs = host.give(Input::Withdrawn { instance: ONE, order: Some(withdraws(&farewells)[0]) });
    assert_eq!((outputs, host.state()), (vec![], Some(State::Master)));
}

#[test]
fn who_begins_anew_says_so_and_listens_first() {
    let mut host = master(v3(100));
    let (switched, outputs) = reload(&mut host, of(vec![v2(100)]));
    assert_eq!(sent(&switched.farewells), [0]);
    let last = transitions(&switched.farewells)[0];
    assert_eq!((last.to, last.cause.code.as_str()), (None, "reconfigured"));
    assert_eq!(last.cause.text, "begins anew: its configuration has another version");
    assert_eq!((sent(&outputs), told(&outputs)), (vec![], vec![Some(State::Backup)]));
    assert_eq!(transitions(&outputs)[0].from, State::Init);
    assert_eq!(takeover(&mut host), Some(ms(3610)));
}

#[test]
fn addresses_kept_for_a_successor_go_with_who_is_removed() {
    let handing = InstanceConfig { manners: Manners::default(), ..v3(100) };
    let mut host = master(handing);
    host.give(Input::Drain { instance: None, text: "by root" });
    assert_eq!(host.state(), Some(State::Master), "kept");
    let (switched, _) = reload(&mut host, of(Vec::new()));
    assert_eq!((withdraws(&switched.farewells).len(), told(&switched.farewells)), (1, vec![None]));
}

#[test]
fn what_was_told_stays_known() {
    let config = |name: &str| named(name, 5, InstanceConfig { checks: vec![tracked("chk", 0)], ..v3(100) });
    let mut host = Host::configured(of(vec![config("one")]));
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host.verdict("chk", Verdict::Up);
    host.pass(ms(10_000));
    // One more on the same link, with the same check: it knows all that it has to.
    let second = named("two", 6, InstanceConfig { checks: vec![tracked("chk", 0)], ..v3(100) });
    let outputs = retune(&mut host, of(vec![second, config("one")]));
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(transitions(&outputs)[0].instance, ONE);
    let state = |host: &Host, id| host.core.instance(id).unwrap().state;
    assert_eq!(state(&host, TWO), Some(State::Master));
    let counted = |host: &Host, id| host.now.since(host.core.instance(id).unwrap().counted_since);
    assert_eq!((counted(&host, ONE), counted(&host, TWO)), (ms(0), ms(10_000)), "each since it is there");
    // Drained is drained, wherever its place is.
    host.give(Input::Drain { instance: Some(TWO), text: "by root" });
    reload(&mut host, of(vec![config("one")]));
    assert_eq!(host.view().reasons[0].code, "drained");
}

#[test]
fn a_master_waits_for_a_check_that_is_new_and_stays() {
    let mut host = master(v3(100));
    let checked = InstanceConfig { checks: vec![tracked("chk", 0)], ..v3(100) };
    assert_eq!(retune(&mut host, of(vec![checked.clone()])), []);
    assert_eq!(host.view().reasons[0].code, "check-awaited");
    host.give(Input::Link(&LinkFact { mac: None, ..eth0() }));
    assert_eq!(host.state(), Some(State::Master));
    let outputs = host.verdict("chk", Verdict::Down);
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    // Who isn't master doesn't become one before it is known.
    let mut host = backup(v3(100));
    assert_eq!(told(&retune(&mut host, of(vec![checked]))), [Some(State::Init)]);
    assert_eq!(takeover(&mut host), None);
}

#[test]
fn a_check_that_nobody_tracks_any_more_counts_no_more() {
    let mut host = master(InstanceConfig { checks: vec![tracked("chk", -30)], ..v3(100) });
    host.verdict("chk", Verdict::Down);
    assert_eq!(host.view().effective, Priority(70));
    assert_eq!(sent(&retune(&mut host, of(vec![v3(100)]))), [100]);
    // It was forgotten with its last tracker.
    let outputs =
        retune(&mut host, of(vec![InstanceConfig { checks: vec![tracked("chk", -30)], ..v3(100) }]));
    assert_eq!((outputs, host.view().effective), (vec![], Priority(100)));
}

fn pair(members: &[usize]) -> CoreConfig {
    let two = named("two", 6, InstanceConfig { link: LinkId(1), ..v3(100) });
    let groups = if members.is_empty() { Vec::new() } else { vec![group(members)] };
    CoreConfig { groups, ..of(vec![v3(100), two, named("three", 7, v3(100))]) }
}

fn grouped(members: &[usize]) -> Host {
    let mut host = Host::configured(pair(members));
    host.give(Input::Link(&eth0()));
    host.give(Input::Link(&LinkFact { name: LinkName::new("eth1").unwrap(), ..eth0() }));
    host.give(Input::ManagerPresent { held: &[] });
    host
}

fn groups_told(outputs: &[Output]) -> Vec<(GroupId, Option<State>)> {
    let told = |output: &Output| match output {
        Output::GroupTransition(transition) => Some((transition.group, transition.to)),
        _ => None,
    };
    outputs.iter().filter_map(told).collect()
}

#[test]
fn a_group_is_known_by_its_name_or_its_members() {
    let mut host = grouped(&[0, 1]);
    host.pass(ms(30_000));
    let mut config = pair(&[1, 0]);
    config.groups[0].name = GroupName::new("other").unwrap();
    assert_eq!(retune(&mut host, config), []);
    assert_eq!(host.core.status().groups[0].state, Some(State::Master));
    let (switched, outputs) = reload(&mut host, pair(&[]));
    assert_eq!(groups_told(&switched.farewells), [(GroupId(0), None)]);
    assert_eq!((outputs, host.state()), (vec![], Some(State::Master)), "its members go on without it");
}

#[test]
fn who_joins_a_group_of_masters_rises_with_it() {
    let mut host = grouped(&[0, 1]);
    host.pass(ms(3700));
    assert_eq!(host.state(), Some(State::Master));
    let three = InstanceId(2);
    // Somebody else was the third's master until now.
    host.hear(&message(&named("three", 7, v3(100)), GREATER, 100));
    assert_eq!(host.core.instance(three).unwrap().state, Some(State::Backup));
    let outputs = retune(&mut host, pair(&[0, 1, 2]));
    assert_eq!(told(&outputs), [Some(State::Master)]);
    assert_eq!(host.core.instance(three).unwrap().cause.code, "group");
    assert_eq!(host.core.status().groups[0].state, Some(State::Master));
}

#[test]
fn nothing_is_taken_after_the_end_has_begun() {
    let mut host = master(v3(100));
    host.give(Input::Shutdown);
    assert_eq!(host.core.reconfigure(host.now, of(Vec::new())), None);
    assert_eq!(host.core.config().instances.len(), 1);
}

#[test]
fn strays_are_counted_on_by_the_links_name() {
    let mut host = master(v3(100));
    let stranger = message(&named("x", 99, v3(100)), GREATER, 100);
    host.hear(&stranger);
    let mut config = of(vec![InstanceConfig { link: LinkId(1), ..v3(100) }]);
    config.links.swap(0, 1);
    let (switched, outputs) = reload(&mut host, config);
    assert_eq!((switched.links, outputs), (vec![Some(LinkId(1)), Some(LinkId(0))], vec![]));
    host.hear_on(LinkId(1), &stranger);
    assert_eq!(host.core.link(LinkId(1)).unwrap().strays[0].count, 2);
    // What it sends goes where its link is now.
    let outputs = host.pass(SECOND);
    assert_eq!(transmits(&outputs)[0].link, LinkId(1));
}
