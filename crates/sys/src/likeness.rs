//! Another process's confinement, taken on: so that what it runs can be tried by hand just as it runs it.
//!
//! What it must never do: gain anything, or enter what an ordinary user could have made. So the other process has to live in our
//! user namespace: there only root gives anybody another view of the files. Its system call filter can't be had.
//! Read proc_pid_status(5), mount_namespaces(7) and capabilities(7) first.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::thread::{CapabilitySet, LinkNameSpaceType, move_into_link_name_space, set_no_new_privs};

use crate::privilege::drop_bounding;

/// How a process is confined.
#[derive(Debug)]
pub struct Likeness {
    uid: u32,
    bounding: CapabilitySet,
    no_new_privs: bool,
    /// Its view of the files, if that isn't ours.
    mounts: Option<File>,
}

impl Likeness {
    /// Of that process.
    ///
    /// # Errors
    /// `PermissionDenied` where it lives in another user namespace; `NotFound` if it has gone; as open(2) of what is in `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let namespace = |whose: &str, kind: &str| fs::metadata(format!("/proc/{whose}/ns/{kind}"));
        let differs = |kind: &str| -> io::Result<bool> {
            let (its, ours) = (namespace(&pid.to_string(), kind)?, namespace("self", kind)?);
            Ok((its.dev(), its.ino()) != (ours.dev(), ours.ino()))
        };
        if differs("user")? {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it lives in another user namespace",
            ));
        }
        let mounts = if differs("mnt")? { Some(File::open(format!("/proc/{pid}/ns/mnt"))?) } else { None };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        parse(&status, mounts).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Its effective user.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// From now on the calling process sees the files as the other one does, and can't have more rights by running a program.
    /// Only for a process with one thread.
    ///
    /// # Errors
    /// As setns(2) and prctl(2).
    pub fn take_on(&self) -> io::Result<()> {
        if let Some(mounts) = &self.mounts {
            move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        }
        drop_bounding(self.bounding)?;
        if self.no_new_privs {
            set_no_new_privs(true)?;
        }
        Ok(())
    }
}

fn parse(status: &str, mounts: Option<File>) -> Option<Likeness> {
    let fields = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::split_whitespace)
    };
    // Real, effective, saved, and that of the file system.
    let uid = fields("Uid")?.nth(1)?.parse().ok()?;
    let bounding = u64::from_str_radix(fields("CapBnd")?.next()?, 16).ok()?;
    let no_new_privs = fields("NoNewPrivs")?.next()? == "1";
    Some(Likeness { uid, bounding: CapabilitySet::from_bits_retain(bounding), no_new_privs, mounts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_understood() {
        let status =
            "Name:\tcheckerd\nUid:\t0\t901\t0\t901\nCapBnd:\t00000000000000e0\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let found = parse(status, None).unwrap();
        let rights = CapabilitySet::KILL | CapabilitySet::SETGID | CapabilitySet::SETUID;
        assert_eq!((found.uid, found.bounding, found.no_new_privs), (901, rights, true));
        assert!(parse("Uid:\t0\n", None).is_none());
    }

    #[test]
    fn we_are_like_ourselves() {
        let own = Likeness::of(std::process::id()).unwrap();
        assert!(own.mounts.is_none() && own.uid() == crate::user::effective_uid());
        assert_eq!(Likeness::of(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
