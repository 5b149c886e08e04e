//! Accept mode by every way of asking for it, and beside keepalived: whether a client's ping and TCP to the addresses get an
//! answer (V3-FSM-14, D6). Who may not be talked to is found all the same: neighbours are told its hardware address.

use std::fmt::Write as _;

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{CONFIG, LIMIT, Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Host, Lab, Spec};

/// Where every host with addresses listens with TCP.
const PORT: u16 = 7777;
/// Of the first row; the others follow it.
const FIRST_VRID: usize = 10;

/// Words of an instance, and whether its addresses answer.
struct Row {
    words: &'static str,
    plain: bool,
    /// The same with `vrrp_strict` in `global_defs`.
    strict: bool,
}

const ROWS: [Row; 11] = [
    Row { words: "version 3", plain: true, strict: false },
    Row { words: "version 3\n accept", plain: true, strict: true },
    Row { words: "version 3\n no_accept", plain: false, strict: false },
    Row { words: "version 3\n strict_mode", plain: false, strict: false },
    Row { words: "version 3\n strict_mode\n accept", plain: true, strict: true },
    Row { words: "version 3\n strict_mode off", plain: true, strict: true },
    Row { words: "version 3\n priority 255", plain: true, strict: true },
    Row { words: "version 3\n priority 255\n no_accept", plain: true, strict: true },
    Row { words: "version 2", plain: true, strict: false },
    Row { words: "version 2\n accept", plain: true, strict: false },
    Row { words: "version 2\n no_accept", plain: false, strict: false },
];

impl Row {
    /// VRRPv2 is for IPv4 alone.
    fn has_six(&self) -> bool {
        self.words.starts_with("version 3")
    }

    /// What it holds on that host: advertised, excluded, advertised, excluded.
    fn addresses(&self, row: usize, host: usize) -> Vec<String> {
        let four = format!("10.{host}.{row}");
        // Counted from one, so that they are written as the kernel writes them.
        let six = format!("2001:db8:0:{host}::{}", row + 1);
        let mut all = vec![format!("{four}.1"), format!("{four}.2")];
        if self.has_six() {
            all.extend([format!("{six}:1"), format!("{six}:2")]);
        }
        all
    }
}

/// An instance for each row and family; `host` keeps the addresses of several hosts apart.
fn config(host: usize, strict: bool) -> String {
    let mut text = if strict { "global_defs {\n vrrp_strict\n}\n".to_owned() } else { String::new() };
    for (number, row) in ROWS.iter().enumerate() {
        let vrid = FIRST_VRID + 20 * host + number;
        let mut instance = |name: &str, first: &str, advertised: &str, excluded: &str| {
            let _ = write!(
                text,
                "vrrp_instance {name}{number} {{
  interface eth0
  virtual_router_id {vrid}
  {}
  virtual_ipaddress {{\n{first}    {advertised}\n  }}
  virtual_ipaddress_excluded {{\n    {excluded}\n  }}
}}
",
                row.words
            );
        };
        let all = row.addresses(number, host);
        instance("four", "", &all[0], &all[1]);
        if row.has_six() {
            let link_local = format!("    fe80::{host}:{number}:1\n");
            instance("six", &link_local, &all[2], &all[3]);
        }
    }
    text
}

/// Every address of the table on that host, with what a client should find.
fn expected(host: usize, strict: bool) -> Vec<String> {
    let mut all = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        let answers = if strict { row.strict } else { row.plain };
        let word = if answers { "ping tcp" } else { "" };
        all.extend(row.addresses(number, host).iter().map(|address| format!("{address} {word}")));
    }
    all.sort();
    all
}

/// What the client finds at every address of the table on that host, asking all at once.
fn found(client: &Host, host: usize) -> Vec<String> {
    let all = ROWS.iter().enumerate().flat_map(|(number, row)| row.addresses(number, host));
    let list = all.collect::<Vec<_>>().join(" ");
    // What is dropped takes its second; all are asked side by side, and each tells with one line.
    let script = format!(
        "for a in {list}; do (
           case $a in *:*) t=\"TCP6:[$a]\" ;; *) t=TCP4:$a ;; esac
           r=; ping -n -q -c 1 -W 1 $a >/dev/null 2>&1 && r=ping
           socat -u /dev/null $t:{PORT},connect-timeout=1 2>/dev/null && r=\"$r tcp\"
           echo \"$a $r\"
         ) & done; wait"
    );
    let output = client.run(["sh", "-c", &script]).expect("ask");
    let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Asks until it finds what is expected; fails with what is otherwise.
fn judge(lab: &Lab, client: &Host, (host, strict): (usize, bool), story: impl Fn() -> String) {
    let wanted = expected(host, strict);
    let mut last = Vec::new();
    let came = lab.wait_for(LIMIT, || {
        last = found(client, host);
        last == wanted
    });
    let wrong: Vec<_> = last.iter().filter(|line| !wanted.contains(line)).collect();
    assert!(came, "vrrp_strict {strict}: of {} found otherwise: {wrong:#?}\n{}", last.len(), story());
}

/// A client that has the addresses of those hosts on its link.
fn client(lab: &Lab, hosts: usize) -> Host {
    let client = lab.add_host("client", &["192.168.1.9/24", "2001:db8::9/48"]).expect("a client");
    for host in 1..=hosts {
        let net = format!("10.{host}.0.0/16");
        assert!(client.run(["ip", "route", "add", &net, "dev", "eth0"]).expect("ip").success());
    }
    client
}

/// Something that takes connections at every address, whether or not it is there yet.
fn serve(host: &Host) {
    let listen = format!("TCP6-LISTEN:{PORT},fork,reuseaddr,ipv6only=0,backlog=128");
    let _ = host.spawn(Spec::new(["socat", "-u", &listen, "/dev/null"])).expect("listen");
}

/// Neighbours are told of all addresses, also of those that are silent.
fn neighbours_are_told(client: &Host, host: usize) {
    let known = client.run(["ip", "neighbour", "show", "dev", "eth0"]).expect("ip").stdout;
    for (number, row) in ROWS.iter().enumerate() {
        for address in row.addresses(number, host) {
            let told = known.lines().find(|line| line.split(' ').next() == Some(address.as_str()));
            assert!(told.is_some_and(|line| line.contains("lladdr")), "{address}: {told:?}");
        }
    }
}

fn reload(lab: &Lab, node: &Node, strict: bool) {
    node.configure(&config(1, strict));
    let command = format!("{} reload --runtime-dir {RUNTIME_DIR}", on_host("handover"));
    eventually(lab, &[node], "it takes the file", || {
        node.host().run(["sh", "-c", &command]).is_ok_and(|output| output.success())
    });
}

#[test]
fn every_way_of_asking_and_both_ways_of_a_reload() {
    let lab = start_lab();
    let client = client(&lab, 1);
    let node = Node::new(&lab, "a", &["192.168.1.11/24", "2001:db8::11/48"], &config(1, false));
    serve(node.host());
    node.start();
    for strict in [false, true, false] {
        reload(&lab, &node, strict);
        judge(&lab, &client, (1, strict), || node.story());
        neighbours_are_told(&client, 1);
    }
    assert!(node.sh("nft list ruleset").contains("table inet handover"), "{}", node.story());
    // Which is ours.
    let said = node.sh(&format!("{} check --host {CONFIG} 2>&1", on_host("handover")));
    assert!(said.contains("silent-address") && !said.contains("table-taken"), "{said}");
    node.stop();
    assert_eq!(node.sh("nft list ruleset"), "");
}

/// The same file, word for word but for the addresses.
#[test]
fn keepalived_answers_where_handover_does() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let client = client(&lab, 2);
    for (host, name, strict) in [(1, "plain", false), (2, "strict", true)] {
        let last = [format!("192.168.1.2{host}/24"), format!("2001:db8::2{host}/48")];
        let last = last.each_ref().map(String::as_str);
        let k = Keepalived::new(&lab, name, &last, &config(host, strict));
        serve(k.host());
        k.start();
        judge(&lab, &client, (host, strict), || k.story());
    }
}
