//! One property: its name, how inputs for it are made, what must hold for each. Knows nothing of the
//! product.

use std::fmt::Debug;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use crate::made;

/// Something that holds for every input.
#[derive(Debug)]
pub struct Property {
    pub name: &'static str,
    /// It is tried with one of so many cases: 1, or more where a case touches the disk.
    pub cost: u32,
    #[doc(hidden)]
    pub tried: fn(Trial<'_>) -> Result<(), Broken>,
}

/// The smallest input found for which a property does not hold, and what was said about it.
#[derive(Debug)]
pub struct Broken {
    pub input: String,
    pub reason: String,
}

/// Where inputs come from.
#[doc(hidden)]
#[derive(Debug)]
pub enum Trial<'a> {
    Drawn(Box<TestRunner>),
    Made(&'a [u8]),
}

impl Property {
    /// Tries it with `cases` inputs, or with fewer where each costs more; answers how many.
    ///
    /// # Errors
    /// It does not hold.
    pub fn hold(&self, cases: u32, seed: Option<u64>) -> Result<u32, Broken> {
        let cases = (cases / self.cost).max(1);
        let config = Config {
            cases,
            failure_persistence: None,
            rng_seed: seed.map_or(RngSeed::Random, RngSeed::Fixed),
            ..Config::default()
        };
        (self.tried)(Trial::Drawn(Box::new(TestRunner::new(config))))?;
        Ok(cases)
    }

    /// Tries it with one input that is made from `bytes`.
    ///
    /// # Panics
    /// It does not hold.
    pub fn feed(&self, bytes: &[u8]) {
        (self.tried)(Trial::Made(bytes)).ok();
    }

    /// In the tests: as many cases as `PROPTEST_CASES` says, the same at each run. New ones are for
    /// `cargo xtask fuzz`: a test that fails by chance is laid to the wrong change.
    #[cfg(test)]
    pub(crate) fn hold_in_short(&self) {
        const CASES: u32 = 1_000;
        const SEED: u64 = 1;
        let told = std::env::var("PROPTEST_CASES").ok();
        let cases = told.map_or(CASES, |told| {
            told.parse().expect("PROPTEST_CASES is a number")
        });
        if let Err(broken) = self.hold(cases, Some(SEED)) {
            panic!("{}\nfor the input {}", broken.reason, broken.input);
        }
    }
}

impl Trial<'_> {
    #[doc(hidden)]
    pub fn of<S: Strategy + 'static>(
        self,
        inputs: impl Fn() -> S + 'static,
        holds: impl Fn(S::Value),
    ) -> Result<(), Broken>
    where
        S::Value: Debug,
    {
        match self {
            Self::Drawn(mut runner) => runner
                .run(&inputs(), |input| {
                    holds(input);
                    Ok(())
                })
                .map_err(|error| match error {
                    TestError::Fail(reason, input) => Broken {
                        input: format!("{input:#?}"),
                        reason: reason.to_string(),
                    },
                    TestError::Abort(reason) => Broken {
                        input: "none: it could not be drawn".to_owned(),
                        reason: reason.to_string(),
                    },
                }),
            Self::Made(bytes) => {
                let mut runner = made::runner(bytes);
                // Bytes of which no input can be made are nobody's fault.
                if let Ok(input) = made::once(inputs).new_tree(&mut runner) {
                    holds(input.current());
                }
                Ok(())
            }
        }
    }
}

/// Declares the properties of a part, and a test for each: `name(inputs, cost, |input| { what holds })`,
/// the cost only where it is more than 1.
macro_rules! properties {
    ($($name:ident($inputs:expr, $($cost:literal,)? |$input:pat_param| $body:block $(,)?)),+ $(,)?) => {
        pub(crate) const ALL: &[$crate::Property] = &[$($crate::Property {
            name: stringify!($name),
            cost: 1 $(* $cost)?,
            tried: |trial| trial.of(|| $inputs, |$input| $body),
        }),+];

        #[cfg(test)]
        mod tests {
            $(
                #[test]
                fn $name() {
                    let property = super::ALL.iter().find(|it| it.name == stringify!($name));
                    property.unwrap().hold_in_short();
                }
            )+
        }
    };
}
