//! Probes without a process on a real host: what they see is that host's network and its processes.

use handover_tests::node::{Node, eventually, start_lab};

const PINGS: &str = "sysctl -qw net.ipv4.ping_group_range";

fn check(name: &str, line: &str) -> String {
    format!("vrrp_script {name} {{\n {line}\n interval 0.3\n}}\n")
}

#[test]
fn probes_see_the_host_that_they_run_on() {
    let lab = start_lab();
    let config = check("own_address", "ping 10.0.0.1")
        + &check("nobody", "ping 10.0.0.77")
        + &check("here", "process checkerd")
        + &check("elsewhere", "process handover-probes-elsewhere")
        + "vrrp_instance v {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.9/32\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.1/24"], &config);
    let other = Node::new(&lab, "b", &["10.0.0.2/24"], &config);
    // A process of the right name, on another host.
    let _ = other.sh(
        "cp /bin/sleep /tmp/handover-probes-elsewhere; /tmp/handover-probes-elsewhere 1000 >/dev/null 2>&1 &",
    );
    let verdicts = || {
        let verdict = |at: usize| node.at(&format!("/checks/{at}/verdict"));
        (verdict(0), verdict(1), verdict(2), verdict(3))
    };
    let _ = node.sh(&format!("{PINGS}='1 0'"));
    node.start();
    eventually(&lab, &[&node], "pings need a permission, and say which", || {
        node.at("/checks/0/last_outcome").contains("net.ipv4.ping_group_range")
            && verdicts() == ("unrunnable".into(), "unrunnable".into(), "up".into(), "down".into())
    });
    let _ = node.sh(&format!("{PINGS}='0 2147483647'"));
    eventually(&lab, &[&node], "one is there, the other not", || {
        verdicts() == ("up".into(), "down".into(), "up".into(), "down".into())
    });
    assert_eq!(node.at("/checks/3/last_outcome"), "no process handover-probes-elsewhere runs");
}

/// Trap 22: keepalived's tracker stays in FAULT in a network namespace. The process that decides is looked for by its
/// command line, others of its name don't count, and its end is told at once.
#[test]
fn a_tracked_process_decides_on_a_host_of_its_own() {
    let lab = start_lab();
    let config = "vrrp_track_process web {\n process /tmp/handover-web 1001\n}\n\
        vrrp_track_process spare {\n process handover-web 1002\n param_match initial\n full_command\n weight 20\n}\n\
        vrrp_instance v {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.9/32\n }\n \
        track_process {\n web\n spare\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.1/24"], config);
    let other = Node::new(&lab, "b", &["10.0.0.2/24"], config);
    let copy = "cp /bin/sleep /tmp/handover-web";
    let run = |seconds: u32| format!("/tmp/handover-web {seconds} >/dev/null 2>&1 & echo $!");
    let _ = other.sh(&format!("{copy}; {}", run(1001)));
    let _ = node.sh(&format!("{copy}; {}", run(1003)));
    node.start();
    eventually(&lab, &[&node], "what runs elsewhere, or otherwise, doesn't count", || {
        node.state() == "FAULT"
            && node.at("/checks/0/last_outcome") == "no process /tmp/handover-web runs"
            && node.at("/checks/1/verdict") == "down"
    });
    let pid = node.sh(&run(1001));
    eventually(&lab, &[&node], "it runs", || node.state() == "MASTER" && node.holds("10.0.0.9"));
    let _ = node.sh("cd /tmp; PATH=/tmp:$PATH; handover-web 1002.5 >/dev/null 2>&1 &");
    eventually(&lab, &[&node], "the spare one adds to the priority", || {
        node.at("/instances/0/priority/effective") == "120"
    });
    let _ = node.sh(&format!("kill {pid}"));
    eventually(&lab, &[&node], "it has ended", || node.state() == "FAULT" && !node.holds("10.0.0.9"));
}

/// A certificate for `web.example` and 10.0.0.1, signed by an authority of our own, and haproxy that shows it.
const HAPROXY: &str = r#"
set -e; cd /tmp
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ours -days 2
openssl req -x509 $key -keyout web.key -out web.crt -subj /CN=web -days 2 -CA ca.pem -CAkey ca.key \
    -addext subjectAltName=DNS:web.example,IP:10.0.0.1 -addext basicConstraints=critical,CA:FALSE
cat web.crt web.key > web.pem
openssl req -x509 $key -keyout own.key -out own.crt -subj /CN=own -days 2 -addext subjectAltName=IP:10.0.0.1
cat own.crt own.key > own.pem
cat > old.cnf <<END
[ca]
default_ca = own
[own]
database = /tmp/old.index
serial = /tmp/old.serial
new_certs_dir = /tmp
default_md = sha256
policy = any
x509_extensions = own_too
[any]
commonName = supplied
[own_too]
basicConstraints = CA:TRUE
subjectAltName = IP:10.0.0.1
END
touch old.index; echo 01 > old.serial
openssl req -new $key -keyout old.key -out old.csr -subj /CN=old
openssl ca -batch -selfsign -notext -config old.cnf -keyfile old.key -in old.csr -out old.crt \
    -startdate 200101000000Z -enddate 210101000000Z
cat old.crt old.key > old.pem
cat > haproxy.cfg <<END
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend secure
    bind 10.0.0.1:8443 ssl crt /tmp/web.pem
    http-request return status 200 content-type text/plain string ready if { path /health } { ssl_fc_sni web.example }
    http-request return status 200 content-type text/plain string hello if { path / }
frontend own
    bind 10.0.0.1:8444 ssl crt /tmp/own.pem
    bind 10.0.0.1:8445 ssl crt /tmp/old.pem
    http-request return status 200 content-type text/plain string hello
frontend plain
    bind 10.0.0.1:8080
    http-request return status 200 content-type text/plain string plain
END
haproxy -D -f haproxy.cfg
"#;

#[test]
fn https_is_believed_only_from_who_was_asked() {
    let lab = start_lab();
    let ours = "http_host web.example\n tls_ca /tmp/ca.pem";
    let config = check("name", &format!("http_get https://10.0.0.1:8443/health\n http_body ready\n {ours}"))
        + &check("address", "http_get https://10.0.0.1:8443\n http_body hello\n tls_ca /tmp/ca.pem")
        + &check("anybody", "http_get https://10.0.0.1:8443\n tls_verify off")
        + &check("unknown", "http_get https://10.0.0.1:8443")
        + &check("other", "http_get https://10.0.0.1:8443\n http_host other.example\n tls_ca /tmp/ca.pem")
        + &check("plain", "http_get https://10.0.0.1:8080\n tls_ca /tmp/ca.pem")
        + &check("wrong", &format!("http_get https://10.0.0.1:8443/wrong\n {ours}"))
        + &check("nothing", "http_get https://10.0.0.1:8443\n tls_ca /tmp/none.pem")
        + &check("own", "http_get https://10.0.0.1:8444\n tls_ca /tmp/own.crt")
        + &check(
            "own_other",
            "http_get https://10.0.0.1:8444\n http_host other.example\n tls_ca /tmp/own.crt",
        )
        + &check("own_unknown", "http_get https://10.0.0.1:8444\n tls_ca /tmp/ca.pem")
        + &check("own_old", "http_get https://10.0.0.1:8445\n tls_ca /tmp/old.crt")
        + "vrrp_instance v {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.9/32\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.1/24"], &config);
    let _ = node.sh(HAPROXY);
    node.start();
    let wanted = [
        ("up", "passed"),
        ("up", "passed"),
        ("up", "passed"),
        (
            "down",
            "the certificate is vouched for by nobody who is trusted: name the file of its authority, or its own, in `tls_ca`",
        ),
        (
            "down",
            "the certificate is not for other.example, which was asked for (`http_host`), but for web.example, 10.0.0.1",
        ),
        ("down", "ask 10.0.0.1:8080: what answers doesn't speak TLS"),
        ("down", "status 503, not 200 to 299"),
        ("unrunnable", "authorities of /tmp/none.pem"),
        // What openssl makes by default: an authority that vouches for itself.
        ("up", "passed"),
        ("down", "the certificate is not for other.example"),
        ("down", "if it is its own authority, name its file in `tls_ca`"),
        ("down", "the certificate has expired"),
    ];
    eventually(&lab, &[&node], "each says what it met", || {
        wanted.iter().enumerate().all(|(at, (verdict, outcome))| {
            node.at(&format!("/checks/{at}/verdict")) == *verdict
                && node.at(&format!("/checks/{at}/last_outcome")).contains(outcome)
        })
    });
}

/// dnsmasq, which knows two names, has one without an address, and refuses the rest of the world.
const DNSMASQ: &str = "dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --pid-file= --user=root \
    --bind-interfaces --listen-address=10.0.0.1 --local=/example/ --address=/www.example/10.0.0.7 \
    --address=/www.example/2001:db8::7 --txt-record=note.example,hello >/dev/null 2>&1 &";

#[test]
fn a_real_name_server_is_asked() {
    let lab = start_lab();
    let config = check("given", "dns_query www.example@10.0.0.1\n source 10.0.0.1")
        + &check("systems", "dns_query www.example\n dns_address 2001:db8::7")
        + &check("other", "dns_query www.example@10.0.0.1\n dns_address 10.0.0.8")
        + &check("empty", "dns_query note.example@10.0.0.1")
        + &check("text", "dns_query note.example@10.0.0.1 TXT")
        + &check("gone", "dns_query gone.example@10.0.0.1")
        + &check("rightly_gone", "dns_query gone.example@10.0.0.1\n dns_rcode NXDOMAIN")
        + &check("foreign", "dns_query www.invalid@10.0.0.1\n dns_rcode REFUSED")
        + "vrrp_instance v {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.9/32\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.1/24"], &config);
    let outcome = |at: usize| node.at(&format!("/checks/{at}/last_outcome"));
    node.start();
    eventually(&lab, &[&node], "nobody is there to be asked", || {
        outcome(0).contains("ask 10.0.0.1:53 for www.example A: Connection refused")
    });
    // The lab's own may be read-only.
    let resolver =
        "echo nameserver 10.0.0.1 > /tmp/resolv.conf; mount --bind /tmp/resolv.conf /etc/resolv.conf";
    let _ = node.sh(&format!("{resolver}; {DNSMASQ}"));
    let ask = "ask 10.0.0.1:53 for ";
    let wanted = [
        ("up", "passed".to_owned()),
        ("up", "passed".to_owned()),
        ("down", format!("{ask}www.example A: answered 10.0.0.7, not 10.0.0.8")),
        ("down", format!("{ask}note.example A: answered without a record of type A")),
        ("up", "passed".to_owned()),
        ("down", format!("{ask}gone.example A: answered NXDOMAIN, not NOERROR")),
        ("up", "passed".to_owned()),
        ("up", "passed".to_owned()),
    ];
    eventually(&lab, &[&node], "each says what it was answered", || {
        wanted.iter().enumerate().all(|(at, (verdict, said))| {
            node.at(&format!("/checks/{at}/verdict")) == *verdict && outcome(at) == *said
        })
    });
}

/// The knob that keepalived's users turn (pain A7): a number in a file moves the priority, at once.
#[test]
fn a_number_in_a_file_moves_the_address() {
    let lab = start_lab();
    let config = |priority: u8, initial: &str| {
        format!(
            "track_file knob {{\n file /run/knob\n weight -1\n {initial}\n}}\nvrrp_instance v {{\n interface eth0\n \
             virtual_router_id 5\n priority {priority}\n virtual_ipaddress {{\n 10.0.0.9/32\n }}\n \
             track_file {{\n knob\n }}\n}}\n"
        )
    };
    let a = Node::new(&lab, "a", &["10.0.0.1/24"], &config(150, ""));
    let b = Node::new(&lab, "b", &["10.0.0.2/24"], &config(100, "init_file 10"));
    for node in [&a, &b] {
        node.start();
    }
    eventually(&lab, &[&a, &b], "a is master, b has begun with its file", || {
        a.state() == "MASTER" && b.at("/instances/0/priority/effective") == "90"
    });
    let _ = a.sh("echo 100 > /run/knob");
    eventually(&lab, &[&a, &b], "b is better", || {
        b.state() == "MASTER" && a.at("/instances/0/priority/effective") == "50"
    });
    let _ = a.sh("rm /run/knob");
    eventually(&lab, &[&a, &b], "a is back", || a.state() == "MASTER" && a.holds("10.0.0.9"));
    let _ = b.sh("echo 0xfe > /run/knob.new; mv /run/knob.new /run/knob");
    eventually(&lab, &[&a, &b], "b is out", || b.state() == "FAULT");
    let _ = b.sh("rm /run/knob; mkfifo /run/knob");
    eventually(&lab, &[&a, &b], "what can't be read is told, and counts as nothing", || {
        b.state() == "BACKUP" && b.at("/checks/0/last_outcome").contains("it is no regular file")
    });
}
