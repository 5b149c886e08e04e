//! ipmgr as a real process on a host of its own, and a vrrp-core that says what the test wants.
//!
//! The host is a network namespace that the test's thread enters, with `eth0` (192.0.2.1/24) at one end of a cable. What a
//! test started ends with it, by process id.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ipc::core_ipmgr::{Order, PROTOCOL, Report, SOCKET};
use ipc::frame::{self, MAX_FRAME};
use model::{InstanceName, LinkName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sys::clock::now;
use sys::netlink::{HostAddress, Place, Route};
use sys::process::{Child, Exit, Namespace, Signal, Spec, Stdio, spawn};
use sys::seqpacket::{Connection, Received};

/// Longer than any healthy machine needs for anything here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// From one look at a condition to the next, and from beat to beat, in nanoseconds: often enough for an interval of a
/// second.
const BEAT: i64 = 50_000_000;

pub(crate) const VIP: &str = "192.0.2.100";
/// `api_vip` is patient: what has to come in time does so on a busy machine too. `six` is not: two seconds of silence are
/// enough.
const CONFIG: &str = "
vrrp_instance api_vip {
  interface eth0
  virtual_router_id 5
  advert_int 30
  virtual_ipaddress {
    192.0.2.100/32
  }
}
vrrp_instance six {
  interface eth0
  virtual_router_id 6
  advert_int 1
  virtual_ipaddress {
    fe80::100
    2001:db8::100
  }
}
vrrp_instance elsewhere {
  interface eth1
  virtual_router_id 7
  advert_int 30
  virtual_ipaddress {
    198.51.100.100/24
  }
}
";

fn pause() {
    let time = Timespec { tv_sec: 0, tv_nsec: BEAT };
    poll(&mut [], Some(&time)).unwrap();
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = now() + PATIENCE;
    while !condition() {
        assert!(now() < limit, "never: {what}");
        pause();
    }
}

pub(crate) fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

pub(crate) fn instance(name: &str) -> InstanceName {
    InstanceName::new(name).unwrap()
}

/// A host: a network namespace, a directory and perhaps an ipmgr.
pub(crate) struct Host {
    directory: PathBuf,
    pub(crate) route: Route,
    ipmgr: Option<Child>,
}

impl Host {
    /// `None`, with the reason on standard error, where namespaces aren't allowed.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // A namespace lives as long as somebody has it open; this process only makes it.
        let maker = Spec::new("/bin/cat").stdin(Stdio::Pipe).unshare(Namespace::Net);
        let mut maker = match spawn(&maker) {
            Ok(maker) => maker,
            Err(error) => {
                eprintln!("skipped: this test needs root, to make a network namespace: {error}");
                return None;
            }
        };
        let namespace = File::open(format!("/proc/{}/ns/net", maker.pid())).unwrap();
        maker.signal(Signal::KILL).unwrap();
        eventually("cat ends", || maker.try_wait().unwrap().is_some());
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();

        let mut route = Route::open().unwrap();
        route.create_veth("eth0", "switch0").unwrap();
        route.set_up("eth0").unwrap();
        route.set_up("switch0").unwrap();
        route.add_address("eth0", "192.0.2.1".parse().unwrap(), 24).unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("handover-ipmgr-{}-{number}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("handover.conf"), CONFIG).unwrap();
        Some(Self { directory, route, ipmgr: None })
    }

    /// Puts another text into the configuration file, and gives its fingerprint.
    pub(crate) fn configure(&self, change: impl Fn(&str) -> String) -> u64 {
        let text = change(CONFIG);
        fs::write(self.directory.join("handover.conf"), &text).unwrap();
        config::parse("handover.conf", text).fingerprint.as_u64()
    }

    /// With an ipmgr that serves its socket.
    pub(crate) fn started() -> Option<Self> {
        let mut host = Self::new()?;
        host.start();
        Some(host)
    }

    /// Its successor takes its place.
    pub(crate) fn succeed(&mut self) {
        self.signal(Signal::USR1);
        assert_eq!(self.ended(), Exit::Code(0));
        self.start();
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    fn command(&self) -> Spec {
        let log = File::options().create(true).append(true).open(self.directory.join("log")).unwrap();
        Spec::new(env!("CARGO_BIN_EXE_ipmgr"))
            .argument("-f")
            .argument(self.directory.join("handover.conf"))
            .argument("--runtime-dir")
            .argument(&self.directory)
            .stderr(Stdio::Fd(log.into()))
    }

    /// How one with these options more ends.
    pub(crate) fn fails_to_start(&mut self, options: &[&str]) -> Exit {
        let spec = options.iter().fold(self.command(), |spec, option| spec.argument(option));
        self.ipmgr = Some(spawn(&spec).unwrap());
        self.ended()
    }

    /// With these variables in its environment.
    pub(crate) fn start_with(&mut self, variables: &[(&str, &str)]) {
        let spec = self.command();
        let spec = variables.iter().fold(spec, |spec, (name, value)| spec.variable(name, value));
        self.ipmgr = Some(spawn(&spec).unwrap());
        let socket = self.socket();
        eventually("ipmgr listens", || Connection::connect(&socket).is_ok());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.ipmgr.as_ref().unwrap().signal(signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Exit {
        let mut ipmgr = self.ipmgr.take().unwrap();
        eventually("ipmgr ends", || ipmgr.try_wait().unwrap().is_some());
        ipmgr.try_wait().unwrap().unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }

    /// A vrrp-core that has connected, greeted and read everything up to `Ready`.
    pub(crate) fn core(&self) -> (Core, Vec<Told>) {
        self.core_that_runs(fingerprint())
    }

    /// The same, with another configuration.
    pub(crate) fn core_that_runs(&self, fingerprint: u64) -> (Core, Vec<Told>) {
        let mut core = Core::new(Connection::connect(&self.socket()).unwrap());
        core.say(&Order::Hello { protocol: PROTOCOL, fingerprint });
        let mut told = Vec::new();
        loop {
            let (report, fd) = core.hear();
            let ready = report == Report::Ready;
            told.push((report, fd));
            if ready {
                return (core, told);
            }
        }
    }

    pub(crate) fn found(&mut self, address: &str) -> Option<HostAddress> {
        let address: IpAddr = address.parse().unwrap();
        self.route.addresses().unwrap().into_iter().find(|it| it.address == address)
    }

    pub(crate) fn place(&mut self, name: &str, address: &str, prefix: u8) -> Place {
        let index = self.route.link_index(name).unwrap();
        Place { link: index, name: link(name), address: address.parse().unwrap(), prefix }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut ipmgr) = self.ipmgr.take() {
            let _ = ipmgr.signal(Signal::KILL);
            eventually("ipmgr ends", || ipmgr.try_wait().unwrap().is_some());
        }
        if std::thread::panicking() {
            eprintln!("ipmgr's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The fingerprint of [`CONFIG`].
pub(crate) fn fingerprint() -> u64 {
    config::parse("handover.conf", CONFIG).fingerprint.as_u64()
}

/// A report, perhaps with a descriptor.
pub(crate) type Told = (Report, Option<OwnedFd>);

/// What a vrrp-core is to ipmgr.
pub(crate) struct Core {
    pub(crate) connection: Connection,
    /// What came along with what was heard last.
    pending: VecDeque<Told>,
}

impl Core {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection, pending: VecDeque::new() }
    }

    pub(crate) fn say(&self, order: &Order) {
        self.connection.send(&frame::encode(order).unwrap(), None).unwrap();
    }

    /// The next report; beats while it waits. `None` when ipmgr has closed the connection.
    #[track_caller]
    fn next(&mut self, beating: bool) -> Option<Told> {
        let mut buffer = vec![0; MAX_FRAME];
        let limit = now() + PATIENCE;
        loop {
            if let Some(told) = self.pending.pop_front() {
                return Some(told);
            }
            match self.connection.receive(&mut buffer) {
                Ok(Some(Received::Frame(frame))) => {
                    assert!(!frame.truncated);
                    let mut fd = frame.fd;
                    for part in frame::split(&buffer[..frame.length]) {
                        self.pending.push_back((frame::decode(part).unwrap(), fd.take()));
                    }
                    continue;
                }
                Ok(Some(Received::Closed)) | Err(_) => return None,
                Ok(None) => {}
            }
            assert!(now() < limit, "ipmgr says nothing");
            if beating {
                self.beat();
            }
            let mut readable = [PollFd::new(&self.connection, PollFlags::IN)];
            poll(&mut readable, Some(&Timespec { tv_sec: 0, tv_nsec: BEAT })).unwrap();
        }
    }

    /// Says that it lives, if anybody still listens.
    pub(crate) fn beat(&self) {
        let _ = self.connection.send(&frame::encode(&Order::Beat).unwrap(), None);
    }

    /// The next report but for signs of life, which come when they are due.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Told {
        loop {
            let told = self.next(true).expect("ipmgr has closed the connection");
            if told.0 != Report::Alive {
                return told;
            }
        }
    }

    /// The next report, without a sign of life meanwhile.
    #[track_caller]
    pub(crate) fn hear_silently(&mut self) -> Report {
        self.next(false).expect("ipmgr has closed the connection").0
    }

    /// Waits for its sign of life.
    #[track_caller]
    pub(crate) fn hear_it_lives(&mut self) {
        while self.next(true).expect("ipmgr has closed the connection").0 != Report::Alive {}
    }

    /// Reads up to the report that is looked for; link facts may come at any time.
    #[track_caller]
    pub(crate) fn find<T>(&mut self, mut wanted: impl FnMut(Told) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.hear()) {
                return found;
            }
        }
    }

    /// Orders the addresses of an instance, and returns what failed.
    #[track_caller]
    pub(crate) fn install(&mut self, name: &str, number: u64) -> Vec<String> {
        self.say(&Order::Install { instance: instance(name), order: number });
        self.find(|(report, _)| match report {
            Report::Installed { instance: it, order, failures, .. } => {
                assert_eq!((it.as_str(), order), (name, number));
                Some(failures)
            }
            _ => None,
        })
    }

    /// Has ipmgr read its file; what is wrong with it, if anything is.
    #[track_caller]
    pub(crate) fn prepare(&mut self) -> (u64, Option<String>) {
        self.say(&Order::Prepare);
        self.find(|(report, _)| match report {
            Report::Prepared { fingerprint, error } => Some((fingerprint, error)),
            _ => None,
        })
    }

    /// Has ipmgr run what its file says now; the fingerprint of that.
    #[track_caller]
    pub(crate) fn adopt(&mut self) -> u64 {
        let (fingerprint, error) = self.prepare();
        assert_eq!(error, None);
        self.say(&Order::Adopt { fingerprint });
        fingerprint
    }

    /// Withdraws the addresses of an instance.
    #[track_caller]
    pub(crate) fn withdraw(&mut self, name: &str, number: u64) {
        self.say(&Order::Withdraw { instance: instance(name), order: number });
        self.find(|(report, _)| match report {
            Report::Withdrawn { instance: it, order, .. } => {
                assert_eq!((it.as_str(), order), (name, Some(number)));
                Some(())
            }
            _ => None,
        });
    }

    /// What ipmgr says until it closes the connection, which it has to do.
    #[track_caller]
    pub(crate) fn last_words(&mut self) -> Vec<Report> {
        let mut words = Vec::new();
        while let Some((report, _)) = self.next(false) {
            words.push(report);
        }
        words
    }
}
