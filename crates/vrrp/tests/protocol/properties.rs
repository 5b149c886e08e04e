//! Whatever comes in: no panic, bounded outputs, and a few sentences that are always true.
//!
//! proptest prints the smallest failing sequence and keeps its seed beside this file.

use std::time::Duration;

use handover_vrrp::{
    CoreConfig, GroupConfig, Input, InstanceConfig, InstanceId, Manners, OrderNumber, Output, Packet,
    Prelude, Preludes,
};
use model::{GroupName, Instant, LinkFact, LinkName, MacAddress, State, Verdict, Vrid};
use proptest::prelude::*;

use crate::support::*;

/// One input can at most make every instance speak to each peer, announce, order and tell.
const MAX_OUTPUTS_PER_INSTANCE: usize = 16;
/// Deadlines may be early: so many wakes at one moment may find nothing to do.
const MAX_IDLE_WAKES: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Wake,
    Jump(u64),
    Hear { config: usize, priority: u8, source: u8, spoil: Option<(usize, u8)> },
    Bytes(Vec<u8>),
    Link { there: bool, up: bool, address: Option<u8> },
    Verdict(u8, Verdict),
    Present(bool),
    Gone,
    Installed { instance: usize, order: u64, failures: usize },
    Withdrawn { instance: usize, order: Option<u64> },
    PreludeDone { instance: usize, order: u64 },
    Claim { instance: usize, address: u8 },
    Drain(Option<usize>, bool),
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(Verdict::Up),
        Just(Verdict::Down),
        Just(Verdict::Unknown),
        Just(Verdict::Unrunnable)
    ];
    prop_oneof![
        8 => (0u64..5000).prop_map(Step::Pass),
        2 => Just(Step::Wake),
        1 => any::<u64>().prop_map(Step::Jump),
        8 => (0usize..4, any::<u8>(), 1u8..5, proptest::option::weighted(0.2, (0usize..40, any::<u8>())))
            .prop_map(|(config, priority, source, spoil)| Step::Hear { config, priority, source, spoil }),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Step::Bytes),
        3 => (any::<bool>(), any::<bool>(), proptest::option::of(1u8..5))
            .prop_map(|(there, up, address)| Step::Link { there, up, address }),
        3 => (0u8..3, verdict).prop_map(|(check, verdict)| Step::Verdict(check, verdict)),
        3 => any::<bool>().prop_map(Step::Present),
        1 => Just(Step::Gone),
        4 => (0usize..6, 0u64..40, 0usize..3)
            .prop_map(|(instance, order, failures)| Step::Installed { instance, order, failures }),
        2 => (0usize..6, proptest::option::of(0u64..40))
            .prop_map(|(instance, order)| Step::Withdrawn { instance, order }),
        3 => (0usize..6, 0u64..40).prop_map(|(instance, order)| Step::PreludeDone { instance, order }),
        3 => (0usize..6, any::<u8>()).prop_map(|(instance, address)| Step::Claim { instance, address }),
        2 => (proptest::option::of(0usize..6), any::<bool>()).prop_map(|(instance, out)| Step::Drain(instance, out)),
        1 => Just(Step::Shutdown),
    ]
}

fn configs() -> Vec<InstanceConfig> {
    let vrid = |id| Vrid::new(id).unwrap();
    let preludes = Preludes { master: true, backup: true, limit: ms(700) };
    let manners = Manners { preludes, ..Manners::default() };
    vec![
        InstanceConfig { checks: vec![tracked("0", 0), tracked("1", 50)], manners, ..v3(100) },
        InstanceConfig { vrid: vrid(6), preempt: false, preempt_delay: ms(2000), manners, ..v2(150) },
        v6(255),
        InstanceConfig {
            vrid: vrid(7),
            peers: vec![LOWER.into(), GREATER.into()],
            wants_master: true,
            ..v3(255)
        },
    ]
}

/// The first two, so that half of all inputs concern it.
fn group() -> GroupConfig {
    GroupConfig {
        name: GroupName::new("vg").unwrap(),
        members: vec![InstanceId(0), InstanceId(1)],
        checks: vec![tracked("2", 0)],
        tracked_links: Vec::new(),
    }
}

fn random() -> CoreConfig {
    let links = vec![LinkName::new("eth0").unwrap()];
    CoreConfig { links, instances: configs(), groups: vec![group()], ..CoreConfig::default() }
}

fn apply(host: &mut Host, step: &Step) -> Vec<Output> {
    match step {
        Step::Pass(millis) => {
            host.now = host.now + Duration::from_millis(*millis);
            host.give(Input::Wake)
        }
        Step::Wake => host.give(Input::Wake),
        Step::Jump(nanos) => {
            host.now = Instant::from_nanos(*nanos);
            host.give(Input::Wake)
        }
        Step::Hear { config, priority, source, spoil } => {
            let config = &configs()[*config];
            let source = match config.family {
                model::Family::V4 => [192, 0, 2, *source].into(),
                model::Family::V6 => PEER6,
            };
            let mut message = if config.peers.is_empty() {
                message(config, source, *priority)
            } else {
                message_to(config, source, OWN, *priority)
            };
            if let Some((at, value)) = spoil
                && let Some(byte) = message.bytes.get_mut(*at)
            {
                *byte = *value;
            }
            host.hear(&message)
        }
        Step::Bytes(bytes) => host.give(Input::Packet(Packet {
            sealed: None,
            link: ETH0,
            source: LOWER,
            destination: GROUP,
            ttl: 255,
            message: bytes,
        })),
        Step::Link { there, up, address } => host.give(Input::Link(&LinkFact {
            index: there.then_some(2),
            up: *up,
            ipv4: address.map(|last| [192, 0, 2, last].into()),
            ..eth0()
        })),
        Step::Verdict(check, verdict) => host.verdict(&check.to_string(), *verdict),
        Step::Present(held) => {
            let all: Vec<_> = (0..5).map(InstanceId).collect();
            host.give(Input::ManagerPresent { held: if *held { &all } else { &[] } })
        }
        Step::Gone => host.give(Input::ManagerGone),
        Step::Installed { instance, order, failures } => host.give(Input::Installed {
            instance: InstanceId(*instance),
            order: OrderNumber(*order),
            failures: &vec!["EPERM".to_owned(); *failures],
            nothing: *failures > 1,
        }),
        Step::Withdrawn { instance, order } => {
            host.give(Input::Withdrawn { instance: InstanceId(*instance), order: order.map(OrderNumber) })
        }
        Step::PreludeDone { instance, order } => {
            host.give(Input::PreludeDone { instance: InstanceId(*instance), order: OrderNumber(*order) })
        }
        Step::Claim { instance, address } => host.give(Input::Claim {
            instance: InstanceId(*instance),
            address: [192, 0, 2, *address].into(),
            mac: MacAddress([2, 0, 0, 0, 0, *address]),
        }),
        Step::Drain(instance, out) => {
            let instance = instance.map(InstanceId);
            host.give(if *out { Input::Drain { instance, text: "x" } } else { Input::Undrain { instance } })
        }
        Step::Shutdown => host.give(Input::Shutdown),
    }
}

proptest! {
    #[test]
    fn any_sequence_of_inputs_is_survived(steps in proptest::collection::vec(step(), 0..200)) {
        let mut host = Host::configured(random());
        let mut told = vec![Some(State::Init); configs().len()];
        // The last order for each instance: who is told to be master has ordered the addresses last.
        let mut ordered = vec![false; configs().len()];
        let (mut finished, mut shut_down) = (false, false);
        for step in &steps {
            let outputs = apply(&mut host, step);
            // Who has no addresses of ours by its own word needs no order from us to take them away.
            match step {
                Step::Present(false) => ordered.fill(false),
                Step::Withdrawn { instance, order: None } => {
                    if let Some(ordered) = ordered.get_mut(*instance) {
                        *ordered = false;
                    }
                }
                _ => {}
            }
            prop_assert!(outputs.len() <= MAX_OUTPUTS_PER_INSTANCE * configs().len(), "{outputs:?}");
            prop_assert!(!finished || outputs.is_empty(), "after the end: {outputs:?}");
            for output in outputs {
                match output {
                    Output::Transition(transition) => {
                        let at = transition.instance.0;
                        prop_assert_eq!(Some(transition.from), told[at]);
                        prop_assert_ne!(transition.to, told[at]);
                        prop_assert!(!transition.cause.code.is_empty() && !transition.cause.text.is_empty());
                        told[at] = transition.to;
                    }
                    Output::Prelude { instance, prelude, .. } => {
                        prop_assert_eq!(ordered[instance.0], prelude == Prelude::Backup);
                    }
                    Output::Install { instance, .. } => ordered[instance.0] = true,
                    Output::Withdraw { instance, .. } => ordered[instance.0] = false,
                    // V3-FSM-15
                    Output::Announce(instance) | Output::AnnouncePlaced { instance, .. } => {
                        prop_assert!(ordered[instance.0]);
                    }
                    Output::GroupTransition(transition) => prop_assert_ne!(transition.to, Some(transition.from)),
                    Output::Transmit(transmit) => prop_assert!(transmit.message.len() >= 8),
                    Output::LowerMaster(lower) => prop_assert!(ordered[lower.instance.0]),
                    Output::Priority { instance, .. } => {
                        prop_assert!(matches!(told[instance.0], Some(State::Backup | State::Master)));
                    }
                    Output::Penalties(instance) => prop_assert!(false, "no check of {instance:?} is bound to a role"),
                    Output::Notice(notice) => prop_assert!(!notice.text.is_empty()),
                    Output::Finished => finished = true,
                }
            }
            shut_down |= matches!(step, Step::Shutdown);
            for (told, ordered) in told.iter().zip(&ordered) {
                // V3-FSM-3, V3-FSM-14; a stopping master is told until its addresses are gone, orders or not.
                prop_assert!(shut_down || *told != Some(State::Master) || *ordered);
                prop_assert!(told.is_some() || !*ordered);
            }
            let states: Vec<_> = host.core.status().instances.iter().map(|instance| instance.state).collect();
            prop_assert_eq!(&states, &told);
            let group = &host.core.status().groups[0];
            prop_assert_eq!(group.state == Some(State::Master), told[..2].iter().flatten().all(|told| *told == State::Master) && told[..2].iter().any(Option::is_some));
            // Whatever was due has been dealt with; deadlines may be early, so another wake or two may find nothing.
            for _ in 0..MAX_IDLE_WAKES {
                if matches!(step, Step::Wake | Step::Pass(_)) && host.core.next_deadline().is_some_and(|at| at <= host.now) {
                    prop_assert_eq!(host.give(Input::Wake), Vec::new());
                }
            }
            if let Some(next) = host.core.next_deadline()
                && matches!(step, Step::Wake | Step::Pass(_))
                && next <= host.now
            {
                prop_assert!(host.now == Instant::from_nanos(u64::MAX), "due {next} at {}", host.now);
            }
        }
    }

    /// The same configuration again, at any time and as often as one likes, changes nothing, then or later.
    #[test]
    fn nobody_notices_the_same_configuration(steps in proptest::collection::vec((step(), any::<bool>()), 0..100)) {
        let (mut plain, mut reloading) = (Host::configured(random()), Host::configured(random()));
        let mut stopped = false;
        for (step, reload) in &steps {
            let outputs = apply(&mut plain, step);
            prop_assert_eq!(apply(&mut reloading, step), outputs);
            stopped |= matches!(step, Step::Shutdown);
            if *reload {
                match reloading.core.reconfigure(reloading.now, random()) {
                    Some(switched) => {
                        prop_assert!(!stopped);
                        prop_assert_eq!(switched.farewells, Vec::new());
                        prop_assert_eq!(switched.instances, (0..configs().len()).map(|at| Some(InstanceId(at))).collect::<Vec<_>>());
                    }
                    None => prop_assert!(stopped),
                }
                prop_assert_eq!(reloading.drain(), Vec::new());
            }
            prop_assert_eq!(plain.core.next_deadline(), reloading.core.next_deadline());
            prop_assert_eq!(plain.core.status(), reloading.core.status());
        }
    }

    /// Whatever becomes of its neighbours, an untouched instance says and does what it would have done.
    #[test]
    fn an_untouched_instance_is_unmoved(
        steps in proptest::collection::vec((step(), proptest::option::weighted(0.2, 0usize..4)), 0..100),
    ) {
        let mut plain = Host::configured(around(0));
        let mut reloading = Host::configured(around(0));
        for (step, reload) in &steps {
            match step {
                Step::Shutdown => break,
                // The numbers of orders differ: each gets its own answers, at once.
                Step::Installed { .. } | Step::Withdrawn { order: Some(_), .. } => continue,
                _ => {}
            }
            let [expected, seen] = [&mut plain, &mut reloading].map(|host| {
                let outputs = apply(host, step);
                host.answer(outputs)
            });
            prop_assert_eq!(of_the_first(&expected), of_the_first(&seen));
            if let Some(number) = reload {
                let farewells = reloading.reconfigure(around(*number)).farewells;
                let what_follows = reloading.drain();
                prop_assert_eq!(of_the_first(&farewells), Vec::<Output>::new());
                prop_assert_eq!(of_the_first(&what_follows), Vec::<Output>::new());
            }
            let status = |host: &Host| host.core.instance(ONE);
            prop_assert_eq!(status(&plain), status(&reloading));
        }
    }
}

/// The first instance as it always is, and others around it that come, go and change.
fn around(number: usize) -> CoreConfig {
    let mut config = random();
    config.groups.clear();
    match number {
        0 => {}
        1 => config.instances.truncate(1),
        2 => {
            config.instances.swap(1, 3);
            config.links.push(LinkName::new("eth1").unwrap());
        }
        _ => config.instances[1].priority = model::Priority(3),
    }
    config
}

/// What concerns the first instance. Orders are counted over all of them.
fn of_the_first(outputs: &[Output]) -> Vec<Output> {
    let concerns = |output: &&Output| match output {
        Output::Transmit(transmit) => transmit.instance == ONE,
        Output::Install { instance, .. }
        | Output::Withdraw { instance, .. }
        | Output::Prelude { instance, .. }
        | Output::Announce(instance)
        | Output::AnnouncePlaced { instance, .. } => *instance == ONE,
        Output::Transition(transition) => transition.instance == ONE,
        Output::LowerMaster(lower) => lower.instance == ONE,
        Output::Priority { instance, .. } | Output::Penalties(instance) => *instance == ONE,
        Output::Notice(notice) => notice.instance == Some(ONE),
        Output::GroupTransition(_) | Output::Finished => false,
    };
    let uncounted = |output: &Output| match output {
        Output::Install { instance, .. } => Output::Install { instance: *instance, order: OrderNumber(0) },
        Output::Withdraw { instance, .. } => Output::Withdraw { instance: *instance, order: OrderNumber(0) },
        Output::Prelude { instance, prelude, .. } => {
            Output::Prelude { instance: *instance, order: OrderNumber(0), prelude: *prelude }
        }
        other => other.clone(),
    };
    outputs.iter().filter(concerns).map(uncounted).collect()
}
