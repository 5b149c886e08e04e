//! Giving up the file system for good: what a process may still write, whatever its user owns.
//!
//! Reading stays what the files' permissions say: a configuration that is read again may include what it didn't include
//! before, wherever that is, and must not fail where a restart would succeed. This must never widen anything. Read landlock(7);
//! older kernels know fewer rules, and what they don't know stays as it was.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
    Scope,
};

/// The newest rules that are asked for: no device's ioctl, no TCP, no signal to others (Linux 6.12).
const NEWEST: ABI = ABI::V6;

/// What may be done below a directory; nothing else that changes a file may be done anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// Take away files and sockets.
    Remove,
    /// Put regular files there, write them, and take them away.
    Keep,
    /// Write what is there.
    Write,
}

impl May {
    fn access(self) -> BitFlags<AccessFs> {
        match self {
            Self::Remove => AccessFs::RemoveFile.into(),
            Self::Keep => AccessFs::MakeReg | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::RemoveFile,
            Self::Write => AccessFs::WriteFile | AccessFs::Truncate,
        }
    }
}

/// How much of it holds on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All.
    Whole,
    /// What the kernel is old enough not to know is missing.
    Part,
    /// Nothing: the kernel has no landlock, or it isn't switched on.
    Nothing,
}

/// From now on the calling thread, and whatever it starts, changes files below these directories alone, runs no program, opens and
/// takes no TCP connection and signals nobody but what it started. Descriptors that are open stay what they are. For a process
/// with one thread.
///
/// A directory that doesn't exist is left out: what is made there later isn't ours to write.
///
/// # Errors
/// The kernel's words, for a directory that can't be opened or a rule that it refuses. Then nothing is forbidden.
pub fn restrict(places: &[(&Path, May)]) -> io::Result<Extent> {
    let mut rules = nothing()?;
    for (path, may) in places {
        if !path.try_exists()? {
            continue;
        }
        let directory = PathFd::new(path).map_err(|error| io::Error::other(error.to_string()))?;
        rules = rules.add_rule(PathBeneath::new(directory, may.access())).map_err(forbidden)?;
    }
    enforce(rules)
}

/// The same for who is nothing but a client: it changes no file at all, and opens TCP connections to this port alone, of any host.
///
/// # Errors
/// As [`restrict`].
pub fn restrict_client(port: u16) -> io::Result<Extent> {
    enforce(nothing()?.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(forbidden)?)
}

/// Rules that let nothing be done.
fn nothing() -> io::Result<RulesetCreated> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(NEWEST) | AccessFs::Execute)
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::Signal))
        .and_then(Ruleset::create)
        .map_err(forbidden)
}

fn enforce(rules: RulesetCreated) -> io::Result<Extent> {
    let status = rules.restrict_self().map_err(forbidden)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Extent::Whole,
        RulesetStatus::PartiallyEnforced => Extent::Part,
        RulesetStatus::NotEnforced => Extent::Nothing,
    })
}

fn forbidden(error: RulesetError) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::testing::Directory;

    #[test]
    fn only_what_is_named_can_be_written_and_everything_read() {
        let directory = Directory::new();
        let (kept, shared, other) =
            (directory.path("kept"), directory.path("shared"), directory.path("other"));
        for path in [&kept, &shared, &other] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("before"), "before").unwrap();
        }
        let absent = directory.path("absent");
        let confined = move || {
            let places = [(&*kept, May::Keep), (&*shared, May::Remove), (&*absent, May::Keep)];
            let extent = restrict(&places).unwrap();
            if extent == Extent::Nothing {
                eprintln!("SKIPPED: this kernel has no landlock (/sys/kernel/security/lsm)");
                return;
            }
            let refused = |result: io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            };
            fs::write(kept.join("new"), "text").unwrap();
            fs::rename(kept.join("new"), kept.join("before")).unwrap();
            assert_eq!(fs::read_to_string(kept.join("before")).unwrap(), "text");
            refused(fs::create_dir(kept.join("directory")));

            refused(fs::write(shared.join("new"), ""));
            fs::remove_file(shared.join("before")).unwrap();

            assert_eq!(fs::read_to_string(other.join("before")).unwrap(), "before");
            refused(fs::write(other.join("before"), ""));
            refused(fs::remove_file(other.join("before")));
            refused(fs::rename(other.join("before"), kept.join("stolen")));
            refused(std::os::unix::fs::symlink("/", other.join("link")));

            let program = crate::process::Spec::new("/bin/true");
            assert!(crate::process::spawn(&program).is_err());
            if extent == Extent::Whole {
                refused(TcpListener::bind("127.0.0.1:0").map(drop));
            }
        };
        // For that thread alone.
        std::thread::spawn(confined).join().unwrap();
    }

    #[test]
    fn a_client_reaches_its_port_and_changes_nothing() {
        let directory = Directory::new();
        let file = directory.path("file");
        fs::write(&file, "before").unwrap();
        let [server, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [server_at, other_at] = [&server, &other].map(|it| it.local_addr().unwrap());
        let confined = move || {
            let extent = restrict_client(server_at.port()).unwrap();
            if extent == Extent::Nothing {
                eprintln!("SKIPPED: this kernel has no landlock (/sys/kernel/security/lsm)");
                return;
            }
            TcpStream::connect(server_at).unwrap();
            assert_eq!(fs::write(&file, "").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(fs::read_to_string(&file).unwrap(), "before");
            if extent == Extent::Whole {
                let refused = TcpStream::connect(other_at).unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            }
        };
        // For that thread alone.
        std::thread::spawn(confined).join().unwrap();
    }
}
