//! Routes and rules, those that move and those that stand still.

mod support;

use handover_config as config;

use support::{check_all, instance, said, with};

fn routes(line: &str) -> Vec<String> {
    let instance = instance(&with(&format!("virtual_routes {{\n{line}\n}}")));
    instance.routes.iter().map(ToString::to_string).collect()
}

fn rules(line: &str) -> Vec<String> {
    let instance = instance(&with(&format!("virtual_rules {{\n{line}\n}}")));
    instance.rules.iter().map(ToString::to_string).collect()
}

/// With the kernel's own defaults, so that what it lists is the same.
#[test]
fn routes_are_understood_in_every_order() {
    for (line, expected) in [
        ("198.51.100.0/24 via 10.0.0.9", "198.51.100.0/24 via 10.0.0.9 table 254 metric 0 scope 0"),
        ("to 198.51.100.1 dev eth0", "198.51.100.1/32 dev eth0 table 254 metric 0 scope 253"),
        ("default gw 10.0.0.9", "0.0.0.0/0 via 10.0.0.9 table 254 metric 0 scope 0"),
        ("default via fe80::9 dev eth0", "::/0 via fe80::9 dev eth0 table 254 metric 1024 scope 0"),
        ("inet6 default dev eth0", "::/0 dev eth0 table 254 metric 1024 scope 0"),
        ("default6 dev eth0 metric 7", "::/0 dev eth0 table 254 metric 7 scope 0"),
        (
            "default via inet6 fe80::9 dev eth0 src fd00::1",
            "::/0 via fe80::9 dev eth0 src fd00::1 table 254 metric 1024 scope 0",
        ),
        (
            "table 1000 metric 5 198.51.100.0/24 oif eth0 src 10.0.0.1 scope host tos 8 mtu 1400 onlink via 10.0.0.9",
            "198.51.100.0/24 via 10.0.0.9 dev eth0 onlink src 10.0.0.1 table 1000 metric 5 scope 254 tos 8 mtu 1400",
        ),
        (
            "10.0.0.0/8 via inet6 fe80::9 dev eth0",
            "10.0.0.0/8 via fe80::9 dev eth0 table 254 metric 0 scope 0",
        ),
        (
            "10.0.0.0/8 nexthop via 10.0.0.8 dev eth0 weight 2 nexthop via 10.0.0.9",
            "10.0.0.0/8 nexthop via 10.0.0.8 dev eth0 weight 2 nexthop via 10.0.0.9 table 254 metric 0 scope 0",
        ),
    ] {
        assert_eq!(routes(line), [format!("route {expected}")], "{line}");
    }
    assert_eq!(routes("blackhole 10.0.0.0/8"), ["route blackhole 10.0.0.0/8 table 254 metric 0 scope 0"]);
    assert_eq!(
        routes("prohibit 2001:db8::/32"),
        ["route prohibit 2001:db8::/32 table 254 metric 1024 scope 0"]
    );
}

#[test]
fn rules_are_understood_in_every_order() {
    for (line, expected) in [
        ("from 10.0.0.1 table 1000 preference 9", "inet from 10.0.0.1/32 table 1000 preference 9"),
        ("priority 9 lookup main to 2001:db8::/32", "inet6 to 2001:db8::/32 table 254 preference 9"),
        ("not from all fwmark 3/0xff blackhole order 9", "not inet fwmark 0x3/0xff blackhole preference 9"),
        (
            "inet6 iif eth0 oif eth1 tos 8 suppress_prefixlength 0 table 7 preference 9",
            "inet6 iif eth0 oif eth1 tos 8 suppress_prefixlength 0 table 7 preference 9",
        ),
    ] {
        let (not, rest) = expected.strip_prefix("not ").map_or(("", expected), |rest| (" not", rest));
        assert_eq!(rules(line), [format!("rule{not} {rest}")], "{line}");
    }
    let text = "from 10.0.0.1 table 7\n to 10.0.0.1 table 7\n from 2001:db8::1 table 7";
    let ends: Vec<String> =
        rules(text).iter().filter_map(|it| it.split(' ').next_back().map(str::to_owned)).collect();
    assert_eq!(ends, ["16384", "16383", "16384"], "counting down in each family, as keepalived has it");
}

#[test]
fn what_is_no_route_is_told_at_its_place() {
    check_all(
        &[
            ("10.0.0.0/8 via 10.0.0.9", &[]),
            ("10.0.0.0/8 via 10.0.0.9 protocol static", &["warning no-effect"]),
            ("10.0.0.1/8 via 10.0.0.9", &["error bad-prefix"]),
            ("10.0.0.0/33 via 10.0.0.9", &["error bad-prefix"]),
            ("10.0.0.0/8", &["error missing-value"]),
            ("10.0.0.0/8 via", &["error missing-value"]),
            ("via 10.0.0.9", &["error missing-value"]),
            ("10.0.0.0/8 via router", &["error bad-address"]),
            ("10.0.0.0/8 vai 10.0.0.9", &["error unknown-word"]),
            ("10.0.0.0/8 via 10.0.0.9 table mine", &["error bad-value"]),
            ("10.0.0.0/8 via 10.0.0.9 mtu 67", &["error out-of-range"]),
            ("10.0.0.0/8 via 10.0.0.9 advmss 1400", &["error not-supported"]),
            ("2001:db8::/32 via 10.0.0.9", &["error mixed-families"]),
            ("10.0.0.0/8 nexthop via 10.0.0.9 nexthop weight 3", &["error missing-value"]),
            ("10.0.0.0/8 nexthop via 10.0.0.9 weight 3 nexthop via 10.0.0.8 weight 3", &[]),
            ("10.0.0.0/8 via 10.0.0.9 metric 5 metric 6", &["warning given-twice"]),
            ("10.0.0.0/8 via 10.0.0.9 metric 5 preference 6", &["warning given-twice"]),
            ("10.0.0.0/8 via 10.0.0.9 dev eth1 oif eth2", &["warning given-twice"]),
            ("10.0.0.0/8 to 10.1.0.0/16 via 10.0.0.9", &["warning given-twice"]),
            ("blackhole 10.0.0.0/8 prohibit", &["warning given-twice"]),
        ],
        |line| with(&format!("virtual_routes {{\n {line}\n}}")),
    );
}

#[test]
fn what_is_no_rule_is_told_at_its_place() {
    check_all(
        &[
            ("from 10.0.0.1 table 7 preference 9", &[]),
            ("from 10.0.0.1 table 7", &["warning no-preference"]),
            ("from 10.0.0.1", &["error missing-value"]),
            ("from 10.0.0.1 to 2001:db8::1 table 7", &["error mixed-families"]),
            ("inet6 from 10.0.0.1 table 7", &["error mixed-families"]),
            ("from 10.0.0.1 table 7 preference 0", &["error out-of-range"]),
            ("from 10.0.0.1 table 7 uidrange 1-2", &["error not-supported"]),
            ("from nowhere table 7", &["error unknown-word"]),
            ("fwmark x table 7", &["error out-of-range"]),
            ("from 10.0.0.1 from 10.0.0.2 table 7 preference 9", &["warning given-twice"]),
            ("iif eth0 oif eth1 table 7 preference 9", &[]),
            ("iif eth0 dev eth1 table 7 preference 9", &["warning given-twice"]),
            ("from 10.0.0.1 table 7 prohibit preference 9", &["warning given-twice"]),
        ],
        |line| with(&format!("virtual_rules {{\n {line}\n}}")),
    );
}

/// As keepalived: who can't hold a route, since its interface is down, isn't fit.
#[test]
fn the_interfaces_of_routes_and_rules_are_followed_unless_the_file_says_otherwise() {
    let lines = "virtual_routes {\n 10.0.0.0/8 dev eth1\n 10.1.0.0/16 dev eth2 no_track\n}\n\
                 virtual_rules {\n iif eth3 table 7 preference 9\n}";
    let links: Vec<String> = instance(&with(lines)).links.iter().map(|it| it.link.to_string()).collect();
    assert_eq!(links, ["eth1", "eth3"]);
}

#[test]
fn what_stands_still_needs_an_interface_of_its_own() {
    let still = |line: &str, global: &str| {
        format!("{}static_ipaddress {{\n{line}\n}}\nglobal_defs {{\n{global}\n}}\n", with(""))
    };
    let text = still("10.9.0.1/24 dev eth7", "")
        + "static_routes {\n 10.0.0.0/8 via 10.9.0.9\n}\nstatic_rules {\n to 10.0.0.0/8 table 7 preference 3\n}\n";
    let statics = config::parse("t.conf", text).config.unwrap().statics;
    assert_eq!(
        (statics.addresses[0].link.as_str(), statics.routes.len(), statics.rules.len()),
        ("eth7", 1, 1)
    );
    let text = still("10.9.0.1/24", "default_interface eth8");
    assert_eq!(config::parse("t.conf", text).config.unwrap().statics.addresses[0].link.as_str(), "eth8");
    assert_eq!(said(&still("10.9.0.1/24", "")), ["error missing-word"]);
}
