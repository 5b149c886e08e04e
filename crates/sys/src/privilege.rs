//! Capabilities: which ones a process may have, and how it gives the rest away for good.
//!
//! What it must never do: gain anything. Every function here makes a process weaker or only looks.
//! Read capabilities(7) first, above all "Transformation of capabilities during execve()" and "Ambient capabilities",
//! and PR_CAPBSET_DROP, PR_CAP_AMBIENT and PR_SET_NO_NEW_PRIVS in prctl(2).

use std::fmt;
use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// The highest capability number that a 64-bit set can hold; the kernel's own last one is lower (`/proc/sys/kernel/cap_last_cap`).
const MAX_CAPABILITY: u32 = 63;

/// The rights that some process of this suite may keep. A right that no process needs has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: addresses, routes, links, filters.
    NetAdmin,
    /// `CAP_NET_RAW`: opening raw and packet sockets.
    NetRaw,
    /// `CAP_SETUID`: becoming the user whom a script runs as.
    SetUid,
    /// `CAP_SETGID`: taking that user's groups.
    SetGid,
    /// `CAP_KILL`: ending a script that runs as another user.
    Kill,
    /// `CAP_SYS_ADMIN`: namespaces; only the lab needs it.
    SysAdmin,
    /// `CAP_SYS_NICE`: real-time scheduling.
    SysNice,
    /// `CAP_IPC_LOCK`: memory that is never paged out.
    IpcLock,
}

impl Capability {
    /// All that have a name here.
    pub const ALL: [Self; 8] = [
        Self::NetAdmin,
        Self::NetRaw,
        Self::SetUid,
        Self::SetGid,
        Self::Kill,
        Self::SysAdmin,
        Self::SysNice,
        Self::IpcLock,
    ];

    const fn bit(self) -> CapabilitySet {
        match self {
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
            Self::NetRaw => CapabilitySet::NET_RAW,
            Self::SetUid => CapabilitySet::SETUID,
            Self::SetGid => CapabilitySet::SETGID,
            Self::Kill => CapabilitySet::KILL,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
            Self::SysNice => CapabilitySet::SYS_NICE,
            Self::IpcLock => CapabilitySet::IPC_LOCK,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SetUid => "CAP_SETUID",
            Self::SetGid => "CAP_SETGID",
            Self::Kill => "CAP_KILL",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysNice => "CAP_SYS_NICE",
            Self::IpcLock => "CAP_IPC_LOCK",
        })
    }
}

/// A set of them as the kernel counts them; made before a fork, used after it.
pub(crate) fn set_of(keep: &[Capability]) -> CapabilitySet {
    keep.iter().fold(CapabilitySet::empty(), |set, capability| set | capability.bit())
}

/// The capabilities in the calling thread's effective set, those with a name here. For status and tests.
///
/// # Errors
/// As capget(2); it doesn't fail for the caller itself on any kernel that we know.
pub fn effective() -> io::Result<Vec<Capability>> {
    let effective = capabilities(None)?.effective;
    Ok(Capability::ALL.into_iter().filter(|capability| effective.contains(capability.bit())).collect())
}

/// Whether the calling thread has it in its effective set.
///
/// # Errors
/// As capget(2).
pub fn has(capability: Capability) -> io::Result<bool> {
    Ok(capabilities(None)?.effective.contains(capability.bit()))
}

/// Reduces what the calling process may do to `keep`: permitted, effective, inheritable and ambient set. What it
/// hasn't got it doesn't get, so this works for root, for anybody with ambient capabilities, and with nothing at all.
///
/// The bounding set stays, so a program that this process runs may still have rights of its own: by its file, or by
/// being run as root. That is what checkerd and notifierd need; everything else wants [`restrict`].
/// Only for a process with one thread: the kernel keeps these sets per thread.
///
/// # Errors
/// As capset(2) and prctl(2). Nothing is kept beyond `keep` when it succeeds.
pub fn limit(keep: &[Capability]) -> io::Result<()> {
    Ok(limit_to(set_of(keep) & capabilities(None)?.permitted)?)
}

/// As [`limit`], and for good: the bounding set is dropped as well where that is permitted (`CAP_SETPCAP`), so no
/// program that this process runs can ever have more than `keep`; with `no_new_privs` set-user-ID files don't work
/// for it and its children either.
///
/// # Errors
/// As capset(2) and prctl(2).
pub fn restrict(keep: &[Capability], no_new_privs: bool) -> io::Result<()> {
    drop_bounding(set_of(keep))?;
    limit(keep)?;
    if no_new_privs {
        set_no_new_privs(true)?;
    }
    Ok(())
}

/// Takes everything but `keep` out of the bounding set. Without the right to do so it does nothing: then there is
/// nothing to drop but what set-user-ID files could give, and `no_new_privs` is there for those.
///
/// Async-signal-safe: system calls alone.
pub(crate) fn drop_bounding(keep: CapabilitySet) -> rustix::io::Result<()> {
    if !capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for number in 0..=MAX_CAPABILITY {
        let bit = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(bit) {
            Ok(true) if !keep.contains(bit) => remove_capability_from_bounding_set(bit)?,
            Ok(_) => {}
            // The kernel knows no capability with that number, so none above it either.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sets permitted, effective, inheritable and ambient to exactly `keep`.
///
/// Async-signal-safe: system calls alone. Fails with EPERM if `keep` isn't a subset of the permitted set. Who has these
/// sets already doesn't call capset(2): the systemd units of those who start nothing forbid it.
pub(crate) fn limit_to(keep: CapabilitySet) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let wanted = CapabilitySets { effective: keep, permitted: keep, inheritable: keep };
    if capabilities(None)? != wanted {
        set_capabilities(None, wanted)?;
    }
    for number in 0..=MAX_CAPABILITY {
        let bit = CapabilitySet::from_bits_retain(1 << number);
        if keep.contains(bit) {
            configure_capability_in_ambient_set(bit, true)?;
        }
    }
    Ok(())
}
