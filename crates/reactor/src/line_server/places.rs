//! Who gives way when all places are taken and another client comes.
//!
//! It must never let one user or one process keep everybody else out: a program that leaks a connection with each poll is
//! common, and the daemon behind the connection that finds no place may be the one that runs the hooks. So whoever has most
//! gives way, as long as that makes the shares more equal (max-min fairness): users first, then processes of one user.
//! Who a peer is, the kernel says (`SO_PEERCRED`, unix(7)).

use std::collections::HashMap;
use std::hash::Hash;

use sys::unix::PeerCredentials;

/// The youngest connections of a user whose processes all have the same share: of these the oldest gives way, so that a question
/// that is answered within milliseconds is always answered, and who has been there for long stays.
const GUESTS: usize = 8;

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    pub(super) slot: usize,
    /// The smaller, the longer it has been there.
    pub(super) serial: u64,
    pub(super) peer: PeerCredentials,
}

/// The slot that `comer` gets of those who are there; `None` if that would make no share more equal.
pub(super) fn gives_way(residents: &[Resident], comer: PeerCredentials) -> Option<usize> {
    let of = |uid| residents.iter().filter(move |it| it.peer.uid == uid);
    let oldest_of = |uid, pid| of(uid).filter(|it| it.peer.pid == pid).min_by_key(|it| it.serial);
    let found = if let Some(user) = heavier(residents.iter().map(|it| it.peer.uid), comer.uid) {
        most(of(user).map(|it| it.peer.pid)).and_then(|(process, _)| oldest_of(user, process))
    } else if let Some(process) = heavier(of(comer.uid).map(|it| it.peer.pid), comer.pid) {
        oldest_of(comer.uid, process)
    } else if of(comer.uid).any(|it| it.peer.pid == comer.pid) {
        None
    } else {
        let mut youngest: Vec<_> = of(comer.uid).collect();
        youngest.sort_by_key(|it| std::cmp::Reverse(it.serial));
        youngest.into_iter().take(GUESTS).next_back()
    };
    found.map(|it| it.slot)
}

/// Whoever has most, if it would still have no less than `comer` after it gave `comer` one.
fn heavier<T: Eq + Hash + Copy + Ord>(owners: impl Iterator<Item = T> + Clone, comer: T) -> Option<T> {
    let own = owners.clone().filter(|it| *it == comer).count();
    most(owners).filter(|(owner, count)| *owner != comer && *count > own + 1).map(|(owner, _)| owner)
}

/// Whoever has most, and how many; of equals the greatest, so that it is always the same.
fn most<T: Eq + Hash + Copy + Ord>(owners: impl Iterator<Item = T>) -> Option<(T, usize)> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for owner in owners {
        *counts.entry(owner).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(owner, count)| (*count, *owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: usize = 64;

    fn peer(uid: u32, pid: u32) -> PeerCredentials {
        PeerCredentials { pid: Some(pid), uid, gid: uid }
    }

    /// As the server does it: whoever gives way is replaced. Gives who was there last.
    fn after(comers: impl IntoIterator<Item = PeerCredentials>) -> Vec<Resident> {
        let mut residents: Vec<Resident> = Vec::new();
        for (serial, peer) in (0..).zip(comers) {
            let slot = if residents.len() < PLACES {
                residents.len()
            } else {
                let Some(slot) = gives_way(&residents, peer) else { continue };
                residents.retain(|it| it.slot != slot);
                slot
            };
            residents.push(Resident { slot, serial, peer });
        }
        residents
    }

    fn count(residents: &[Resident], uid: u32) -> usize {
        residents.iter().filter(|it| it.peer.uid == uid).count()
    }

    #[test]
    fn a_process_that_leaks_connections_gives_way_to_everybody() {
        let leaks = || (0..100).map(|_| peer(0, 7));
        let there = after(leaks().chain([peer(0, 8), peer(1, 9)]).chain(leaks()));
        assert_eq!(there.iter().filter(|it| it.peer.pid == Some(8)).count(), 1);
        assert_eq!(count(&there, 1), 1);
        assert_eq!(there.len(), PLACES);
        assert!(there.iter().all(|it| it.serial > 1), "its oldest, which it has most probably forgotten");
    }

    /// Also if it has a process for each connection.
    #[test]
    fn a_user_who_takes_all_places_gives_way_to_other_users() {
        let many = |uid| (0..200).map(move |pid| peer(uid, 1000 * uid + pid));
        let there = after(many(5).chain([peer(0, 1), peer(0, 2)]).chain(many(5)).chain(many(6)));
        assert_eq!((count(&there, 0), count(&there, 5), count(&there, 6)), (2, 31, 31));
    }

    #[test]
    fn two_who_have_the_same_do_not_drive_each_other_out() {
        let there = after((0..300).map(|n| peer(n % 2, n % 2)));
        assert!(there.iter().all(|it| it.serial < 64), "the first ones");
        assert_eq!(count(&there, 0), 32);
    }

    /// Sixty-four programs of one user, each with its one connection: a question still finds a place.
    #[test]
    fn of_equals_the_guests_give_way_to_each_other_and_the_others_stay() {
        let there = after((0..500).map(|pid| peer(0, pid)));
        let mut serials: Vec<_> = there.iter().map(|it| it.serial).collect();
        serials.sort_unstable();
        let expected: Vec<u64> = (0..56).chain(492..500).collect();
        assert_eq!(serials, expected);
    }

    #[test]
    fn nobody_gives_way_to_who_would_have_as_much() {
        let there = after((0..64).map(|uid| peer(uid, uid)));
        assert_eq!(gives_way(&there, peer(99, 99)), None);
    }
}
