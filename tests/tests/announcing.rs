//! Who takes over thousands of addresses tells the neighbours about each of them (V3-FSM-4), also where the link takes only
//! some at a time.
//!
//! A third host listens with a buffer that holds more than is ever on its way, so that what it misses was not sent.

use std::fmt::Write as _;

use handover_tests::node::{LIMIT, Node, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Lab, Link, Proc, Spec};

/// Addresses of each family.
const THOUSAND: usize = 1000;
/// Virtual routers of one link.
const VRIDS: usize = 255;
const LINKS: usize = 4;

/// eth0 and so on, of the host with that number.
fn links(host: usize, count: usize) -> Vec<Link> {
    (0..count)
        .map(|number| {
            let (v4, v6) =
                (format!("10.{}.255.{host}/16", number + 1), format!("2001:db8:{number}::{host}/64"));
            Link::new(&format!("eth{number}"), &format!("bridge{number}"), &[&v4, &v6]).expect("a link")
        })
        .collect()
}

/// An instance on eth0 with these addresses, of which few fit its adverts.
fn instance(name: &str, vrid: u8, priority: u8, addresses: &[String]) -> String {
    let (first, others) = addresses.split_first().expect("an address");
    let others = others.join("\n");
    format!(
        "vrrp_instance {name} {{
  version 3
  interface eth0
  virtual_router_id {vrid}
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ {first} }}
  virtual_ipaddress_excluded {{
    {others}
  }}
}}
"
    )
}

fn ipv4(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("10.200.{}.{}/32", number / 256, number % 256)).collect()
}

/// The first is the link-local address that an IPv6 instance advertises first.
fn ipv6(count: usize) -> Vec<String> {
    let others = (1..count).map(|number| format!("2001:db8:200::{number:x}/128"));
    std::iter::once("fe80::200/64".to_owned()).chain(others).collect()
}

/// What listens for `count` different addresses on a third host.
struct Listener(Proc);

impl Listener {
    fn start(lab: &Lab, interfaces: usize, count: usize) -> Self {
        let host = lab.add_host_with("listener", links(3, interfaces)).expect("a host");
        let hear = Spec::new([on_host("poke"), "hear".into(), count.to_string()]);
        let hear = host.spawn(hear).expect("listen");
        assert!(hear.wait_for_line(LIMIT, |text| text == "hearing").is_some(), "{:?}", hear.lines());
        Self(hear)
    }

    fn expect_all(&self, node: &Node) {
        let exit = self.0.wait(LIMIT);
        assert_eq!(exit, Some(lab::Exit::Code(0)), "heard only {:?}\n{}", self.0.lines(), node.log());
    }
}

/// The master dies; the other one has all its addresses, and the listener hears of each.
fn take_over(config: impl Fn(u8) -> String, interfaces: usize, count: usize) {
    let lab = start_lab();
    let a = Node::with_links(&lab, "a", links(1, interfaces), &config(200));
    let b = Node::with_links(&lab, "b", links(2, interfaces), &config(100));
    let holds_all = |node: &Node| {
        // While they come, the kernel may not be able to give a whole list.
        let held = node.host().addresses().unwrap_or_default();
        // Each interface has two addresses of its own, and the kernel's link-local one.
        held.iter().filter(|it| it.link != "lo").count() >= count + 3 * interfaces
    };
    a.start();
    eventually(&lab, &[&a], "a has all addresses", || holds_all(&a));
    b.start();
    eventually(&lab, &[&b], "b hears of a", || b.log().contains("Entering BACKUP STATE"));
    assert!(!holds_all(&b), "{}", b.log());
    a.host().kill_all().expect("kill a's daemons");
    let listener = Listener::start(&lab, interfaces, count);
    eventually(&lab, &[&b], "b has all addresses", || holds_all(&b));
    listener.expect_all(&b);
}

#[test]
fn every_address_of_two_thousand_is_announced_after_a_takeover() {
    let config = |priority| {
        instance("v4", 1, priority, &ipv4(THOUSAND)) + &instance("v6", 2, priority, &ipv6(THOUSAND))
    };
    take_over(config, 1, 2 * THOUSAND);
}

#[test]
fn every_address_of_a_thousand_instances_is_announced_after_a_takeover() {
    let config = |priority| {
        (0..LINKS * VRIDS).fold(String::new(), |mut text, number| {
            let (link, vrid) = (number / VRIDS, number % VRIDS + 1);
            let address = format!("10.{}.0.{vrid}/32", link + 1);
            write!(
                text,
                "vrrp_instance i{number} {{
  version 3
  interface eth{link}
  virtual_router_id {vrid}
  priority {priority}
  advert_int 1
  virtual_ipaddress {{ {address} }}
}}
"
            )
            .expect("a string takes it");
            text
        })
    };
    take_over(config, LINKS, LINKS * VRIDS);
}

/// The link drops what is too much, and says so; a switch that did the same would be silent.
#[test]
fn what_a_link_does_not_take_is_announced_later() {
    let count = 200;
    let lab = start_lab();
    let a = Node::with_links(&lab, "a", links(1, 1), &instance("v4", 1, 200, &ipv4(count)));
    let rules = "table netdev slow { chain out { type filter hook egress device eth0 priority 0; \
                 ether type arp limit rate over 200/second burst 5 packets drop; }; }";
    let limited = a.host().run(["nft", rules]).expect("nft");
    assert!(limited.success(), "{}", limited.stderr);
    let listener = Listener::start(&lab, 1, count);
    a.start();
    listener.expect_all(&a);
    let log = a.log();
    let complaints = log.lines().filter(|line| line.contains("it is tried again until it goes")).count();
    assert!((1..=20).contains(&complaints), "{complaints} lines say that something was refused\n{log}");
}
