//! What the tests of several modules need: waiting for a descriptor, a directory, and two hosts on a cable.
//!
//! Only compiled for tests. It must never wait for a time to pass, and never touch the machine's own network: all
//! happens in namespaces that the calling thread made for itself and that end with it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
    set_capabilities, unshare_unsafe,
};

/// Longer than anything takes on a busy machine; only a failing test waits this long.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Whether the descriptor becomes readable before the limit.
pub(crate) fn readable_within(fd: impl AsFd, limit: Duration) -> bool {
    let limit =
        Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap(), tv_nsec: limit.subsec_nanos().into() };
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&limit)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// A directory of the test's own, removed with all that is in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("handover-sys.{}.{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a name that nobody else uses");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("our own directory");
    }
}

/// One end of a [`Cable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

/// Two network namespaces joined by a veth pair, `veth-a` in A and `veth-b` in B, both up. The calling thread
/// wanders between them; nothing else of the process does.
pub(crate) struct Cable {
    a: File,
    b: File,
}

impl Cable {
    /// The interface's name on that side.
    pub(crate) fn link(side: Side) -> &'static str {
        match side {
            Side::A => "veth-a",
            Side::B => "veth-b",
        }
    }

    /// `None`, with the reason on standard error, where the test may not make namespaces.
    pub(crate) fn lay() -> Option<Self> {
        let (Some(a), Some(b)) = (namespace(), namespace()) else {
            eprintln!("skipped: this test needs root, to make network namespaces");
            return None;
        };
        let cable = Self { a, b };
        let peer = format!("/proc/{}/fd/{}", std::process::id(), cable.b.as_raw_fd());
        cable.enter(Side::A);
        ip(&["link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b", "netns", &peer]);
        for (side, ipv4, ipv6) in
            [(Side::A, "192.0.2.1/24", "fe80::a/64"), (Side::B, "192.0.2.2/24", "fe80::b/64")]
        {
            cable.enter(side);
            let link = Self::link(side);
            ip(&["link", "set", link, "addrgenmode", "none"]);
            ip(&["link", "set", link, "up"]);
            ip(&["address", "add", ipv4, "dev", link]);
            ip(&["address", "add", ipv6, "dev", link, "nodad"]);
        }
        Some(cable)
    }

    /// Moves the calling thread to that side: sockets opened from now on are there, and stay there.
    pub(crate) fn enter(&self, side: Side) {
        let fd = match side {
            Side::A => &self.a,
            Side::B => &self.b,
        };
        move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
    }

    /// The index of that side's interface. Moves the thread there.
    pub(crate) fn index(&self, side: Side) -> u32 {
        self.enter(side);
        let text = ip(&["-o", "link", "show", "dev", Self::link(side)]);
        text.split(':').next().unwrap().parse().unwrap()
    }
}

/// A new network namespace, entered by the calling thread; `None` if that is not allowed.
pub(crate) fn namespace() -> Option<File> {
    // SAFETY: a new network namespace changes neither memory nor descriptors of this process.
    match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
        Ok(()) => Some(File::open("/proc/thread-self/ns/net").expect("the namespace just made")),
        Err(rustix::io::Errno::PERM) => None,
        Err(error) => panic!("unshare: {error}"),
    }
}

/// iproute2, run in the calling thread's namespace.
pub(crate) fn ip(arguments: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "a child of the calling thread is in its namespace")]
    let output = std::process::Command::new("ip").args(arguments).output().expect("iproute2");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Takes every capability from the calling thread, for good: what vrrp-core is like.
pub(crate) fn drop_all_capabilities() {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .expect("giving up needs no right");
}
