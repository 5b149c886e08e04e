//! docs/migrating.md, command by command, on two machines that boot with keepalived.

use std::fs;
use std::path::Path;

use handover_tests::keepalived;
use handover_tests::machine::{Machine, eventually, is_possible};
use handover_tests::node::start_lab;
use handover_tests::package::{self, Package};

const VIP: &str = "192.168.1.100";

fn config(state: &str, priority: u8) -> String {
    format!(
        "vrrp_instance api_vip {{
  state {state}
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int 1
  virtual_ipaddress {{
    {VIP}/24
  }}
}}
"
    )
}

/// The command lines of the page, a list for each block.
fn blocks() -> Vec<Vec<String>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docs/migrating.md");
    let page = fs::read_to_string(path).expect("docs/migrating.md");
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.map(|block| block.lines().skip(1).map(str::to_owned).collect()).collect()
}

fn follow(machine: &Machine, block: &[String]) {
    for command in block {
        let _ = machine.must(&format!("cd /root && {command}"));
    }
}

fn boot(lab: &lab::Lab, name: &str, address: &str, config: &str, package: &Package) -> Machine {
    let machine = Machine::boot(lab, name, &[address]);
    machine.wait_until_up(lab);
    machine.write("/etc/keepalived/keepalived.conf", config, 0o600);
    let _ = machine.must("systemctl enable --now keepalived");
    let _ = machine.must(&format!("cp {} /root/handover.deb", Machine::path_of(package)));
    machine
}

#[test]
fn the_migration_page_leads_from_keepalived_to_handover_and_back() {
    if !is_possible() || !keepalived::is_installed() {
        return;
    }
    let Some(package) = package::build("1.0.0") else { return };
    let blocks = blocks();
    let [install, read, change, back] = blocks.as_slice() else { panic!("four blocks: {blocks:?}") };
    let lab = start_lab();
    let a = boot(&lab, "a", "192.168.1.11/24", &config("MASTER", 150), &package);
    let b = boot(&lab, "b", "192.168.1.12/24", &config("BACKUP", 100), &package);
    eventually(&lab, &[&a, &b], "keepalived on a is master", || a.holds(VIP) && !b.holds(VIP));
    for machine in [&a, &b] {
        follow(machine, install);
        follow(machine, read);
        assert_eq!(machine.unit("keepalived", "ActiveState"), "active", "it goes on meanwhile");
    }
    follow(&b, change);
    eventually(&lab, &[&a, &b], "b is BACKUP to keepalived", || {
        b.state() == "BACKUP" && b.at("/instances/0/master/address") == "192.168.1.11"
    });
    assert!(a.holds(VIP) && !b.holds(VIP), "{}", b.story());
    let _ = a.must("systemctl stop keepalived");
    eventually(&lab, &[&a, &b], "b takes over from keepalived", || b.holds(VIP) && !a.holds(VIP));
    let _ = a.must("systemctl start keepalived");
    eventually(&lab, &[&a, &b], "keepalived takes it back", || a.holds(VIP) && !b.holds(VIP));
    follow(&a, change);
    eventually(&lab, &[&a, &b], "Handover on both", || {
        a.state() == "MASTER" && a.holds(VIP) && b.state() == "BACKUP" && !b.holds(VIP)
    });
    follow(&b, back);
    eventually(&lab, &[&a, &b], "keepalived on b listens to Handover on a", || {
        b.unit("keepalived", "ActiveState") == "active" && a.holds(VIP) && !b.holds(VIP)
    });
    assert_eq!(b.unit("vrrp-core", "ActiveState"), "inactive", "{}", b.story());
}
