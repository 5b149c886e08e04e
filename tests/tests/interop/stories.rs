//! The stories, one test each. The name of the test is the story's name in docs/interop.md.
//!
//! A story goes from one settled state to the next and must never wait for a time: `scene` waits for what is seen.

use std::panic::resume_unwind;
use std::thread;

use crate::routers::Kind::{self, Handover, Keepalived};
use crate::routers::{GROUP, Tracking, WEIGHT, Why};
use crate::scene::{PREFERRED, SECOND, Scene, THIRD, Terms};
use crate::table;

/// Two hosts, and either is Handover.
const PAIRS: [&[Kind]; 2] = [&[Handover, Keepalived], &[Keepalived, Handover]];
/// Three hosts, one of them is Handover, or two.
const TRIOS: [&[Kind]; 2] = [&[Handover, Keepalived, Handover], &[Keepalived, Handover, Keepalived]];

/// Tells a story with every cast, at the same time, and records how it went.
fn tell(story: &str, casts: &[&'static [Kind]], plot: fn(&[Kind]) -> Option<Scene>) {
    let told: Vec<Option<Vec<String>>> = thread::scope(|scope| {
        let stages: Vec<_> = casts.iter().map(|cast| scope.spawn(|| plot(cast).map(|it| it.row()))).collect();
        stages.into_iter().map(|stage| stage.join().unwrap_or_else(|why| resume_unwind(why))).collect()
    });
    let names = casts.iter().map(|cast| cast.iter().zip(1..).map(|(kind, n)| format!("{}{n}", kind.sign())));
    let names = names.map(|cast| cast.collect::<Vec<String>>().join(" "));
    let rows: Option<Vec<(String, Vec<String>)>> =
        names.zip(told).map(|(cast, row)| row.map(|row| (cast, row))).collect();
    if let Some(rows) = rows {
        table::record(story, &rows);
    }
}

/// All are up, and the preferred one is master of everything. Its host's name is [`PREFERRED`].
fn settled(cast: &[Kind], terms: &Terms) -> Option<Scene> {
    let mut scene = Scene::new(cast, terms)?;
    scene.start(PREFERRED);
    scene.start(SECOND);
    if cast.len() > 2 {
        scene.start(THIRD);
    }
    scene.settles_on(PREFERRED);
    scene.is_everywhere(SECOND, "BACKUP");
    Some(scene)
}

/// The master says goodbye (V3-FSM-13), and the other takes over for that reason (V3-FSM-5). It returns and preempts
/// (V3-FSM-7), and the other yields (V3-FSM-11).
#[test]
fn a_stopped_master_is_replaced_until_it_returns() {
    tell("a_stopped_master_is_replaced_until_it_returns", &PAIRS, |cast| {
        let mut scene = settled(cast, &Terms::default())?;
        scene.stop(PREFERRED);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterResigned);
        scene.start(PREFERRED);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        scene.knows_why(SECOND, Why::Outranked);
        Some(scene)
    });
}

/// The master's whole host dies: silence, and the other takes over (V3-FSM-4). It boots again and preempts.
#[test]
fn a_dead_master_is_replaced_until_it_returns() {
    tell("a_dead_master_is_replaced_until_it_returns", &PAIRS, |cast| {
        let mut scene = settled(cast, &Terms::default())?;
        scene.kill(PREFERRED);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterSilent);
        scene.boot(PREFERRED);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        scene.knows_why(SECOND, Why::Outranked);
        Some(scene)
    });
}

/// The master's interface is taken down: it is in FAULT and gives up its addresses, and the other takes over. The
/// interface comes up, with a new link-local address, and the master is back (pain D2).
#[test]
fn a_master_without_a_link_is_replaced_until_it_has_one() {
    tell("a_master_without_a_link_is_replaced_until_it_has_one", &PAIRS, |cast| {
        let mut scene = settled(cast, &Terms::default())?;
        scene.set_link(PREFERRED, false);
        scene.is_everywhere(PREFERRED, "FAULT");
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterSilent);
        scene.set_link(PREFERRED, true);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        scene.knows_why(SECOND, Why::Outranked);
        Some(scene)
    });
}

/// With `nopreempt` (V3-FSM-6) the preferred one returns and leaves the other alone, until that stops.
#[test]
fn with_nopreempt_the_master_stays() {
    tell("with_nopreempt_the_master_stays", &PAIRS, |cast| {
        let mut scene = settled(cast, &Terms { nopreempt: true, ..Terms::default() })?;
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
        Some(scene)
    });
}

/// Two of the same priority became master apart from each other; when they meet, the greater source address stays
/// (V3-FSM-11).
#[test]
fn of_equal_masters_the_greater_address_stays() {
    tell("of_equal_masters_the_greater_address_stays", &PAIRS, |cast| {
        let mut scene = Scene::new(cast, &Terms { priorities: [100; 3], ..Terms::default() })?;
        scene.unplug(SECOND);
        scene.start(PREFERRED);
        scene.start(SECOND);
        scene.is_everywhere(PREFERRED, "MASTER");
        scene.is_everywhere(SECOND, "MASTER");
        scene.plug_in(SECOND);
        scene.settles_on_the_greater_address();
        Some(scene)
    });
}

/// A failed check with a weight costs the master just so much that the other's priority is the higher one, and nobody is
/// in FAULT: the other preempts (V3-FSM-7), and yields when the check passes again.
#[test]
fn a_check_with_a_weight_moves_the_master() {
    tell("a_check_with_a_weight_moves_the_master", &PAIRS, |cast| {
        let terms = Terms {
            priorities: [120, 120 - WEIGHT / 2, 50],
            tracking: Tracking::Weighted,
            ..Terms::default()
        };
        let mut scene = settled(cast, &terms)?;
        scene.set_fitness(PREFERRED, false);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterIsLower);
        scene.knows_why(PREFERRED, Why::Outranked);
        scene.is_everywhere(PREFERRED, "BACKUP");
        scene.set_fitness(PREFERRED, true);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        scene.knows_why(SECOND, Why::Outranked);
        Some(scene)
    });
}

/// A failed check without a weight makes the master say goodbye (V3-FSM-13) and stay out until it passes.
#[test]
fn a_check_without_a_weight_takes_the_master_out() {
    tell("a_check_without_a_weight_takes_the_master_out", &PAIRS, |cast| {
        let mut scene = settled(cast, &Terms { tracking: Tracking::Fatal, ..Terms::default() })?;
        let failed = sys::clock::now();
        scene.set_fitness(PREFERRED, false);
        scene.is_everywhere(PREFERRED, "FAULT");
        scene.has_resigned(PREFERRED, failed, |_| true);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterResigned);
        scene.set_fitness(PREFERRED, true);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        scene.knows_why(SECOND, Why::Outranked);
        Some(scene)
    });
}

/// The owner of the addresses (priority 255) is master as soon as it starts (V3-FSM-1), whoever is; it says goodbye like
/// any other.
#[test]
fn an_owner_is_master_whenever_it_is_there() {
    tell("an_owner_is_master_whenever_it_is_there", &PAIRS, |cast| {
        let mut scene = Scene::new(cast, &Terms { priorities: [255, 100, 50], ..Terms::default() })?;
        scene.start(SECOND);
        scene.settles_on(SECOND);
        scene.start(PREFERRED);
        scene.settles_on(PREFERRED);
        scene.knows_why(SECOND, Why::Outranked);
        scene.stop(PREFERRED);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterResigned);
        Some(scene)
    });
}

/// Of the two that remain when the master dies, the one with the higher priority takes over: its skew is the shorter one
/// (V3-TMR-1). Who returns takes its place again.
#[test]
fn of_three_the_best_that_lives_is_master() {
    tell("of_three_the_best_that_lives_is_master", &TRIOS, |cast| {
        let mut scene = settled(cast, &Terms::default())?;
        scene.kill(PREFERRED);
        scene.settles_on(SECOND);
        scene.knows_why(SECOND, Why::MasterSilent);
        scene.is_everywhere(THIRD, "BACKUP");
        scene.kill(SECOND);
        scene.settles_on(THIRD);
        scene.knows_why(THIRD, Why::MasterSilent);
        scene.boot(PREFERRED);
        scene.settles_on(PREFERRED);
        scene.knows_why(PREFERRED, Why::MasterIsLower);
        Some(scene)
    });
}

/// What takes one member of a sync group out takes out the other too, and nobody else; they return together.
#[test]
fn a_sync_group_moves_as_one() {
    tell("a_sync_group_moves_as_one", &PAIRS, |cast| {
        let is_member = |name: &str| GROUP.contains(&name);
        let mut scene = settled(cast, &Terms { tracking: Tracking::FatalInGroup, ..Terms::default() })?;
        scene.set_fitness(PREFERRED, false);
        scene.is_in(PREFERRED, "FAULT", is_member);
        scene.settles(|router| if is_member(router.name) { SECOND } else { PREFERRED });
        scene.is_in(SECOND, "MASTER", is_member);
        scene.is_in(PREFERRED, "MASTER", |name| !is_member(name));
        scene.set_fitness(PREFERRED, true);
        scene.settles_on(PREFERRED);
        scene.is_everywhere(SECOND, "BACKUP");
        Some(scene)
    });
}
