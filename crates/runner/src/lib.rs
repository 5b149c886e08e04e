//! Runs the administrator's scripts, for checkerd and notifierd alike: as whom, with what, for how long.
//!
//! What it must never do: decide what is run (that is in the configuration) or what its end means (that is the
//! daemon's), block, or let a script see anything of the daemon but what is listed below.
//! Read execve(2), capabilities(7) and pipe(7) first.
//!
//! | | |
//! |---|---|
//! | [`Runner`] | looks up the user and the program, and starts a [`Run`] |
//! | `access` | whether that user could run it, before anybody tries |
//! | `account` | which user a script runs as |
//! | `trust` | finds the program, and whether root may run it |
//! | `ladder` | the time-out: SIGTERM, then SIGKILL |
//! | `strays` | what a script started outside of its group, and a time-out ends as well |
//! | [`Run`] | one running script: its end, its output, its descriptors |
//! | [`quoted`] | what it wrote, in a line of the log |
//! | [`Crew`] | all running scripts, and the event loop |
//! | [`Roster`] | who runs, in a file, for whoever comes after a daemon that was killed |
//! | [`Keeper`] | a process that empties the pipes of what scripts left running, also after us |
//!
//! A script gets: a process group of its own, `/` as its directory, nothing on standard input unless the daemon has
//! something to say, one pipe for standard output and standard error, no other descriptor, none of the daemon's
//! capabilities, and these variables: `PATH` (the daemon's own, else [`PATH`]), `HOME`, `USER`, `LOGNAME`, `SHELL`
//! (`/bin/sh`), `LANG` (`C.UTF-8`), and the `HANDOVER_...` ones that the daemon adds.

mod access;
mod account;
mod crew;
mod interpreter;
mod keeper;
mod ladder;
mod quote;
mod refusal;
mod roster;
mod run;
mod runner;
mod strays;
mod trust;

pub use account::TRADITIONAL_USER;
pub use crew::{Crew, HELD_AFTER, MAX_LEFTOVERS};
pub use keeper::Keeper;
pub use ladder::KILL_AFTER;
pub use quote::quoted;
pub use refusal::Refusal;
pub use roster::Roster;
pub use run::{Drained, End, Finished, Leftover, MAX_OUTPUT, Run};
pub use runner::{Job, MAX_INPUT, PATH, Runner};
