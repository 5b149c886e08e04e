//! From a list of needs to a program of the kernel's classic packet filter, which sees the number and the arguments of a call.
//!
//! It must never allow more than it is told. It sees registers, not what they point to: a path or an address can't be judged
//! here. Read seccomp(2) on `struct seccomp_data`, and linux/bpf_common.h.

use std::io;
use std::mem::offset_of;

use libc::{seccomp_data, sock_filter};

use super::{Call, Unlisted};

/// What a program needs system calls for, and which ones.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What would not work without them.
    pub why: &'static str,
    /// The calls. Those that come often stand first: kernels before 5.11 read the list from its beginning.
    pub calls: &'static [Rule],
}

/// What becomes of a call. Several rules for one call are alternatives, and stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Allowed with any arguments.
    Always(Call),
    /// Allowed when all of these hold.
    With(Call, &'static [Argument]),
    /// Refused with this error number, without a harm to anybody: libraries try it and do without. The last of its call.
    Refused(Call, i32),
}

impl Rule {
    /// The call that it is about.
    #[must_use]
    pub const fn call(self) -> Call {
        match self {
            Self::Always(call) | Self::With(call, _) | Self::Refused(call, _) => call,
        }
    }
}

/// A condition on an argument; the first is number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It is this C `int`.
    Is(u8, u32),
    /// It is any other C `int` than this.
    IsNot(u8, u32),
    /// Of this C `int` the bits of the mask (second) are these (third).
    Masked(u8, u32, u32),
    /// It is a null pointer.
    Null(u8),
    /// It is the number of this very process.
    OwnProcess(u8),
}

impl Argument {
    /// What has to be so of which words.
    fn words(self) -> Vec<Word> {
        let whole = |offset, value| Word { offset, mask: u32::MAX, value, equal: true };
        match self {
            Self::Is(argument, value) => vec![whole(low(argument), value)],
            Self::IsNot(argument, value) => vec![Word { equal: false, ..whole(low(argument), value) }],
            Self::Masked(argument, mask, value) => vec![Word { mask, ..whole(low(argument), value) }],
            Self::Null(argument) => vec![whole(low(argument), 0), whole(high(argument), 0)],
            Self::OwnProcess(argument) => vec![whole(low(argument), std::process::id())],
        }
    }
}

/// Four bytes of `struct seccomp_data`, and what their masked bits have to be, or not to be.
struct Word {
    offset: u32,
    mask: u32,
    value: u32,
    equal: bool,
}

/// What `struct seccomp_data` says of the processor (linux/audit.h, `AUDIT_ARCH_*`): numbers mean nothing without.
const PROCESSOR: Option<u32> = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
    Some(0xC000_003E)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_00B7)
} else {
    None
};
/// From this number on a call of x86-64 means the "x32" one, which nothing here uses.
const FIRST_X32: u32 = 0x4000_0000;
/// The newest call that was looked at when the lists were written (mseal, Linux 6.10); they count alike on all processors.
const NEWEST: u32 = 462;

/// A = the word at k.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
/// A = A & k.
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
/// Skips the first number of instructions if A = k, else the second.
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
/// The same for A > k, both without a sign.
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
/// The same for A >= k.
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
/// Ends with k.
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The program for a list. The lists of one call (in whichever need they stand) are put together.
pub(super) fn compile(needs: &[&[Need]], unlisted: Unlisted) -> io::Result<Vec<sock_filter>> {
    let processor = PROCESSOR.ok_or(io::ErrorKind::Unsupported)?;
    let unlisted = match unlisted {
        Unlisted::Ends => libc::SECCOMP_RET_TRAP,
        Unlisted::IsLogged => libc::SECCOMP_RET_LOG,
    };
    let rules: Vec<Rule> = needs.iter().copied().flatten().flat_map(|need| need.calls).copied().collect();
    let mut program = vec![
        instruction(LOAD, offset(offset_of!(seccomp_data, arch))),
        // Another processor's call: its numbers would be read as ours. Nothing to be told, and nobody innocent.
        branch(IF_EQUAL, processor, 1, 0),
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, offset(offset_of!(seccomp_data, nr))),
    ];
    let mut done: Vec<u32> = Vec::new();
    for number in rules.iter().filter_map(|rule| rule.call().number()) {
        if done.contains(&number) {
            continue;
        }
        done.push(number);
        let block = block(rules.iter().filter(|rule| rule.call().number() == Some(number)), unlisted);
        let length = block.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        program.push(branch(IF_EQUAL, number, 0, length));
        program.extend(block);
    }
    program.extend([
        branch(IF_AT_LEAST, FIRST_X32, 1, 0),
        branch(IF_GREATER, NEWEST, 1, 0),
        instruction(RETURN, unlisted),
        instruction(RETURN, refusal(libc::ENOSYS)),
    ]);
    Ok(program)
}

/// What is done with one call. It ends in a return, whatever the arguments.
fn block<'a>(rules: impl Iterator<Item = &'a Rule>, unlisted: u32) -> Vec<sock_filter> {
    let mut block = Vec::new();
    for rule in rules {
        match rule {
            Rule::Always(_) => {
                block.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW));
                return block;
            }
            Rule::Refused(_, error) => {
                block.push(instruction(RETURN, refusal(*error)));
                return block;
            }
            Rule::With(_, arguments) => block.extend(alternative(arguments)),
        }
    }
    block.push(instruction(RETURN, unlisted));
    block
}

/// Allows if all of these hold, else goes on behind itself.
fn alternative(arguments: &[Argument]) -> Vec<sock_filter> {
    let words: Vec<Word> = arguments.iter().flat_map(|it| it.words()).collect();
    // What is skipped where one doesn't hold: three instructions for each that follows, and the return. There are few.
    let mut left = u8::try_from(words.len() * 3 + 1).unwrap_or(u8::MAX);
    let mut code = Vec::new();
    for word in words {
        left = left.saturating_sub(3);
        let (same, other) = if word.equal { (0, left) } else { (left, 0) };
        code.extend([
            instruction(LOAD, word.offset),
            instruction(AND, word.mask),
            branch(IF_EQUAL, word.value, same, other),
        ]);
    }
    code.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW));
    code
}

fn refusal(error: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | (error.unsigned_abs() & libc::SECCOMP_RET_DATA)
}

/// Where the word is that the kernel reads for a C `int`.
fn low(argument: u8) -> u32 {
    word(argument, usize::from(cfg!(target_endian = "big")))
}

fn high(argument: u8) -> u32 {
    word(argument, usize::from(cfg!(target_endian = "little")))
}

fn word(argument: u8, which: usize) -> u32 {
    offset(
        offset_of!(seccomp_data, args) + usize::from(argument) * size_of::<u64>() + which * size_of::<u32>(),
    )
}

#[expect(clippy::cast_possible_truncation, reason = "offsets in a structure of 64 bytes")]
const fn offset(bytes: usize) -> u32 {
    bytes as u32
}

fn instruction(code: u32, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "libc types codes wider than sock_filter; all are below 256"
)]
const fn branch(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
