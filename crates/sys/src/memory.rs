//! Giving memory back that was needed once.
//!
//! Reading a configuration takes several times the memory that it has when it is read, in small pieces that lie between others,
//! and the C library keeps what it was given. It must never be called where somebody waits: it looks at every free piece, and
//! takes a millisecond for some ten megabytes. Read `malloc_trim(3)` first.

/// Gives whole pages back to the kernel in which nothing is allocated. Memory that is locked stays, so a process that locks its
/// own does this before. Other C libraries than glibc do it by themselves.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it moves nothing that is allocated, and takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// Pages in memory (proc_pid_statm(5)).
    fn resident() -> u64 {
        let text = fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    #[cfg_attr(not(target_env = "gnu"), ignore = "there is nothing to give back")]
    fn what_lies_between_pieces_in_use_goes_back() {
        const PIECES: usize = 64 * 1024;
        let mut pieces: Vec<Option<Vec<u8>>> = (0..PIECES).map(|_| Some(vec![7; 1024])).collect();
        let before = resident();
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 64 != 0 {
                *piece = None;
            }
        }
        super::give_back();
        let after = resident();
        assert!(after + 8192 < before, "half of 64 MiB at least: {before} pages, then {after}");
        assert_eq!(pieces.iter().flatten().count(), PIECES / 64);
    }
}
