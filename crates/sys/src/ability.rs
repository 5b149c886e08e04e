//! Whether this kernel can do something, told by having it done: in a network namespace that nobody else is in, and that ends
//! with the question. Nothing of this host's network is touched; what a kernel keeps as a module it may load, as it would when
//! it is asked in earnest.
//!
//! It must never guess: what couldn't be tried is [`Ability::Unknown`]. Read network_namespaces(7) first.

use std::io;
use std::thread;

use model::{LinkName, MacAddress};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::netlink::{Filter, KernelError, Route, Table};

/// The two ends of the cable that is made to be asked with, and what is made on the first.
const CABLE: (&str, &str) = ("base", "end");
const NAME: &str = "own";
/// Of VRID 1, as good as any.
const MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 1]);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It was done.
    Has,
    /// It can't be done; the kernel's words.
    Lacks(String),
    /// It couldn't be tried; why.
    Unknown(String),
}

impl Ability {
    /// `lacking`: the numbers by which a kernel says that it has no such thing.
    fn of(result: Result<(), KernelError>, lacking: &[i32]) -> Self {
        match result {
            Ok(()) => Self::Has,
            Err(error) if lacking.contains(&error.errno) => Self::Lacks(error.to_string()),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

/// Whether it can make the interface of a virtual MAC (`use_vmac`; macvlan). Needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`.
#[must_use]
pub fn virtual_mac() -> Ability {
    alone(|| match cable() {
        Ok((mut route, base, name)) => {
            Ability::of(route.create_virtual(base, &name, MAC, false), &[libc::EOPNOTSUPP])
        }
        Err(why) => Ability::Unknown(why),
    })
}

/// Something to make one on, and its name.
fn cable() -> Result<(Route, u32, LinkName), String> {
    let mut route = Route::open().map_err(|error| error.to_string())?;
    route.create_veth(CABLE.0, CABLE.1).map_err(|error| error.to_string())?;
    let base = route.link_index(CABLE.0).map_err(|error| error.to_string())?;
    Ok((route, base, LinkName::new(NAME).map_err(|error| error.to_string())?))
}

/// Whether it can shut addresses (`no_accept`; nf_tables with the owners of tables, Linux 5.12). Needs the same.
#[must_use]
pub fn filter(table: &Table) -> Ability {
    let lacking = [libc::EPROTONOSUPPORT, libc::EOPNOTSUPP, libc::EINVAL];
    alone(|| Ability::of(Filter::open(table).map(drop), &lacking))
}

/// Asks in a thread and a network namespace of its own: both end with the answer.
fn alone(ask: impl FnOnce() -> Ability + Send) -> Ability {
    let alone = || {
        // SAFETY: a new network namespace changes neither memory nor descriptors of this process.
        match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            Ok(()) => ask(),
            Err(error) => {
                Ability::Unknown(format!("a network namespace to try it in: {}", io::Error::from(error)))
            }
        }
    };
    thread::scope(|scope| scope.spawn(alone).join())
        .unwrap_or_else(|_| Ability::Unknown("the thread that tried it came to nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{drop_all_capabilities, ip, namespace};

    fn table() -> Table {
        Table { name: "handover".to_owned(), priority: -1, counters: false }
    }

    #[test]
    fn what_can_be_done_is_done_elsewhere() {
        if namespace().is_none() {
            eprintln!("skipped: this test needs root, to make a network namespace");
            return;
        }
        let before = ip(&["-o", "link"]);
        assert_eq!((virtual_mac(), filter(&table())), (Ability::Has, Ability::Has));
        assert_eq!(ip(&["-o", "link"]), before);
        // The caller's own is as it was.
        assert!(Filter::open(&table()).is_ok());
    }

    #[test]
    fn what_could_not_be_tried_is_unknown() {
        thread::spawn(|| {
            drop_all_capabilities();
            for ability in [virtual_mac(), filter(&table())] {
                assert!(
                    matches!(&ability, Ability::Unknown(why) if why.starts_with("a network namespace")),
                    "{ability:?}"
                );
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_kernel_without_it_is_told_from_one_that_is_busy() {
        let refused = |errno| KernelError { op: "make", target: "it".to_owned(), errno, kernel_words: None };
        let of = |errno| Ability::of(Err(refused(errno)), &[libc::EOPNOTSUPP]);
        assert!(
            matches!(of(libc::EOPNOTSUPP), Ability::Lacks(words) if words.contains("make it: EOPNOTSUPP"))
        );
        assert!(matches!(of(libc::EBUSY), Ability::Unknown(_)));
    }
}
