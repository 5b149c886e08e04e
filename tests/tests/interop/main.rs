//! Handover and the machine's own keepalived share virtual routers: VRRPv2, VRRPv3 over IPv4, VRRPv3 over IPv6, with a
//! password, and with unicast peers, all at once on one pair of hosts with the same configuration file.
//!
//! Each test is a story; docs/interop.md is the table of contents. Every one is told twice, with the roles exchanged, and
//! an observer watches throughout that there are never two masters after settling (`handover_tests::observer`). No test
//! relies on what a router says of itself where it can be seen from outside.

mod routers;
mod scene;

use routers::Kind::{self, Handover, Keepalived};
use routers::Why;
use scene::{PREFERRED, SECOND, Scene, Terms};

/// Both are up, and the preferred one is master of everything. Its host's name is [`PREFERRED`].
fn settled_pair(preferred: Kind, second: Kind, terms: &Terms) -> Option<Scene> {
    let mut scene = Scene::new(preferred, second, terms)?;
    scene.start(PREFERRED);
    scene.start(SECOND);
    scene.settles_on(PREFERRED);
    scene.is_everywhere(SECOND, "BACKUP");
    Some(scene)
}

/// The master is stopped: it says goodbye (V3-FSM-13), and the other takes over (V3-FSM-5). It returns and preempts
/// (V3-FSM-7), and the other yields (V3-FSM-11).
fn a_stopped_master_is_replaced_until_it_returns(preferred: Kind, second: Kind) {
    let Some(mut scene) = settled_pair(preferred, second, &Terms::default()) else { return };
    scene.stop(PREFERRED);
    scene.settles_on(SECOND);
    scene.knows_why(SECOND, Why::MasterResigned);
    scene.start(PREFERRED);
    scene.settles_on(PREFERRED);
    scene.knows_why(PREFERRED, Why::MasterIsLower);
    scene.knows_why(SECOND, Why::Outranked);
}

#[test]
fn handover_takes_over_from_a_stopped_keepalived_and_yields_when_it_returns() {
    a_stopped_master_is_replaced_until_it_returns(Keepalived, Handover);
}

#[test]
fn keepalived_takes_over_from_a_stopped_handover_and_yields_when_it_returns() {
    a_stopped_master_is_replaced_until_it_returns(Handover, Keepalived);
}

/// The master's whole host dies: silence, and the other takes over (V3-FSM-4). It boots again and preempts.
fn a_dead_master_is_replaced_until_it_returns(preferred: Kind, second: Kind) {
    let Some(mut scene) = settled_pair(preferred, second, &Terms::default()) else { return };
    scene.kill(PREFERRED);
    scene.settles_on(SECOND);
    scene.knows_why(SECOND, Why::MasterSilent);
    scene.boot(PREFERRED);
    scene.settles_on(PREFERRED);
    scene.knows_why(PREFERRED, Why::MasterIsLower);
    scene.knows_why(SECOND, Why::Outranked);
}

#[test]
fn handover_takes_over_from_a_killed_keepalived_and_yields_when_it_returns() {
    a_dead_master_is_replaced_until_it_returns(Keepalived, Handover);
}

#[test]
fn keepalived_takes_over_from_a_killed_handover_and_yields_when_it_returns() {
    a_dead_master_is_replaced_until_it_returns(Handover, Keepalived);
}

/// With `nopreempt` (V3-FSM-6) the preferred one returns and leaves the other alone, until that stops.
fn with_nopreempt_the_master_stays(preferred: Kind, second: Kind) {
    let terms = Terms { nopreempt: true, ..Terms::default() };
    let Some(mut scene) = settled_pair(preferred, second, &terms) else { return };
    scene.stop(PREFERRED);
    scene.settles_on(SECOND);
    scene.start(PREFERRED);
    scene.is_everywhere(PREFERRED, "BACKUP");
    // From when it has been listening, a whole settling time: it would have preempted by then.
    scene.settles_on(SECOND);
    scene.is_everywhere(PREFERRED, "BACKUP");
    scene.stop(SECOND);
    scene.settles_on(PREFERRED);
    scene.knows_why(PREFERRED, Why::MasterResigned);
}

#[test]
fn handover_with_nopreempt_leaves_a_lower_keepalived_alone() {
    with_nopreempt_the_master_stays(Handover, Keepalived);
}

#[test]
fn keepalived_with_nopreempt_leaves_a_lower_handover_alone() {
    with_nopreempt_the_master_stays(Keepalived, Handover);
}

/// Two of the same priority became master apart from each other; when they meet, the greater source address stays
/// (V3-FSM-11).
fn of_equal_masters_the_greater_address_stays(first: Kind, second: Kind) {
    let terms = Terms { priorities: [100, 100], ..Terms::default() };
    let Some(mut scene) = Scene::new(first, second, &terms) else { return };
    scene.unplug(SECOND);
    scene.start(PREFERRED);
    scene.start(SECOND);
    scene.is_everywhere(PREFERRED, "MASTER");
    scene.is_everywhere(SECOND, "MASTER");
    scene.plug_in(SECOND);
    scene.settles_on_the_greater_address();
}

#[test]
fn handover_yields_to_an_equal_keepalived_with_a_greater_address() {
    of_equal_masters_the_greater_address_stays(Handover, Keepalived);
}

#[test]
fn keepalived_yields_to_an_equal_handover_with_a_greater_address() {
    of_equal_masters_the_greater_address_stays(Keepalived, Handover);
}

/// The observer can fail: two keepalived whose passwords differ don't believe each other, and both are master.
#[test]
fn the_observer_notices_two_masters() {
    let terms = Terms { passwords: ["one", "two"], ..Terms::default() };
    let Some(mut scene) = Scene::new(Keepalived, Keepalived, &terms) else { return };
    scene.start(PREFERRED);
    scene.start(SECOND);
    let told = scene.has_two_masters();
    assert!(told.starts_with("v2_password: two masters"), "{told}");
}
