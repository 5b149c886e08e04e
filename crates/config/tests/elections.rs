//! What is said and understood of elections: announcements, manners, multicast and unicast, strict mode, trackers.

mod support;

use std::time::Duration;

use handover_config as config;

use support::{check_all, instance, said, with, with_v6};

/// An instance without a mistake, and these lines in `global_defs` after it.
fn with_global(lines: &str) -> String {
    format!("{}global_defs {{\n{lines}\n}}\n", with(""))
}

fn rendered(text: &str) -> String {
    config::parse("t.conf", text).report.render(false)
}

#[test]
fn words_for_yes_and_no() {
    for (text, on) in
        [("", true), ("on", true), ("true", true), ("yes", true), ("off", false), ("false", false)]
    {
        let manners = instance(&with(&format!("higher_prio_send_advert {text}"))).manners;
        assert_eq!(manners.advertise_before_yielding, on, "{text}");
    }
    check_all(
        &[
            ("higher_prio_send_advert On", &["error bad-value"]),
            ("higher_prio_send_advert 1", &["error bad-value"]),
            ("higher_prio_send_advert on off", &["error extra-words"]),
            // Trap 10: keepalived turns it on.
            ("skip_check_adv_addr off", &["note off-is-off"]),
        ],
        with,
    );
    assert!(instance(&with("skip_check_adv_addr off")).manners.compare_addresses);
}

/// As keepalived 2.2.7 shows it in its dump.
#[test]
fn announcements_inherit_one_by_one() {
    let announcements = |global: &str, own: &str| {
        let text = format!("{}global_defs {{\n{global}\n}}\n", with(own));
        instance(&text).announcements
    };
    let usual = announcements("", "");
    assert_eq!((usual.repeat, usual.delay), (5, Some(Duration::from_secs(5))));
    assert_eq!((usual.refresh, usual.refresh_repeat), (None, 1));
    assert_eq!((usual.lower_priority_repeat, usual.lower_priority_delay), (5, usual.delay));
    let least = announcements("vrrp_min_garp", "");
    assert_eq!((least.repeat, least.delay, least.lower_priority_repeat), (1, None, 1));
    let but = announcements("vrrp_min_garp\n vrrp_garp_master_delay 3", "");
    assert_eq!((but.repeat, but.delay, but.lower_priority_delay), (1, but.delay, but.delay));
    assert_eq!(but.delay, Some(Duration::from_secs(3)));
    // An instance's own delay doesn't reach over to the lower priorities: that default is made in `global_defs`.
    let own = announcements("vrrp_garp_master_repeat 2", "garp_master_delay 9\n garp_master_repeat 3");
    assert_eq!((own.repeat, own.delay), (3, Some(Duration::from_secs(9))));
    assert_eq!((own.lower_priority_repeat, own.lower_priority_delay), (2, Some(Duration::from_secs(5))));
}

#[test]
fn announcements_have_bounds() {
    check_all(
        &[
            ("garp_master_repeat 0", &["warning rounded"]),
            ("garp_master_repeat 256", &["error out-of-range"]),
            ("garp_lower_prio_repeat 0", &[]),
            ("garp_master_delay 4295", &["error out-of-range"]),
            ("garp_master_refresh_repeat 2", &["warning no-effect"]),
            ("garp_master_refresh 9\n garp_master_refresh_repeat 2", &[]),
            ("down_timer_adverts 0", &["error out-of-range"]),
            ("down_timer_adverts 101", &["error out-of-range"]),
            ("v3_checksum_as_v2", &["warning no-effect"]),
            ("v3_checksum_as_v2\n version 3", &[]),
        ],
        with,
    );
    check_all(&[("v3_checksum_as_v2", &["warning no-effect"])], with_v6);
    check_all(
        &[
            ("vrrp_garp_master_repeat 0", &["warning rounded"]),
            // The sample of the distributions.
            ("vrrp_garp_interval 0\n vrrp_gna_interval 0", &["note as-usual"; 2]),
            ("vrrp_garp_interval 0.01", &[]),
            ("vrrp_garp_interval 4295", &["error out-of-range"]),
            ("vrrp_startup_delay 0.0009", &["error out-of-range"]),
            ("vrrp_startup_delay 5", &[]),
            ("v3_checksum_as_v2 off", &["note off-is-off"]),
            ("dynamic_interfaces", &["note as-usual"]),
            ("dynamic_interfaces off", &["note as-usual", "error bad-value"]),
            // Trap 23: keepalived with it doesn't start over a warning.
            ("reload_check_config /var/log/check", &["warning not-supported"]),
            ("vrrp_check_unicast_src", &["note as-usual"]),
            // It takes no value there either, and is on all the same.
            ("vrrp_check_unicast_src off", &["note as-usual", "error extra-words"]),
            ("vrrp_rt_priority 50\n vrrp_no_swap", &["note as-usual"]),
            ("vrrp_rt_priority 0", &[]),
            ("vrrp_rt_priority 100", &["error out-of-range"]),
            ("vrrp_iptables", &["note nftables-instead"]),
            ("vrrp_iptables in out\n vrrp_ipsets a b", &["note nftables-instead"; 2]),
        ],
        with_global,
    );
}

/// The word of one place at the other.
#[test]
fn the_right_word_is_named_at_the_wrong_place() {
    for (text, near) in [
        (with_global("garp_master_delay 3"), "did you mean `vrrp_garp_master_delay`?"),
        (with_global("lower_prio_no_advert"), "did you mean `vrrp_lower_prio_no_advert`?"),
        (with("vrrp_garp_master_repeat 3"), "did you mean `garp_master_repeat`?"),
        (with("vrrp_higher_prio_send_advert"), "did you mean `higher_prio_send_advert`?"),
    ] {
        assert_eq!(said(&text), ["error misplaced-word"]);
        assert!(rendered(&text).contains(near), "{}", rendered(&text));
    }
}

#[test]
fn multicast() {
    check_all(
        &[
            ("mcast_dst_ip 224.0.0.18", &[]),
            ("mcast_dst_ip 10.0.0.18", &["error bad-address"]),
            ("mcast_dst_ip ff02::12", &["error bad-address"]),
            ("mcast_src_ip 10.0.0.8", &[]),
            ("mcast_src_ip 224.0.0.1", &["error bad-address"]),
            ("mcast_src_ip fe80::8", &["error mixed-families"]),
            ("track_src_ip", &["warning no-effect"]),
            ("track_src_ip\n mcast_src_ip 10.0.0.8", &[]),
        ],
        with,
    );
    check_all(&[("mcast_dst_ip ff02::77", &[]), ("mcast_dst_ip ff05::77", &["error bad-address"])], with_v6);
    check_all(
        &[
            ("vrrp_mcast_group4 224.0.0.18\n vrrp_mcast_group6 ff02::12", &[]),
            ("vrrp_mcast_group4 224.0.0.77", &[]),
            ("vrrp_mcast_group4 ff02::77", &["error bad-address"]),
        ],
        with_global,
    );
    let group = |text: &str| instance(text).multicast_group.to_string();
    assert_eq!(group(&with("")), "224.0.0.18");
    assert_eq!(group(&with_v6("")), "ff02::12");
    assert_eq!(group(&with_global("vrrp_mcast_group4 224.0.0.77")), "224.0.0.77");
    assert_eq!(group(&with("mcast_dst_ip 224.0.0.78")), "224.0.0.78");
}

/// An instance with a peer, and these lines.
fn with_peers(lines: &str) -> String {
    with(&format!("unicast_src_ip 10.0.0.8\n unicast_peer {{\n 10.0.0.9\n 10.0.0.7\n}}\n{lines}"))
}

#[test]
fn unicast() {
    check_all(
        &[
            ("unicast_ttl 64", &[]),
            ("unicast_ttl 255", &[]),
            ("check_unicast_src", &["note as-usual"]),
            ("unicast_fault_no_peer", &[]),
            ("mcast_dst_ip 224.0.0.18", &["warning no-effect"]),
            ("mcast_src_ip 10.0.0.7", &["warning own-peer", "warning given-twice"]),
            ("mcast_src_ip 10.0.0.8", &[]),
        ],
        with_peers,
    );
    assert_eq!(instance(&with_peers("mcast_src_ip 10.0.0.7")).source, "10.0.0.7".parse().ok());
    check_all(
        &[
            ("unicast_ttl 255", &["warning no-effect"]),
            ("check_unicast_src", &["warning no-effect"]),
            ("unicast_fault_no_peer", &["warning no-effect"]),
            ("unicast_src_ip 10.0.0.8\n unicast_fault_no_peer", &["error no-peers"]),
            ("unicast_peer {\n}\n unicast_fault_no_peer", &["error no-peers"]),
            ("mcast_src_ip 10.0.0.8\n unicast_peer {\n 10.0.0.9\n}", &[]),
            ("unicast_peer {\n 10.0.0.9 min_ttl 256\n}", &["note no-source", "error out-of-range"]),
            ("unicast_peer {\n 10.0.0.9 min_ttl 9 max_ttl 8\n}", &["note no-source", "error out-of-range"]),
        ],
        with,
    );
    let peer = instance(&with_peers("").replace("10.0.0.9", "10.0.0.9 max_ttl 254")).peers[0];
    assert_eq!((peer.min_ttl, peer.max_ttl), (0, 254));
}

#[test]
fn interfaces() {
    check_all(
        &[
            ("track_interface {\n eth1\n eth2 weight 5 reverse\n}", &[]),
            ("track_interface {\n eth1 weight 254\n}", &["error out-of-range"]),
            ("track_interface {\n a/b\n}", &["error bad-value"]),
            ("track_interface {\n eth1\n eth1 weight 2\n}", &["warning given-twice"]),
            ("track_interface {\n eth0 weight 5\n}", &["warning no-effect"]),
            ("track_interface {\n eth0 weight 5\n}\n dont_track_primary", &[]),
            ("track_interface {\n eth1 weight 5\n}\n priority 255", &["warning owner-weight", "note owner"]),
        ],
        with,
    );
    let nowhere = with("").replace(" interface eth0\n", "");
    assert_eq!(said(&nowhere), ["error missing-word"]);
    let by_default = format!("{nowhere}global_defs {{\n default_interface eth7\n}}\n");
    assert_eq!(instance(&by_default).link.as_str(), "eth7");
    assert_eq!(said(&by_default.replace("eth7", "lo")), ["error loopback"]);
}

#[test]
fn contradictions() {
    check_all(
        &[
            ("nopreempt\n track_script {\n known weight 5\n}", &["warning nopreempt-weight"]),
            ("nopreempt\n track_interface {\n eth1 weight -5\n}", &["warning nopreempt-weight"]),
            ("nopreempt\n track_script {\n known\n}", &[]),
            // Trap 15.
            ("state BACKUP\n priority 255", &["warning owner-waits"]),
            ("state MASTER\n priority 255", &["note owner"]),
            ("no_accept", &[]),
            ("no_accept\n priority 255", &["note owner"]),
            ("no_accept\n accept", &["error conflict"]),
            ("accept", &[]),
        ],
        with,
    );
}

/// V3-PKT-7, RFC 9568 7.3.
#[test]
fn a_virtual_mac_has_a_name_and_holds_the_addresses() {
    let of = |words: &str| {
        let instance = instance(&with(words));
        let home = instance.addresses[0].link.to_string();
        let own = instance.virtual_mac.expect("one");
        assert_eq!(home, own.link.as_str());
        assert!(instance.links.is_empty(), "it is down until it is needed: {:?}", instance.links);
        (own.link.to_string(), own.mac.to_string(), own.adverts_from_base)
    };
    let vrid = instance(&with("")).vrid.get();
    let mac = format!("00:00:5e:00:01:{vrid:02x}");
    let own = |name: &str, base| (name.to_owned(), mac.clone(), base);
    assert_eq!(of("use_vmac"), own(&format!("vrrp.{vrid}"), false));
    assert_eq!(of("use_vmac front\n vmac_xmit_base"), own("front", true));
    assert_eq!(of("use_vmac name front"), own("front", false));
    // One number on two interfaces: keepalived has names for both.
    let (_, again) = with("use_vmac").split_once("vrrp_instance").map(|(_, it)| ((), it.to_owned())).unwrap();
    let again = again
        .replacen("v ", "w ", 1)
        .replace("interface eth0", "interface eth1")
        .replace("10.0.0.1", "10.0.0.2");
    let both = format!("{}vrrp_instance{again}", with("use_vmac"));
    assert_eq!(said(&both), [""; 0]);
    let names: Vec<String> = config::parse("test.conf", &both)
        .config
        .unwrap()
        .instances
        .iter()
        .map(|it| it.addresses[0].link.to_string())
        .collect();
    assert_eq!(names, [format!("vrrp.{vrid}"), format!("vrrp.{vrid}.eth1")]);
    assert_eq!(said(&both.replace("eth1", "a-long-name-eth")), ["error duplicate-name"]);
    let given = |words: &str| instance(&with(words)).virtual_mac.unwrap().mac.to_string();
    assert_eq!(given("use_vmac front 2:0:0:0:0:AB"), "02:00:00:00:00:ab");
    assert_eq!(given("use_vmac 02:00:00:00:00"), format!("02:00:00:00:00:{vrid:02x}"));
    assert_eq!(given("strict_mode\n no_accept\n use_vmac 02:00:00:00:00"), mac);
    let second = with("use_vmac other 02:00:00:00:00:01").replace("instance v", "instance w");
    let second = second.replace("router_id 5", "router_id 6").replace("10.0.0.1", "10.0.0.2");
    let (_, second) = second.split_once("vrrp_instance").unwrap();
    let two = format!("{}vrrp_instance{second}", with("use_vmac one 02:00:00:00:00:01"));
    assert_eq!(said(&two), ["error duplicate-mac"]);
    assert_eq!(said(&two.replacen("00:01\n", "00:02\n", 1)), [""; 0]);
    assert_eq!(instance(&with("")).virtual_mac, None);
    check_all(
        &[
            ("use_vmac front 02:00:00:00:00:01", &[]),
            ("use_vmac front 03:00:00:00:00:01", &["error bad-value"]),
            ("use_vmac front 0:0:0:0:0:0", &["error bad-value"]),
            ("use_vmac front 02:00:00:00", &["error bad-value"]),
            ("use_vmac front 02:00:00:00:00:+1", &["error bad-value"]),
            ("use_vmac front 02:00:00:00:00:001", &["error bad-value"]),
            ("strict_mode\n no_accept\n use_vmac front 02:00:00:00:00:01", &["warning strict"]),
            ("strict_mode\n no_accept\n use_vmac\n vmac_xmit_base", &["warning strict"]),
            ("use_vmac front group 7", &["warning not-supported"]),
            ("use_vmac eth0", &["error duplicate-name"]),
            ("use_vmac front\n track_interface {\n front\n}", &["error never-up"]),
            ("use_vmac a-name-of-more-than-fifteen-bytes", &["error bad-value"]),
        ],
        with,
    );
}

/// V3-PKT-5, V3-RX-9.
#[test]
fn an_ipv6_list_begins_with_a_link_local_address() {
    let first = |addresses: &str| with("").replace("10.0.0.1", addresses);
    assert_eq!(said(&first("fe80::1\n 2001:db8::1")), [""; 0]);
    assert_eq!(said(&first("2001:db8::1")), ["warning not-link-local"]);
    assert_eq!(said(&first("2001:db8::1\n fe80::1")), ["warning not-link-local"]);
    assert!(rendered(&first("2001:db8::1\n fe80::1")).contains("write fe80::1 first"));
}

#[test]
fn mixed_families_get_the_two_blocks_to_write() {
    let text = with("virtual_ipaddress {\n 2001:db8::1/64\n 10.0.0.2/24 dev eth1\n}");
    assert_eq!(said(&text), ["error mixed-families"]);
    let help = config::parse("t.conf", &text).report.diagnostics()[0].help.clone();
    let blocks = help.split_once('\n').expect("a sentence, then the blocks").1;
    let written = blocks.replace("...", "interface eth0\n virtual_router_id 5");
    assert_eq!(said(&written), [""; 0], "{written}");
    let config = config::parse("t.conf", &written).config.expect("valid");
    let addresses =
        |n: usize| config.instances[n].addresses.iter().map(|it| it.address.to_string()).collect::<Vec<_>>();
    assert_eq!(addresses(0), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(addresses(1), ["fe80::5", "2001:db8::1"]);
    assert_eq!(said(&with("native_ipv6")), ["error mixed-families"]);
    assert!(rendered(&with("native_ipv6")).contains("remove `native_ipv6`"));
}

/// Trap 19: what came with a sample is told line by line, and keeps nobody from having the address.
#[test]
fn strict_mode_tells_what_no_longer_counts() {
    let silent = "warning silent-address";
    check_all(
        &[
            ("strict_mode", &[silent]),
            ("strict_mode off\n preempt_delay 5", &[]),
            ("strict_mode\n preempt_delay 5", &[silent, "warning strict"]),
            ("strict_mode\n authentication {\n auth_type AH\n}", &[silent, "warning strict"]),
            ("strict_mode\n state MASTER\n priority 100", &[silent, "warning strict"]),
            ("strict_mode\n state MASTER\n priority 255", &["note owner"]),
            ("strict_mode\n state MASTER\n priority 9\n nopreempt", &[silent, "warning strict"]),
            ("strict_mode\n accept", &[silent, "warning strict"]),
            ("strict_mode\n accept\n version 3", &[]),
            ("strict_mode\n no_accept", &[]),
            (
                "strict_mode\n unicast_src_ip 10.0.0.8\n unicast_peer {\n 10.0.0.9\n}",
                &[silent, "warning strict"],
            ),
        ],
        with,
    );
    check_all(
        &[
            ("vrrp_strict", &[silent]),
            ("vrrp_strict off\n vrrp_down_timer_adverts 7", &[]),
            ("vrrp_strict\n vrrp_down_timer_adverts 7", &[silent, "warning strict"]),
        ],
        with_global,
    );
    let strict = instance(&with(
        "strict_mode\n down_timer_adverts 9\n higher_prio_send_advert\n garp_lower_prio_repeat 3",
    ));
    let manners = strict.manners;
    assert_eq!((manners.down_timer_adverts, manners.advertise_before_yielding), (3, false));
    assert_eq!(strict.announcements.lower_priority_repeat, 0);
    // RFC 3768 discards a lower advert, RFC 9568 answers it (V3-FSM-12).
    assert!(!manners.answer_lower);
    assert!(instance(&with("strict_mode\n version 3")).manners.answer_lower);
    let of_all = with_global("vrrp_strict\n vrrp_down_timer_adverts 7");
    assert_eq!(instance(&of_all).manners.down_timer_adverts, 3);
    let but_one = of_all.replace("interface eth0", "interface eth0\n strict_mode off");
    assert_eq!(instance(&but_one).manners.down_timer_adverts, 7);
}

/// V3-FSM-14, D6: who asked for nothing but the RFC gets what it says, and is told where and how to have it otherwise.
#[test]
fn strict_mode_shuts_the_addresses_of_who_does_not_own_them() {
    for (words, accepts) in [
        ("", true),
        ("no_accept", false),
        ("strict_mode", false),
        ("strict_mode\n accept", false),
        ("strict_mode\n version 3\n accept", true),
        ("strict_mode\n version 3", false),
        ("strict_mode\n version 3\n no_accept", false),
        ("strict_mode\n priority 255", true),
        ("strict_mode off\n version 3", true),
    ] {
        assert_eq!(instance(&with(words)).accepts, accepts, "{words}");
        let of_all = words.replace("strict_mode\n", "").replace("strict_mode", "");
        if words.starts_with("strict_mode") && !words.contains("off") {
            let text = format!("global_defs {{\n vrrp_strict\n}}\n{}", with(&of_all));
            assert_eq!(instance(&text).accepts, accepts, "{text}");
        }
    }
    let strict = "global_defs {\n vrrp_strict\n}\n";
    assert!(instance(&format!("{strict}{}", with("strict_mode off"))).accepts);
    let told = rendered(&format!("{strict}{}", with("version 3")));
    assert!(told.contains("the addresses of v will not answer, not even to ping"), "{told}");
    assert!(told.contains("t.conf:2:2") && told.contains("add `accept`"), "{told}");
    assert!(rendered(&format!("{strict}{}", with(""))).contains("write `version 3` and `accept`"));
}

#[test]
fn the_table_that_shuts_addresses_is_as_it_is_asked_for() {
    let of = |lines: &str| config::parse("t.conf", with_global(lines)).config.unwrap().global.firewall;
    let usual = config::Firewall { table: "handover".to_owned(), priority: -1, counters: false };
    assert_eq!(of(""), usual);
    assert_eq!(of("nftables"), usual);
    let asked = config::Firewall { table: "ours-2.a/b".to_owned(), priority: -2_147_483_648, counters: true };
    assert_eq!(
        of("nftables ours-2.a/b\n nftables_priority -2147483648\n nftables_counters\n nftables_ifindex"),
        asked
    );
    let long = "x".repeat(256);
    check_all(
        &[
            ("nftables", &["note as-usual"]),
            ("nftables ours", &[]),
            ("nftables ours more", &["error extra-words"]),
            ("nftables 9lives", &["error bad-value"]),
            ("nftables \"two words\"", &["error bad-value"]),
            ("nftables {\n}", &["error stray-block"]),
            (&format!("nftables {long}"), &["error bad-value"]),
            ("nftables_priority 2147483648", &["error out-of-range"]),
            ("nftables_priority", &["error missing-value"]),
            ("nftables_counters", &[]),
            ("nftables_ifindex", &["note as-usual"]),
        ],
        with_global,
    );
}

#[test]
fn what_is_given_is_told_apart_from_what_is_inherited() {
    let text =
        format!("global_defs {{\n vrrp_garp_master_repeat 3\n}}\n{}", with("priority 90\n priority 95"));
    let loaded = config::parse("t.conf", &text);
    let config = loaded.config.unwrap();
    let line = |span| loaded.report.position(span).map(|(_, position)| position.line);
    let given = &config.instances[0].given;
    assert_eq!(given.at("priority").and_then(line), Some(14), "the one that counts");
    assert_eq!(given.at("advert_int"), None);
    assert_eq!(given.words().count(), 4, "interface, virtual_router_id, virtual_ipaddress, priority");
    assert_eq!(config.global.given.at("vrrp_garp_master_repeat").and_then(line), Some(2));
}

#[test]
fn a_weight_knows_where_it_stands() {
    let text = with("track_script { known }\n track_interface { eth1 weight 5 }")
        .replace("/bin/true\"", "/bin/true\"\n weight 7");
    let instance = instance(&text);
    let at = |span: Option<config::Span>| span.map(|span| text[span.range()].to_owned());
    assert_eq!(at(instance.checks[0].weight_span).as_deref(), Some("weight"), "in the script's block");
    assert_eq!(at(instance.links[0].weight_span).as_deref(), Some("eth1 weight 5"));
    assert_eq!(support::instance(&with("track_script { known }")).checks[0].weight_span, None);
}
