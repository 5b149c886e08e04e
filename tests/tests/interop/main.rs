//! Handover and the machine's own keepalived share virtual routers: VRRPv2, VRRPv3 over IPv4, VRRPv3 over IPv6, with a
//! password, with AH, and with unicast peers, all at once on the same hosts with the same configuration file.
//!
//! Each test of [`stories`] is a story; the table in docs/interop.md lists them ([`table`]). Every one is told at least
//! twice, with the roles exchanged, and an observer watches throughout that there are never two masters after settling
//! (`handover_tests::observer`). No test relies on what a router says of itself where it can be seen from outside.

mod routers;
mod scene;
mod stories;
mod table;

use routers::Kind::Keepalived;
use scene::{PREFERRED, SECOND, Scene, Terms};

/// The observer can fail: two keepalived whose passwords and keys differ don't believe each other, and both are master.
#[test]
fn the_observer_notices_two_masters() {
    let terms = Terms { passwords: ["one", "two", "three"], ..Terms::default() };
    let Some(mut scene) = Scene::new(&[Keepalived, Keepalived], &terms) else { return };
    scene.start(PREFERRED);
    scene.start(SECOND);
    let told = scene.has_two_masters();
    let is_about = |kind: &str| told.starts_with(kind) && told.contains(": two masters");
    assert!(is_about("v2_password") || is_about("v2_ah"), "{told}");
}
