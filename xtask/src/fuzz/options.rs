//! The command line of `cargo xtask fuzz`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// For each property.
    pub(super) cases: u32,
    /// The longest for each fuzz target.
    pub(super) seconds: u32,
    pub(super) seed: u64,
    /// A fuzz target, or a part or a property of the Rust parts; all of them when none is named.
    pub(super) only: Option<String>,
}

impl Options {
    pub(super) fn read(words: &[&str]) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut options = Self {
            cases: 20_000,
            seconds: 60,
            seed: now.as_secs(),
            only: None,
        };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("{option} wants a value"))?;
            let wrong = || format!("{option} wants a whole number above 0, and {value:?} is none");
            match *option {
                "--cases" => options.cases = positive(value).with_context(wrong)?,
                "--seconds" => options.seconds = positive(value).with_context(wrong)?,
                "--seed" => options.seed = value.parse().with_context(wrong)?,
                "--only" => options.only = Some((*value).to_owned()),
                _ => bail!("fuzz does not know {option:?}; `cargo xtask help` lists what it knows"),
            }
        }
        Ok(options)
    }

    /// Whether the name is that of a fuzz target; their names are no parts of the properties.
    pub(super) fn names_a_target(&self, target: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == target)
    }

    pub(super) fn names_a_property(&self) -> bool {
        let targets = super::libfuzzer::targets().unwrap_or_default();
        self.only
            .as_ref()
            .is_none_or(|only| !targets.contains(only))
    }
}

fn positive(value: &str) -> Option<u32> {
    value.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn what_is_asked_for_is_read_and_a_slip_is_refused() {
        let read = Options::read(&["--cases", "5", "--seed", "7", "--only", "target"]).unwrap();
        assert_eq!((read.cases, read.seconds, read.seed), (5, 60, 7));
        assert_eq!(read.only.as_deref(), Some("target"));
        for (words, why) in [
            (["--cases", "0"].as_slice(), "above 0"),
            (&["--seconds", "-1"], "above 0"),
            (&["--seed"], "wants a value"),
            (&["--case", "5"], "does not know"),
        ] {
            let error = Options::read(words).unwrap_err();
            assert!(error.to_string().contains(why), "{error:#}");
        }
    }

    #[test]
    fn a_fuzz_target_is_told_from_a_property() {
        let only = |name| Options::read(&["--only", name]).unwrap();
        assert!(only("manifest").names_a_target("manifest"));
        assert!(!only("target::a_name").names_a_target("manifest"));
        assert!(only("target::a_name").names_a_property());
        assert!(!only("bridge_answer").names_a_property());
        let all = Options::read(&[]).unwrap();
        assert!(all.names_a_property() && all.names_a_target("manifest"));
    }
}
