//! "Did you mean": the nearest of the words that would be right.

/// Longer words are not compared: nobody mistypes the name of a known word that badly.
const MAX_COMPARED: usize = 64;
/// One mistake in so many letters still counts as near.
const LETTERS_PER_MISTAKE: usize = 3;

/// The candidate with the fewest mistakes, of several the first in the alphabet: some callers keep theirs in no order.
/// `None` if none is near.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > MAX_COMPARED {
        return None;
    }
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let limit = (word.len() / LETTERS_PER_MISTAKE).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_COMPARED)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(mistakes, _)| *mistakes <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace, or swap with their neighbour (optimal string alignment); case is
/// no mistake.
fn distance(word: &[char], candidate: &str) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    let mut previous = None;
    for (row, c) in candidate.to_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, w) in word.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(*w != c);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let left = column.checked_sub(1);
            if let Some(left) = left.filter(|left| previous == Some(*w) && word.get(*left) == Some(&c)) {
                best = best.min(at(&before_last, left) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(c);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_mistakes() {
        let count = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(count("state", "state"), 0);
        assert_eq!(count("satte", "state"), 1);
        assert_eq!(count("stat", "state"), 1);
        assert_eq!(count("sttate", "state"), 1);
        assert_eq!(count("", "state"), 5);
        assert_eq!(count("kitten", "sitting"), 3);
    }

    #[test]
    fn only_the_near_is_suggested() {
        let words = ["priority", "preempt", "state"];
        assert_eq!(nearest("prioirty", words), Some("priority"));
        assert_eq!(nearest("STATE", words), Some("state"));
        assert_eq!(nearest("interface", words), None);
        assert_eq!(nearest(&"x".repeat(1000), words), None);
    }
}
