//! What follows an address, which addresses an advert has room for, and which interfaces follow from them.

mod support;

use std::net::IpAddr;

use handover_config as config;

use config::{Address, AddressOptions, Instance};
use support::{check_all, instance, with, with_v6};

/// An address after the instance's own one.
fn listed(line: &str) -> Address {
    instance(&with(&format!("virtual_ipaddress {{\n{line}\n}}"))).addresses.remove(1)
}

/// The same, excluded: of either family.
fn excluded(line: &str) -> Address {
    instance(&with(&format!("virtual_ipaddress_excluded {{\n{line}\n}}"))).excluded.remove(0)
}

#[test]
fn what_follows_an_address_is_understood() {
    let plain = listed("10.0.0.2/24").options;
    let usual = AddressOptions {
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        home: false,
        makes_temporary: false,
        no_prefix_route: false,
        preferred: true,
        follows_link: true,
    };
    assert_eq!(plain, usual);
    let full = listed("10.0.0.2/24 scope link brd + label eth0:1 noprefixroute no_track preferred_lft 0");
    let expected = AddressOptions {
        scope: 253,
        broadcast: Some("10.0.0.255".parse().unwrap()),
        label: Some("eth0:1".into()),
        no_prefix_route: true,
        preferred: false,
        follows_link: false,
        ..usual
    };
    assert_eq!(full.options, expected);
    assert_eq!(listed("10.0.0.2/24 brd -").options.broadcast, Some("10.0.0.0".parse().unwrap()));
    assert_eq!(listed("10.0.0.2/24 broadcast 10.0.0.9").options.broadcast, Some("10.0.0.9".parse().unwrap()));
    assert_eq!(listed("10.0.0.2 scope 17").options.scope, 17);
    let six = excluded("2001:db8::2/64 home mngtmpaddr").options;
    assert!(six.home && six.makes_temporary && six.preferred);
}

/// As keepalived 2.2.7 has it: an IPv6 address without a prefix length is no source of connections.
#[test]
fn preferred_unless_it_is_an_ipv6_address_alone() {
    let preferred = |line| excluded(line).options.preferred;
    assert!(preferred("2001:db8::2/64") && preferred("2001:db8::2 preferred_lft forever"));
    assert!(!preferred("2001:db8::2") && !preferred("2001:db8::2/128"));
    assert!(!preferred("2001:db8::2/64 preferred_lft 0"));
}

#[test]
fn both_ends_have_one_prefix_length() {
    let of = |line| {
        let address = listed(line);
        (address.prefix, address.options.peer.map(|peer: IpAddr| peer.to_string()))
    };
    let peer = || Some("10.0.9.1".to_owned());
    assert_eq!(of("10.0.0.2 peer 10.0.9.1"), (32, peer()));
    assert_eq!(of("10.0.0.2/30 peer 10.0.9.1"), (30, peer()));
    assert_eq!(of("10.0.0.2 peer 10.0.9.1/30"), (30, peer()));
    assert_eq!(of("10.0.0.2/30 peer 10.0.9.1/30"), (30, peer()));
}

#[test]
fn what_no_kernel_takes_is_told_at_its_place() {
    let line = |options: &str| with(&format!("virtual_ipaddress {{\n 10.0.0.2/24 {options}\n}}"));
    check_all(
        &[
            ("scope wide", &["error bad-value"]),
            ("scope 256", &["error bad-value"]),
            ("brd x", &["error bad-address"]),
            ("brd 2001:db8::1", &["error bad-address"]),
            ("label abcdefghijklmno", &[]),
            ("label abcdefghijklmnop", &["error bad-value"]),
            ("peer 2001:db8::1", &["error bad-address"]),
            ("peer 10.0.9.1/25", &["error bad-prefix"]),
            ("peer 10.0.9.1/33", &["error bad-prefix"]),
            ("preferred_lft never", &["error bad-value"]),
            ("preferred_lft 30", &["warning no-effect"]),
            ("home", &["warning no-effect"]),
            ("mngtmpaddr", &["warning no-effect"]),
        ],
        line,
    );
    let six = |options: &str| with(&format!("virtual_ipaddress_excluded {{\n 2001:db8::2/65 {options}\n}}"));
    check_all(
        &[
            ("mngtmpaddr", &["error bad-prefix"]),
            ("scope link", &["warning no-effect"]),
            ("label eth0:1", &["warning no-effect"]),
            ("brd +", &["warning no-effect"]),
        ],
        six,
    );
    check_all(&[("10.0.0.2 brd +", &["warning no-effect"])], |line| {
        with(&format!("virtual_ipaddress {{\n {line}\n}}"))
    });
}

fn many(count: usize, address: impl Fn(usize) -> String) -> String {
    let list: String = (2..count + 2).map(|n| address(n) + "\n").collect();
    format!("virtual_ipaddress {{\n{list}}}")
}

fn counts(instance: &Instance) -> (usize, usize) {
    assert_eq!(instance.held().count(), instance.addresses.len() + instance.excluded.len());
    (instance.addresses.len(), instance.excluded.len())
}

/// As keepalived has it: what no advert has room for is held all the same.
#[test]
fn what_an_advert_has_no_room_for_is_held_and_not_advertised() {
    let four = |count| instance(&with(&many(count, |n| format!("10.0.{}.{}", n / 250, n % 250 + 2))));
    assert_eq!(counts(&four(20)), (21, 0));
    assert_eq!(counts(&four(254)), (255, 0));
    assert_eq!(counts(&four(255)), (255, 1));
    assert_eq!(counts(&four(5000)), (255, 4746));
    let six = |count| instance(&with_v6(&many(count, |n| format!("2001:db8::{n:x}"))));
    assert_eq!(counts(&six(88)), (90, 0));
    assert_eq!(counts(&six(1000)), (90, 912));
}

#[test]
fn excluded_addresses_are_of_either_family_and_each_once() {
    let lines = "virtual_ipaddress_excluded {\n 2001:db8::2\n 10.0.0.2/24 dev eth1\n}";
    let instance = instance(&with(lines));
    let held: Vec<_> = instance.held().map(|it| format!("{} {}", it.address, it.link)).collect();
    assert_eq!(held, ["10.0.0.1 eth0", "2001:db8::2 eth0", "10.0.0.2 eth1"]);
    check_all(&[("virtual_ipaddress_excluded {\n 10.0.0.1\n}", &["warning given-twice"])], with);
}

/// As keepalived: who can't hold an address, since its interface is down, isn't fit.
#[test]
fn the_interfaces_of_addresses_are_followed_unless_the_file_says_otherwise() {
    let follows = |lines: &str| -> Vec<String> {
        instance(&with(lines)).links.iter().map(|it| format!("{} {}", it.link, it.weight.value)).collect()
    };
    assert_eq!(follows("virtual_ipaddress {\n 10.0.0.2 dev eth0\n}"), [""; 0]);
    let two = "virtual_ipaddress {\n 10.0.0.2 dev eth1\n 10.0.0.3 dev eth1\n}";
    assert_eq!(follows(two), ["eth1 0"]);
    assert_eq!(follows("virtual_ipaddress_excluded {\n 10.0.0.2 dev eth2\n}"), ["eth2 0"]);
    assert_eq!(follows("virtual_ipaddress {\n 10.0.0.2 dev eth1 no_track\n}"), [""; 0]);
    let weighed = format!("{two}\n track_interface {{\n eth1 weight -5\n}}");
    assert_eq!(follows(&weighed), ["eth1 -5"]);
}
