//! Which addresses ipmgr says are in place, of what was ordered last.
//!
//! Only these are announced (V3-FSM-15): an address that the kernel refused isn't here, and a neighbour who is told otherwise
//! sends into the void. It must never hold more than the configuration has addresses, whatever is said.

use std::collections::{BTreeSet, HashMap};

use vrrp::{InstanceId, OrderNumber};

/// Of all instances.
#[derive(Debug, Default)]
pub(crate) struct InPlace {
    instances: HashMap<InstanceId, Answers>,
}

/// What was said about one order.
#[derive(Debug)]
struct Answers {
    order: OrderNumber,
    /// By their place among the instance's.
    places: BTreeSet<usize>,
    /// All was said; what comes now replaces it.
    complete: bool,
}

impl InPlace {
    /// An order goes out: what was said about the one before is over.
    pub(crate) fn begin(&mut self, instance: InstanceId, order: OrderNumber) {
        self.instances.insert(instance, Answers { order, places: BTreeSet::new(), complete: false });
    }

    /// These are in place. What is said about another order, or of places from `count` on, is nothing.
    pub(crate) fn add(&mut self, instance: InstanceId, order: OrderNumber, places: &[u32], count: usize) {
        let Some(answers) = self.instances.get_mut(&instance).filter(|it| it.order == order) else { return };
        if std::mem::take(&mut answers.complete) {
            answers.places.clear();
        }
        let places = places.iter().filter_map(|place| usize::try_from(*place).ok());
        answers.places.extend(places.filter(|place| *place < count));
    }

    /// That was all.
    pub(crate) fn complete(&mut self, instance: InstanceId, order: OrderNumber) {
        if let Some(answers) = self.instances.get_mut(&instance).filter(|it| it.order == order) {
            answers.complete = true;
        }
    }

    /// Whether that address is in place.
    pub(crate) fn has(&self, instance: InstanceId, place: usize) -> bool {
        self.instances.get(&instance).is_some_and(|it| it.places.contains(&place))
    }

    /// Another configuration runs: what is in place is so under its new number, or is nobody's any more.
    pub(crate) fn renumber(
        &mut self,
        is: impl Fn(InstanceId) -> Option<InstanceId>,
        place: impl Fn(InstanceId, usize) -> Option<usize>,
    ) {
        let instances = std::mem::take(&mut self.instances).into_iter();
        self.instances = instances
            .filter_map(|(was, answers)| {
                let places = answers.places.iter().filter_map(|old| place(was, *old)).collect();
                Some((is(was)?, Answers { places, ..answers }))
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId(0);
    const TWO: InstanceId = InstanceId(1);

    fn all(in_place: &InPlace, instance: InstanceId) -> Vec<usize> {
        (0..10).filter(|place| in_place.has(instance, *place)).collect()
    }

    #[test]
    fn only_what_was_said_about_the_last_order_counts() {
        let mut in_place = InPlace::default();
        in_place.add(ONE, OrderNumber(1), &[0], 3);
        assert_eq!(all(&in_place, ONE), [0; 0], "nothing was ordered");
        in_place.begin(ONE, OrderNumber(1));
        in_place.add(ONE, OrderNumber(1), &[0, 2, 3, u32::MAX], 3);
        in_place.add(ONE, OrderNumber(1), &[1], 3);
        assert_eq!((all(&in_place, ONE), all(&in_place, TWO)), (vec![0, 1, 2], vec![]));
        in_place.begin(ONE, OrderNumber(2));
        in_place.add(ONE, OrderNumber(1), &[0], 3);
        assert_eq!(all(&in_place, ONE), [0; 0], "late");
    }

    #[test]
    fn what_is_said_after_all_was_said_replaces_it() {
        let mut in_place = InPlace::default();
        in_place.begin(ONE, OrderNumber(1));
        in_place.add(ONE, OrderNumber(1), &[0, 1], 3);
        in_place.complete(ONE, OrderNumber(1));
        in_place.add(ONE, OrderNumber(1), &[1], 3);
        in_place.add(ONE, OrderNumber(1), &[2], 3);
        assert_eq!(all(&in_place, ONE), [1, 2]);
    }

    #[test]
    fn another_configuration_has_other_numbers() {
        let mut in_place = InPlace::default();
        in_place.begin(ONE, OrderNumber(1));
        in_place.add(ONE, OrderNumber(1), &[0, 1], 3);
        in_place.begin(TWO, OrderNumber(2));
        in_place.add(TWO, OrderNumber(2), &[0], 3);
        in_place.renumber(|it| (it == ONE).then_some(TWO), |_, place| (place == 1).then_some(5));
        assert_eq!((all(&in_place, ONE), all(&in_place, TWO)), (vec![], vec![5]));
        in_place.add(TWO, OrderNumber(1), &[6], 7);
        assert_eq!(all(&in_place, TWO), [5, 6], "its order is the same");
    }
}
