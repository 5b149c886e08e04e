//! Probes against real sockets on this host.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use config::{HttpGet, Target};
use reactor::Ready;

use super::*;

mod names;

const FIRST: Token = Token(7);
const WATCHES: Token = Token(1 << 20);
const CHECK: CheckId = CheckId(3);
const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks, and waits for the answer as the daemon does.
fn ask(probe: &Probe, timeout: Duration) -> Outcome {
    let mut reactor = Reactor::new().unwrap();
    let mut probes = Probes::new(FIRST, WATCHES);
    let tag = (CHECK, RunNumber(1));
    if let Some(answer) = probes.start(&reactor, sys::clock::now(), tag, (probe, timeout)) {
        return answer.outcome;
    }
    let mut ready = Vec::new();
    loop {
        if let Some(late) = probes.on_time(sys::clock::now()).pop() {
            return late.outcome;
        }
        reactor.arm(probes.next_deadline()).unwrap();
        reactor.wait(&mut ready).unwrap();
        for event in ready.drain(..) {
            let Ready::Token { token, .. } = event else { continue };
            assert!(probes.owns(token));
            if let Some(answer) = probes.on_ready(token, sys::clock::now()) {
                assert_eq!((answer.check, answer.run), tag);
                assert_eq!(probes.next_deadline(), None, "nothing is left of it");
                return answer.outcome;
            }
        }
    }
}

fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, Target { address, source: None, link: None })
}

/// A server that takes one connection, reads the request and answers so.
fn serve(answer: &'static [u8]) -> (std::thread::JoinHandle<String>, Target) {
    let (listener, target) = listen();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 512];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => request.extend(&buffer[..length]),
            }
        }
        // The probe may have gone already, with all that it wanted to know.
        let _ = stream.write_all(answer);
        String::from_utf8(request).unwrap()
    });
    (server, target)
}

fn get(target: Target, body: Option<&str>) -> Probe {
    let body = body.map(str::to_owned);
    Probe::HttpGet(HttpGet {
        target,
        tls: None,
        host: "web".into(),
        path: "/health".into(),
        status: None,
        body,
    })
}

#[test]
fn a_connection_passes_and_a_refused_one_says_by_whom() {
    let (listener, target) = listen();
    let probe = Probe::TcpConnect(target.clone());
    assert_eq!(ask(&probe, TIMEOUT), Outcome::Passed);
    drop(listener);
    let refused = ask(&probe, TIMEOUT).to_string();
    assert!(refused.starts_with(&format!("connect to {}: Connection refused", target.address)), "{refused}");
}

#[test]
fn a_probe_asks_from_where_it_is_told_to() {
    let (listener, target) = listen();
    let from = Target { source: Some(Ipv4Addr::new(127, 0, 0, 9).into()), ..target.clone() };
    assert_eq!(ask(&Probe::TcpConnect(from), TIMEOUT), Outcome::Passed);
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, 9));
    let through = Target { link: Some(model::LinkName::new("lo").unwrap()), ..target.clone() };
    assert_eq!(ask(&Probe::TcpConnect(through), TIMEOUT), Outcome::Passed);
    let nowhere = Target { link: Some(model::LinkName::new("none0").unwrap()), ..target.clone() };
    assert_eq!(
        ask(&Probe::TcpConnect(nowhere), TIMEOUT),
        Outcome::CannotRun("ask through none0: No such device (os error 19)".into())
    );
    let foreign = Target { source: Some(Ipv4Addr::new(192, 0, 2, 1).into()), ..target };
    assert!(matches!(ask(&Probe::TcpConnect(foreign), TIMEOUT), Outcome::CannotRun(_)));
}

#[test]
fn an_answer_is_judged() {
    let (server, target) = serve(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nall is well\n");
    assert_eq!(ask(&get(target, Some("is well")), TIMEOUT), Outcome::Passed);
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /health HTTP/1.0\r\nHost: web\r\n"), "{request}");
    let (server, target) = serve(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    assert_eq!(ask(&get(target, None), TIMEOUT), Outcome::Failed("status 503, not 200 to 299".into()));
    server.join().unwrap();
    let (server, target) = serve(b"");
    assert_eq!(ask(&get(target, None), TIMEOUT), Outcome::Failed("closed without an answer".into()));
    server.join().unwrap();
}

/// Pain B3: a server that accepts and says nothing is over in time.
#[test]
fn a_server_that_never_answers_is_given_up() {
    let (listener, target) = listen();
    assert_eq!(ask(&get(target, None), Duration::from_millis(50)), Outcome::TimedOut);
    drop(listener);
}

#[test]
fn an_endless_answer_is_read_to_its_bound() {
    static ENDLESS: [u8; 4 * http::MAX_ANSWER] = [b'x'; 4 * http::MAX_ANSWER];
    let (server, target) = serve(&ENDLESS);
    let outcome = ask(&get(target, None), TIMEOUT).to_string();
    assert!(outcome.starts_with("not an HTTP answer: \"xxx"), "{outcome}");
    server.join().unwrap();
}

/// One byte at a time, each in time, and never an end: the timeout is for all of it.
#[test]
#[allow(clippy::disallowed_methods, reason = "the server is slow on purpose; nothing waits for it")]
fn an_answer_that_trickles_is_given_up() {
    for secure in [false, true] {
        let (listener, target) = listen();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // A TLS record of 16 KiB that is about to come, or a first line of HTTP.
            let beginning: &[u8] = if secure { &[22, 3, 3, 64, 0] } else { b"HTTP/1.1 " };
            let mut bytes = beginning.iter().copied().chain(std::iter::repeat(b' '));
            while bytes.next().is_some_and(|byte| stream.write_all(&[byte]).is_ok()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let probe = if secure { https(target) } else { get(target, None) };
        assert_eq!(ask(&probe, Duration::from_millis(150)), Outcome::TimedOut);
        server.join().unwrap();
    }
}

fn https(target: Target) -> Probe {
    let tls = config::Tls { name: "web".into(), verify: false, authorities: None };
    let Probe::HttpGet(get) = get(target, None) else { unreachable!() };
    Probe::HttpGet(HttpGet { tls: Some(tls), ..get })
}

#[test]
fn what_is_no_tls_is_told() {
    static ENDLESS: [u8; 1 << 20] = [22; 1 << 20];
    for (answer, said) in [
        (&b"SSH-2.0-OpenSSH_9\r\n"[..], "doesn't speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "the server refuses TLS with us (alert HandshakeFailure)"),
        (b"", "end of file"),
        (&ENDLESS, "doesn't speak TLS"),
    ] {
        let (listener, target) = listen();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]).unwrap();
            // The probe may have gone already.
            let _ = stream.write_all(answer);
        });
        let address = target.address;
        let outcome = ask(&https(target), TIMEOUT);
        let text = outcome.to_string();
        assert!(matches!(outcome, Outcome::Failed(_)) && text.contains(said), "{text}");
        assert!(text.starts_with(&format!("ask {address}: ")), "{text}");
        server.join().unwrap();
    }
}

#[test]
fn sockets_and_files_are_looked_at() {
    let path = std::env::temp_dir().join(format!("handover-probe-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (unix, file) = (Probe::UnixConnect(path.clone()), Probe::File(path.clone()));
    assert_eq!(ask(&file, TIMEOUT), Outcome::Failed(format!("{} does not exist", path.display())));
    assert!(ask(&unix, TIMEOUT).to_string().contains("No such file"));
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!((ask(&file, TIMEOUT), ask(&unix, TIMEOUT)), (Outcome::Passed, Outcome::Passed));
    drop(listener);
    assert!(ask(&unix, TIMEOUT).to_string().contains("Connection refused"), "a file is left, nobody listens");
    std::fs::remove_file(&path).unwrap();
}

/// What would block whoever opens it, never ends, or is no file at all, is a reason and keeps nobody waiting.
#[test]
fn authorities_that_are_no_file_are_told_of() {
    let fifo = std::env::temp_dir().join(format!("handover-fifo-{}", std::process::id()));
    let _ = std::fs::remove_file(&fifo);
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let (_listener, target) = listen();
    for path in [fifo.as_path(), Path::new("/dev/zero"), Path::new("/")] {
        let Probe::HttpGet(get) = get(target.clone(), None) else { unreachable!() };
        let tls = config::Tls { name: "web".into(), verify: true, authorities: Some(path.to_owned()) };
        let outcome = ask(&Probe::HttpGet(HttpGet { tls: Some(tls), ..get }), TIMEOUT);
        let why = format!("authorities of {}: it is no regular file", path.display());
        assert_eq!(outcome, Outcome::CannotRun(why));
    }
    std::fs::remove_file(&fifo).unwrap();
}
