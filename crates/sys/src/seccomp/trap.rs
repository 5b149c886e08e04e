//! The last line of a process that did what it may not: which call it was.
//!
//! Runs in a signal handler: system calls and memory of its own alone, no allocation, no lock (signal-safety(7)). The handler
//! is gone once it is entered (`SA_RESETHAND`) and ends the process by the same signal, so that there is a core dump and a
//! status which says SIGSYS. Read sigaction(2) on `SYS_SECCOMP`.

use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;

use libc::{c_int, c_void, siginfo_t};

use super::Call;

/// What a line begins with.
static PREFIX: OnceLock<String> = OnceLock::new();
/// Room for the longest name, a number and the words around them.
const MAX_LINE: usize = 256;

/// Has SIGSYS tell what happened. The first prefix stays.
pub(super) fn tell(prefix: &str) -> io::Result<()> {
    PREFIX.get_or_init(|| prefix.to_owned());
    // SAFETY: a plain C structure for which all zeros is a value: no flags, an empty mask.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
    action.sa_sigaction = handler as libc::sighandler_t;
    // Not blocked in its own handler: it is raised there once more.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND | libc::SA_NODEFER;
    // SAFETY: `action` lives through the call and names a function of the type that SA_SIGINFO asks for.
    let result = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The start of a `siginfo_t` of SIGSYS (asm-generic/siginfo.h, `_sigsys`), which libc doesn't name.
#[repr(C)]
struct Trapped {
    signal: c_int,
    error: c_int,
    code: c_int,
    address: *mut c_void,
    call: c_int,
}

extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a live siginfo_t, which is longer than Trapped and laid out so for SIGSYS.
    let call = unsafe { (*info.cast::<Trapped>()).call };
    let mut line = Line { bytes: [0; MAX_LINE], length: 0 };
    line.add(PREFIX.get().map_or("", String::as_str));
    line.add("the system call ");
    match u32::try_from(call).ok().and_then(Call::of) {
        Some(call) => line.add(call.name()),
        None => line.add("without a name here"),
    }
    line.add(" (number ");
    line.add_number(call.unsigned_abs());
    line.add(") is none that this process needs: it ends by SIGSYS (docs/threat-model.md)\n");
    // SAFETY: the pointer and the length are those of one live slice. Nobody is left to hear of an error.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
    // SAFETY: no memory is involved; the disposition is the default again, so this doesn't return.
    unsafe { libc::raise(signal) };
}

/// Text without an allocation; what is too long is cut.
struct Line {
    bytes: [u8; MAX_LINE],
    length: usize,
}

impl Line {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.add_byte(byte);
        }
    }

    fn add_byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn add_number(&mut self, number: u32) {
        if number >= 10 {
            self.add_number(number / 10);
        }
        self.add_byte(b'0' + (number % 10).to_le_bytes()[0]);
    }
}
