//! What a change to a text does to its lines, for whoever has to say yes to it. Lines that stay are
//! not shown: they may hold what is nobody's business.

/// The lines that go, with `- `, and those that come, with `+ `, in the order of the text.
pub(super) fn changes(before: &str, after: &str) -> Vec<String> {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let kept = kept(&old, &new);
    let mut shown = Vec::new();
    let (mut from, mut to) = (0, 0);
    for (old_at, new_at) in kept.into_iter().chain([(old.len(), new.len())]) {
        let gone = old.get(from..old_at).unwrap_or_default();
        let come = new.get(to..new_at).unwrap_or_default();
        shown.extend(gone.iter().map(|line| format!("- {line}")));
        shown.extend(come.iter().map(|line| format!("+ {line}")));
        (from, to) = (old_at + 1, new_at + 1);
    }
    shown
}

/// The places of lines that stay, as many as can be: the longest common subsequence.
fn kept(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    // lengths[i][j]: the longest for what follows old line i and new line j.
    let mut lengths = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    let at = |lengths: &[Vec<usize>], i: usize, j: usize| {
        lengths
            .get(i)
            .and_then(|row| row.get(j))
            .copied()
            .unwrap_or(0)
    };
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            let longest = if left == right {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = longest;
            }
        }
    }
    let mut kept = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(left), Some(right)) = (old.get(i), new.get(j)) {
        if left == right {
            kept.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let before = "a = 1\nsecret = 2\n[b]\nc = 3\n";
        let after = "a = 9\nsecret = 2\n[b]\nc = 3\nd = 4\n\n[e]\n";
        assert_eq!(
            changes(before, after),
            ["- a = 1", "+ a = 9", "+ d = 4", "+ ", "+ [e]"]
        );
        assert!(changes(before, before).is_empty());
        assert_eq!(changes("", "a\n"), ["+ a"]);
        assert_eq!(changes("a\n", ""), ["- a"]);
    }
}
