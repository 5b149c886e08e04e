//! Three machines that boot systemd on one bridge, one of them with keepalived: each failure hands the address on to the next.
//!
//! E3: restarts on whoever is master move nothing, whoever it took the address from.

use handover_tests::keepalived;
use handover_tests::machine::{Machine, eventually, is_possible};
use handover_tests::node::start_lab;
use handover_tests::package;

const VIP: &str = "192.168.1.100";

fn config(priority: u8) -> String {
    format!(
        "vrrp_instance api_vip {{
  interface eth0
  virtual_router_id 5
  priority {priority}
  virtual_ipaddress {{
    {VIP}/24
  }}
}}
"
    )
}

#[test]
fn each_failure_hands_the_address_on() {
    if !is_possible() || !keepalived::is_installed() {
        return;
    }
    let Some(package) = package::build("1.0.4") else { return };
    let lab = start_lab();
    let [a, b, c] = [("a", "192.168.1.11/24"), ("b", "192.168.1.12/24"), ("c", "192.168.1.13/24")]
        .map(|(name, address)| Machine::boot(&lab, name, &[address]));
    let all = [&a, &b, &c];
    for (machine, priority) in [(&a, 150), (&c, 100)] {
        machine.wait_until_up(&lab);
        let _ = machine.must(&format!("dpkg -i {}", Machine::path_of(&package)));
        machine.write("/etc/handover/handover.conf", &config(priority), 0o640);
        let start = "chgrp _handover /etc/handover/handover.conf && systemctl enable --now handover.target";
        let _ = machine.must(start);
    }
    b.wait_until_up(&lab);
    b.write("/etc/keepalived/keepalived.conf", &config(120), 0o600);
    let _ = b.must("systemctl enable --now keepalived");
    let has = |machine: &Machine| all.iter().all(|it| it.holds(VIP) == std::ptr::eq(*it, machine));
    eventually(&lab, &all, "a has it, and c has heard so", || {
        has(&a) && a.state() == "MASTER" && c.at("/instances/0/master/address") == "192.168.1.11"
    });

    a.host().kill_all().expect("pull the plug");
    eventually(&lab, &[&b, &c], "keepalived has it", || b.holds(VIP) && !c.holds(VIP));
    let _ = b.must("systemctl stop keepalived");
    eventually(&lab, &[&b, &c], "c has it", || c.state() == "MASTER" && c.holds(VIP) && !b.holds(VIP));

    for unit in ["ipmgr", "vrrp-core", "checkerd", "notifierd"] {
        let _ = c.must(&format!("systemctl restart {unit}"));
        eventually(&lab, &[&c], &format!("c goes on after the restart of {unit}"), || {
            c.state() == "MASTER" && c.holds(VIP) && c.at("/processes/ipmgr/running") == "true"
        });
    }
    let told = c.must("handover history -n 100");
    let since = told.split_once("BACKUP -> MASTER").map_or("BACKUP", |(_, since)| since);
    assert!(
        !since.contains("BACKUP") && !since.contains("FAULT"),
        "MASTER since then\n{told}\n{}",
        c.story()
    );

    let _ = b.must("systemctl start keepalived");
    eventually(&lab, &[&b, &c], "keepalived has it again", || {
        b.holds(VIP) && c.state() == "BACKUP" && !c.holds(VIP)
    });
}
