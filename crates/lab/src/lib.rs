//! Network namespaces as hosts: what tests and `handover lab` rehearse on.
//!
//! A [`Lab`] starts an agent in new network, mount and pid namespaces (and a user namespace for an ordinary user).
//! The agent makes bridges and, for each [`Host`], a process with namespaces of its own, where programs run as on a
//! machine that has the network, `/run`, `/tmp` and process table to itself. Neither iproute2 nor util-linux is
//! needed, nothing is named, and nothing of the machine is touched: its files are read-only in the lab, and whatever
//! a host writes elsewhere than to its own `/run`, `/tmp` and `/dev/shm` covers the machine's directory for that host.
//!
//! The agent ends when the owner's pipe closes, also if the owner was killed, and the kernel ends all the rest.
//!
//! ```no_run
//! # fn main() -> Result<(), handover_lab::Error> {
//! let lab = handover_lab::Lab::start("target/debug/handover".as_ref())?;
//! let a = lab.add_host("a", &["192.168.1.11/24"])?;
//! assert_eq!(a.run(["hostname"])?.stdout, "a\n");
//! # Ok(())
//! # }
//! ```

pub mod agent;
mod conversation;
mod ear;
mod error;
mod frame;
mod host;
mod owner;
mod process;
mod protocol;

pub use agent::PROGRAMS;
pub use ear::{Ear, Heard};
pub use error::Error;
pub use host::Host;
pub use owner::{Capture, Lab};
pub use process::{Output, Proc};
pub use protocol::{Exit, File, Frame, HostAddress, Line, Link, Packet, Spec, Stream};
pub use sys::process::Signal;
