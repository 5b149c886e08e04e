//! How many packets the kernel dropped because nobody read the socket in time.
//!
//! Asked for when somebody wants to know, so that it costs a packet nothing. Read socket(7) on `SO_RXQ_OVFL`, which tells the
//! same number beside each packet, and `sk_get_meminfo` in net/core/sock.c.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The numbers that `SO_MEMINFO` gives (`SK_MEMINFO_VARS`, linux/sock_diag.h), and which of them counts drops.
const NUMBERS: usize = 9;
const DROPS: usize = 8;

/// Packets that found the receive queue full, since the socket was made; wraps at 2^32. A packet that a filter drops is none
/// of them.
///
/// # Errors
/// ENOPROTOOPT before Linux 4.12; whatever getsockopt(2) says if it is no socket at all.
pub(crate) fn dropped(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut numbers = [0_u32; NUMBERS];
    #[expect(clippy::cast_possible_truncation, reason = "a few dozen bytes")]
    let mut length = mem::size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of one live array of integers.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(numbers[DROPS]) } else { Err(io::Error::last_os_error()) }
}
