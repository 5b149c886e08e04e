//! What happens in a child between fork and exec, prepared before the fork.
//!
//! What it must never do after the fork: allocate, take a lock, log, or panic; [`Prepared::run`] consists of system
//! calls. The order matters and is the order of the code: namespaces need rights, so they come first; the change of
//! user clears the parent-death signal, so that comes last. Read signal-safety(7), capabilities(7) and prctl(2).

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_setfd, write};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{
    Gid, Pid, Resource, Rlimit, Signal, Uid, chdir, getegid, geteuid, getpid, getppid, set_child_subreaper,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, UnshareFlags, move_into_link_name_space, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use super::register::register;
use super::{Credentials, Namespace, Rights, Spec, files};
use crate::privilege::{drop_bounding, limit_to, set_of};
use crate::schedule;

/// What can go wrong when a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Fork, descriptors, memory.
    Start,
    /// Entering or making namespaces.
    Namespace,
    /// Making mounts private, mounting `/proc`.
    Mount,
    /// Changing user and groups.
    Credentials,
    /// Reducing capabilities.
    Rights,
    /// Asking for a signal when the parent ends.
    DeathSignal,
    /// Handing over descriptors.
    Descriptors,
    /// Changing the working directory.
    Directory,
    /// Executing the program: it isn't there, isn't executable, or its interpreter isn't.
    Execute,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Namespace,
        Self::Mount,
        Self::Credentials,
        Self::Rights,
        Self::DeathSignal,
        Self::Descriptors,
        Self::Directory,
        Self::Execute,
    ];

    /// The step that has this number.
    pub(super) fn from_number(number: u8) -> Self {
        Self::ALL.into_iter().find(|step| *step as u8 == number).unwrap_or(Self::Start)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start a process",
            Self::Namespace => "enter its namespaces",
            Self::Mount => "set up its mounts",
            Self::Credentials => "change to its user",
            Self::Rights => "reduce its rights",
            Self::DeathSignal => "tie it to its parent",
            Self::Descriptors => "hand over descriptors",
            Self::Directory => "change to its directory",
            Self::Execute => "execute",
        })
    }
}

/// What went wrong in a child, and at which step.
pub(super) type Failure = (Step, Errno);

/// Who a child is and what it may do.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) credentials: Option<Credentials>,
    pub(super) rights: Rights,
    pub(super) no_new_privs: bool,
    pub(super) real_time: Option<u8>,
}

/// Numbers and strings in the form in which system calls want them.
pub(super) struct Prepared {
    enter: Vec<OwnedFd>,
    unshare: UnshareFlags,
    fresh_proc: bool,
    /// What to write into uid_map and gid_map of a new user namespace.
    maps: Option<(Vec<u8>, Vec<u8>)>,
    credentials: Option<(Uid, Gid, Vec<Gid>)>,
    /// `None`: as inherited. Otherwise what to keep, and whether the bounding set goes, too.
    rights: Option<(CapabilitySet, bool)>,
    no_new_privs: bool,
    reaper: bool,
    register: Option<OwnedFd>,
    real_time: Option<u8>,
    open_files: Option<Rlimit>,
    /// The signal, and the parent that must still be there; no check in a PID namespace where it has no number.
    death_signal: Option<(Signal, Option<Pid>)>,
    /// Numbers, since they have to stay what the child was told; the `Spec` keeps them open.
    passed: Vec<RawFd>,
    directory: Option<CString>,
}

impl Prepared {
    pub(super) fn new(spec: &Spec) -> io::Result<Self> {
        let new_pid = spec.unshare.contains(&Namespace::Pid);
        let foreign_pid = new_pid || spec.enter.iter().any(|(kind, _)| *kind == Namespace::Pid);
        // PID namespaces are the parent's business: see `PidNamespace`.
        let enter = spec.enter.iter().filter(|(kind, _)| *kind != Namespace::Pid);
        let unshare = spec.unshare.iter().filter(|kind| **kind != Namespace::Pid);
        let directory = spec.directory.as_ref().map(|path| CString::new(path.as_os_str().as_bytes()));
        Ok(Self {
            enter: enter.map(|(_, descriptor)| descriptor.try_clone()).collect::<io::Result<_>>()?,
            unshare: unshare.fold(UnshareFlags::empty(), |flags, kind| flags | kind.flag()),
            fresh_proc: new_pid && spec.unshare.contains(&Namespace::Mount),
            maps: spec.unshare.contains(&Namespace::User).then(|| {
                let map = |id: u32| format!("0 {id} 1").into_bytes();
                (map(geteuid().as_raw()), map(getegid().as_raw()))
            }),
            credentials: spec.identity.credentials.as_ref().map(|credentials| {
                let groups = credentials.groups.iter().copied().map(Gid::from_raw).collect();
                (Uid::from_raw(credentials.uid), Gid::from_raw(credentials.gid), groups)
            }),
            rights: match &spec.identity.rights {
                Rights::Inherit => None,
                Rights::None => Some((CapabilitySet::empty(), false)),
                Rights::Ambient(keep) => Some((set_of(keep), false)),
                Rights::Exactly(keep) => Some((set_of(keep), true)),
            },
            no_new_privs: spec.identity.no_new_privs,
            reaper: spec.reaper,
            register: spec.register.as_ref().map(OwnedFd::try_clone).transpose()?,
            real_time: spec.identity.real_time,
            open_files: files::for_children(),
            death_signal: spec.death_signal.map(|signal| (signal, (!foreign_pid).then(getpid))),
            passed: spec.passed.iter().map(AsRawFd::as_raw_fd).collect(),
            directory: directory.transpose()?,
        })
    }

    /// Everything, in the child.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let at = |step: Step| move |error: Errno| (step, error);
        self.namespaces().map_err(at(Step::Namespace))?;
        self.mounts().map_err(at(Step::Mount))?;
        if let Some((keep, true)) = self.rights {
            drop_bounding(keep).map_err(at(Step::Rights))?;
        }
        if let Some(priority) = self.real_time {
            schedule::grant(priority);
        }
        if let Some(limit) = self.open_files {
            setrlimit(Resource::Nofile, limit).map_err(at(Step::Descriptors))?;
        }
        self.become_user().map_err(at(Step::Credentials))?;
        self.reduce().map_err(at(Step::Rights))?;
        self.tie_to_parent().map_err(at(Step::DeathSignal))?;
        if self.reaper {
            // A kernel that refuses (before 3.4) leaves its orphans to init, as without the request.
            let _ = set_child_subreaper(Some(getpid()));
        }
        if let Some(file) = &self.register {
            register(file.as_fd());
        }
        close_others_on_exec();
        for number in &self.passed {
            // SAFETY: the parent's `Spec` owns it, and the parent is still in `spawn`.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl_setfd(descriptor, FdFlags::empty()).map_err(at(Step::Descriptors))?;
        }
        match &self.directory {
            Some(directory) => chdir(directory.as_c_str()).map_err(at(Step::Directory)),
            None => Ok(()),
        }
    }

    fn namespaces(&self) -> Result<(), Errno> {
        for descriptor in &self.enter {
            move_into_link_name_space(descriptor.as_fd(), None)?;
        }
        if !self.unshare.is_empty() {
            // SAFETY: no descriptor table is unshared.
            unsafe { unshare_unsafe(self.unshare) }?;
        }
        if let Some((uids, gids)) = &self.maps {
            // Without "deny" an ordinary user may not write gid_map (user_namespaces(7)).
            write_file(c"/proc/self/setgroups", b"deny")?;
            write_file(c"/proc/self/uid_map", uids)?;
            write_file(c"/proc/self/gid_map", gids)?;
        }
        Ok(())
    }

    fn mounts(&self) -> Result<(), Errno> {
        if self.unshare.contains(UnshareFlags::NEWNS) {
            mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
        }
        if self.fresh_proc {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(c"proc", c"/proc", c"proc", flags, None::<&CStr>)?;
        }
        Ok(())
    }

    /// The child has one thread, so the calls for one thread change the whole process.
    fn become_user(&self) -> Result<(), Errno> {
        let Some((uid, gid, groups)) = &self.credentials else { return Ok(()) };
        if let Some((keep, _)) = self.rights {
            // Otherwise leaving uid 0 would take the rights that are to be kept.
            set_keep_capabilities(!keep.is_empty())?;
        }
        set_thread_groups(groups)?;
        set_thread_res_gid(*gid, *gid, *gid)?;
        set_thread_res_uid(*uid, *uid, *uid)
    }

    fn reduce(&self) -> Result<(), Errno> {
        if let Some((keep, _)) = self.rights {
            // EPERM for what we haven't got: a child that was to have it isn't started without.
            limit_to(keep)?;
        }
        if self.no_new_privs {
            set_no_new_privs(true)?;
        }
        Ok(())
    }

    fn tie_to_parent(&self) -> Result<(), Errno> {
        let Some((signal, parent)) = self.death_signal else { return Ok(()) };
        set_parent_process_death_signal(Some(signal))?;
        match parent {
            // It ended before the request was made: nobody would ever send the signal.
            Some(parent) if getppid() != Some(parent) => Err(Errno::SRCH),
            Some(_) | None => Ok(()),
        }
    }
}

/// Marks all but the standard descriptors close-on-exec, those too that a careless parent of ours left open.
fn close_others_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: no descriptor is closed here. A kernel before 5.11 refuses, and then our own descriptors, which are all
    // made close-on-exec, are still safe.
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

fn write_file(path: &CStr, content: &[u8]) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write(&file, content).map(drop)
}
