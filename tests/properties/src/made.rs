//! Inputs that libFuzzer makes. Its first bytes choose the shape of a case, as a seed; the others are the texts,
//! bytes and documents in it, so that a small change of theirs is a small change of the case, and it can learn.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proptest::strategy::{Just, NewTree, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Stands between two texts: no text has it, for UTF-8 does not.
const BETWEEN: u8 = 0xfe;
const SEED: usize = 4;

thread_local! {
    /// What is left of a case's texts; none while proptest draws.
    static TEXTS: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
    static INPUTS: RefCell<HashMap<TypeId, Rc<dyn Any>>> = RefCell::default();
}

/// A runner that makes one case from `bytes`.
pub(crate) fn runner(bytes: &[u8]) -> TestRunner {
    let (shape, texts) = bytes.split_at(bytes.len().min(SEED));
    TEXTS.set(Some(texts.to_vec()));
    let algorithm = RngAlgorithm::XorShift;
    TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(algorithm, &spread(shape)),
    )
}

/// The inputs of a property, made once: most of what they cost is the regular expressions in them.
pub(crate) fn once<S: 'static, M: Fn() -> S + 'static>(make: M) -> Rc<S> {
    let known = INPUTS.with_borrow(|inputs| inputs.get(&TypeId::of::<M>()).cloned());
    let inputs = known.unwrap_or_else(|| Rc::new(make()));
    INPUTS.with_borrow_mut(|all| all.insert(TypeId::of::<M>(), Rc::clone(&inputs)));
    inputs
        .downcast()
        .expect("each closure has a type of its own")
}

/// A few bytes as a seed in which every bit counts.
fn spread(bytes: &[u8]) -> [u8; 16] {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let first = (u64::from_le_bytes(word) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let second = (first ^ (first >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&first.to_le_bytes());
    seed[8..].copy_from_slice(&second.to_le_bytes());
    seed
}

/// Inputs of `drawn`, and in a case of libFuzzer's what `read` makes of its bytes as long as there are some.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Or<S: Strategy> {
    pub(crate) drawn: S,
    pub(crate) read: fn(Vec<u8>) -> S::Value,
}

impl<S: Strategy> Strategy for Or<S>
where
    S::Value: Clone + 'static,
    S::Tree: 'static,
{
    type Tree = Box<dyn ValueTree<Value = S::Value>>;
    type Value = S::Value;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        Ok(match next() {
            Some(bytes) => Box::new(Just((self.read)(bytes))),
            None => Box::new(self.drawn.new_tree(runner)?),
        })
    }
}

fn next() -> Option<Vec<u8>> {
    TEXTS.with_borrow_mut(|texts| {
        let left = texts.as_mut().filter(|left| !left.is_empty())?;
        let end = left.iter().position(|byte| *byte == BETWEEN);
        let mut first: Vec<u8> = left.drain(..end.map_or(left.len(), |at| at + 1)).collect();
        first.truncate(end.unwrap_or(first.len()));
        Some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{json, text};

    #[test]
    fn the_texts_of_a_case_are_those_that_were_made_for_it() {
        let mut runner = runner(b"seedone\xfe{\"a\":5}\xfe");
        let mut made = |inputs: &dyn Fn(&mut TestRunner) -> String| inputs(&mut runner);
        assert_eq!(
            made(&|runner| text().new_tree(runner).unwrap().current()),
            "one"
        );
        let document = made(&|runner| json(&["x"]).new_tree(runner).unwrap().current().to_string());
        assert_eq!(document, r#"{"a":5}"#);
        // There is nothing left: what follows is drawn.
        assert_eq!(next(), None);
        TEXTS.set(None);
    }
}
