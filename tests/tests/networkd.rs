//! systemd-networkd manages the interface, and removes what it doesn't know: ours is put back (D1).

use handover_tests::machine::{Machine, eventually, is_possible};
use handover_tests::node::start_lab;
use handover_tests::package;
use lab::Lab;

const VIP: &str = "192.168.1.100";
const NETWORK: &str = "[Match]
Name=eth0
[Network]
Address=192.168.1.11/24
LinkLocalAddressing=no
IPv6AcceptRA=no";
const CONFIG: &str = "vrrp_instance api_vip {
  interface eth0
  virtual_router_id 5
  virtual_ipaddress {
    192.168.1.100/24
    10.1.2.3/32
  }
}
";

#[test]
fn what_networkd_removes_is_put_back() {
    if !is_possible() {
        return;
    }
    let Some(package) = package::build("1.0.3") else { return };
    let lab = start_lab();
    let machine = Machine::boot(&lab, "networkd", &["192.168.1.11/24"]);
    machine.wait_until_up(&lab);
    // As docs/systemd.md advises.
    let keeping = format!("{NETWORK}\nKeepConfiguration=static");
    machine.write("/etc/systemd/network/eth0.network", &keeping, 0o644);
    let _ = machine.must("ip address flush dev eth0 && systemctl start systemd-networkd");
    settled(&lab, &machine, "its start");
    let _ = machine.must(&format!("dpkg -i {}", Machine::path_of(&package)));
    machine.write("/etc/handover/handover.conf", CONFIG, 0o640);
    let _ =
        machine.must("chgrp _handover /etc/handover/handover.conf && systemctl enable --now handover.target");
    let is_fine = || machine.state() == "MASTER" && machine.holds(VIP) && machine.holds("10.1.2.3");
    eventually(&lab, &[&machine], "it is MASTER", is_fine);
    let since = machine.at("/instances/0/since");
    let _ = machine.must("systemctl restart systemd-networkd");
    settled(&lab, &machine, "a restart that keeps the addresses");
    eventually(&lab, &[&machine], "both addresses are there", is_fine);
    assert!(
        !since.is_empty() && machine.at("/instances/0/since") == since,
        "nothing moved:\n{}",
        machine.story()
    );
    // By itself it takes all addresses of the link away, its own for a moment, too.
    machine.write("/etc/systemd/network/eth0.network", NETWORK, 0o644);
    for command in ["systemctl restart systemd-networkd", "networkctl reconfigure eth0"] {
        let _ = machine.must(command);
        settled(&lab, &machine, command);
        eventually(&lab, &[&machine], &format!("after {command} both addresses are there"), is_fine);
        eventually(&lab, &[&machine], "and networkd's own", || machine.holds("192.168.1.11"));
    }
}

fn settled(lab: &Lab, machine: &Machine, after: &str) {
    eventually(lab, &[machine], &format!("after {after} networkd is content"), || {
        machine.sh("networkctl list --no-legend --no-pager eth0").contains("configured")
    });
}
