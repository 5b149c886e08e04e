//! The RPM in a machine that boots systemd: installed, upgraded on a master, and erased, by rpm itself.
//!
//! The machine is Debian's, so rpm knows none of what the package requires and is told not to ask (`--nodeps`); its
//! scriptlets, the order in which they run and what becomes of configuration files are RPM's own (pain L1).

use handover_tests::machine::{Machine, eventually, is_possible};
use handover_tests::node::start_lab;
use handover_tests::package;

const VIP: &str = "192.168.1.100";
const CONFIG: &str = "vrrp_instance api_vip {
  interface eth0
  virtual_router_id 5
  virtual_ipaddress { 192.168.1.100/24 }
}";
const CONFIG_PATH: &str = "/etc/handover/handover.conf";

/// Whose its configuration is, and who may read it.
fn config_mode(machine: &Machine) -> String {
    machine.must(&format!("stat -c '%U %G %a' {CONFIG_PATH}")).trim().to_owned()
}

#[test]
fn an_rpm_is_installed_upgraded_on_a_master_and_erased() {
    if !is_possible() || !package::is_installed("rpm") {
        return;
    }
    let (Some(first), Some(second)) = (package::build_rpm("1.0.0"), package::build_rpm("1.0.1")) else {
        return;
    };
    let rpm = |options: &str, package| format!("rpm {options} --nodeps {}", Machine::path_of(package));
    let lab = start_lab();
    let machine = Machine::boot(&lab, "a", &["192.168.1.11/24"]);
    machine.wait_until_up(&lab);
    let _ = machine.must("rm -f /etc/keepalived/keepalived.conf");
    let said = machine.must(&format!("{} 2>&1", rpm("--install", &first)));
    assert!(said.contains("systemctl enable --now handover.target"), "no advice: {said}");
    assert_eq!(config_mode(&machine), "root _handover 640");
    assert_eq!(machine.unit("vrrp-core", "ActiveState"), "inactive", "an installation starts nothing");

    // The file as it came, so that an upgrade replaces it, and one that has been written.
    let _ = machine.must(&rpm("--upgrade", &second));
    assert_eq!(config_mode(&machine), "root _handover 640", "replaced by an upgrade");
    let _ = machine.must(&rpm("--upgrade --oldpackage", &first));
    let _ = machine
        .must(&format!("cat > {CONFIG_PATH} <<'END'\n{CONFIG}\nEND\nsystemctl enable --now handover.target"));
    eventually(&lab, &[&machine], "it is MASTER", || machine.state() == "MASTER" && machine.holds(VIP));

    let monitor = machine.watch_addresses(&lab);
    let before = machine.main_pids();
    let _ = machine.must(&rpm("--upgrade", &second));
    eventually(&lab, &[&machine], "all were restarted by the upgrade", || {
        let now = machine.main_pids();
        now.iter().zip(&before).all(|(now, before)| now != before && now != "0")
            && machine.state() == "MASTER"
            && machine.at("/processes/ipmgr/running") == "true"
    });
    let moved = monitor.lines().iter().any(|line| line.text.contains("Deleted") && line.text.contains(VIP));
    assert!(!moved && machine.holds(VIP), "the upgrade moved the address\n{}", machine.story());
    assert_eq!(config_mode(&machine), "root _handover 640", "kept by an upgrade");
    assert!(machine.must(&format!("cat {CONFIG_PATH}")).contains(VIP), "its configuration was lost");
    assert_eq!(
        machine.must("rpm --query handover").trim(),
        "handover-1.0.1-1.x86_64".replace("x86_64", std::env::consts::ARCH)
    );

    let _ = machine.must("rpm --erase handover");
    eventually(&lab, &[&machine], "the address is gone", || !machine.holds(VIP));
    // RPM knows no purge: what somebody has written stays under another name, and the history with it.
    assert_eq!(
        machine.remains(),
        "/etc/handover\n/etc/handover/handover.conf.rpmsave\n/var/lib/handover\n",
        "left behind"
    );
}
