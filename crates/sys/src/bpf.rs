//! The words of the kernel's classic packet filter, as far as the sockets here need them.
//!
//! What a program lets through is decided beside the socket that it guards, never here. Read linux/bpf_common.h,
//! linux/filter.h and Documentation/networking/filter.rst of the kernel first.

use socket2::SockFilter;

// Instruction codes, linux/bpf_common.h.
/// X = 4 * the low nibble of the byte at k: the length of an IPv4 header.
pub(crate) const HEADER_LENGTH_TO_X: u16 = code(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH);
/// X = k.
pub(crate) const CONSTANT_TO_X: u16 = code(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM);
/// A = the byte at X + k.
pub(crate) const BYTE_FROM_X: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_IND);
/// A = the byte at k.
pub(crate) const BYTE: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
/// A = the four bytes at k, as a number in network order.
pub(crate) const WORD: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
/// A = A & k.
pub(crate) const AND: u16 = code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K);
/// Skips the first number of instructions if A = k, else the second.
pub(crate) const IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);

/// The pseudo-offset of "whom was it for" (`PACKET_HOST`, `PACKET_OTHERHOST`, `PACKET_OUTGOING` and so on, packet(7)).
pub(crate) const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();

/// Keeps the packet whole and ends.
pub(crate) const PASS: SockFilter = SockFilter::new(RETURN, 0, 0, u32::MAX);
/// Drops the packet and ends. So does a load beyond the packet's end.
pub(crate) const DROP: SockFilter = SockFilter::new(RETURN, 0, 0, 0);

/// Keeps k bytes of the packet.
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

#[expect(
    clippy::cast_possible_truncation,
    reason = "libc types them wider than sock_filter; all are below 256"
)]
const fn code(bits: u32) -> u16 {
    bits as u16
}
