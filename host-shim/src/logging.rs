//! What is logged, and in what form. A bare level is about loong's own parts; a library is logged
//! when it is named, and never so closely that it tells what it carries. Prints nothing by itself:
//! the lines go through [`crate::output`].

use std::fmt;
use std::str::FromStr;

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Global, LogFormat};
use crate::error::Failure;
use crate::output::{Output, WORDS};

/// The variables that are looked at when the command line says nothing, in this order. The second
/// one is shared with other programs, so it may hold what we do not understand.
const FILTER: &str = "LOONG_LOG";
const SHARED_FILTER: &str = "RUST_LOG";
const FORMAT: &str = "LOONG_LOG_FORMAT";
/// Our own part of the log.
const OWN: &str = "loong";
/// Below this a library tells headers and contents.
const CLOSEST_LOOK_AT_LIBRARIES: LevelFilter = LevelFilter::INFO;
/// Quotes requests and answers with its errors; ours tell what happened without them.
const UNHEARD: &str = "genai";

/// Which lines are logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    own: LevelFilter,
    named: Vec<(String, LevelFilter)>,
}

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("`{0}` is no level: there are off, error, warn, info, debug and trace")]
    NoLevel(String),
    #[error("`{0}` is no part of the program, such as loong::serve")]
    NoTarget(String),
    #[error(
        "`{0}` is a library: it is logged at info at most, because below that it tells headers and contents"
    )]
    TooClose(String),
    #[error("`{0}` is never logged, because it quotes what it carries")]
    Unheard(String),
}

/// What a command line and its variables ask for.
#[derive(Debug, PartialEq, Eq)]
pub struct Logging {
    filter: LogFilter,
    format: LogFormat,
    /// About a variable that was passed over.
    warning: Option<String>,
}

impl LogFilter {
    fn targets(&self) -> Targets {
        Targets::new()
            .with_default(self.own.min(LevelFilter::WARN))
            .with_target(OWN, self.own)
            .with_targets(self.named.iter().cloned())
            .with_target(UNHEARD, LevelFilter::OFF)
            // A command's words are no log, though they come as lines of it: no filter silences them.
            .with_target(WORDS, LevelFilter::INFO)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self {
            own: LevelFilter::INFO,
            named: Vec::new(),
        }
    }
}

impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(written: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for part in written.split(',').map(str::trim) {
            match part.split_once('=') {
                None => filter.own = level(part)?,
                Some((target, of_it)) => {
                    let of_it = level(of_it)?;
                    check(target, of_it)?;
                    filter.named.push((target.to_owned(), of_it));
                }
            }
        }
        Ok(filter)
    }
}

impl Logging {
    /// What `global` asks for, else the environment.
    ///
    /// # Errors
    /// A variable of ours holds something that is none of its values.
    pub fn of(global: &Global, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut warning = None;
        let filter = match (&global.log, set(FILTER), set(SHARED_FILTER)) {
            (Some(filter), _, _) => filter.clone(),
            (None, Some(written), _) => written.parse().map_err(|error| refused(FILTER, &error))?,
            (None, None, Some(written)) => written.parse().unwrap_or_else(|error| {
                warning = Some(format!("{SHARED_FILTER} is passed over: {error}"));
                LogFilter::default()
            }),
            (None, None, None) => LogFilter::default(),
        };
        let format = match (global.log_format, set(FORMAT)) {
            (Some(format), _) => format,
            (None, Some(written)) => clap::ValueEnum::from_str(written.trim(), true)
                .map_err(|_words| refused(FORMAT, &"there are text and json"))?,
            (None, None) => LogFormat::Text,
        };
        Ok(Self {
            filter,
            format,
            warning,
        })
    }

    /// Logs from here on, until the process ends; answers where a command prints its words.
    pub fn begin(self, output: &Output) -> Output {
        let output = match self.format {
            LogFormat::Text => output.clone(),
            LogFormat::Json => output.clone().in_json(),
        };
        self.lines(&output).init();
        if let Some(warning) = &self.warning {
            output.warn(warning);
        }
        output
    }

    fn lines(&self, output: &Output) -> Dispatch {
        let output = output.clone();
        let lines = layer()
            .with_ansi(false)
            .with_writer(move || output.log_writer());
        let log = tracing_subscriber::registry().with(self.filter.targets());
        match self.format {
            LogFormat::Text => log.with(lines).into(),
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).with_span_list(false);
                log.with(lines).into()
            }
        }
    }
}

fn level(written: &str) -> Result<LevelFilter, FilterError> {
    match written.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        other => Err(FilterError::NoLevel(other.to_owned())),
    }
}

fn check(target: &str, level: LevelFilter) -> Result<(), FilterError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if target.is_empty() || !target.chars().all(fits) {
        return Err(FilterError::NoTarget(target.to_owned()));
    }
    let part_of = |name: &str| target.split("::").next() == Some(name);
    if part_of(OWN) {
        Ok(())
    } else if part_of(UNHEARD) && level != LevelFilter::OFF {
        Err(FilterError::Unheard(target.to_owned()))
    } else if level > CLOSEST_LOOK_AT_LIBRARIES {
        Err(FilterError::TooClose(target.to_owned()))
    } else {
        Ok(())
    }
}

fn refused(variable: &str, why: &dyn fmt::Display) -> Failure {
    Failure::usage("log_variable_invalid", format!("cannot use {variable}"))
        .because(why)
        .hint(format!("correct {variable}, or unset it"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::output::tests::Kept;

    fn filter(written: &str) -> Targets {
        written.parse::<LogFilter>().unwrap().targets()
    }

    #[test]
    fn a_bare_level_is_about_our_own_parts_and_can_only_quieten_the_others() {
        let shown = filter("trace");
        assert!(shown.would_enable("loong::serve::answer", &Level::TRACE));
        assert!(shown.would_enable("hyper", &Level::WARN));
        assert!(!shown.would_enable("hyper", &Level::INFO));
        let shown = filter("error");
        assert!(!shown.would_enable("loong::serve", &Level::WARN));
        assert!(!shown.would_enable("hyper", &Level::WARN));
        assert!(!filter("off").would_enable("loong", &Level::ERROR));
    }

    #[test]
    fn parts_are_named_one_by_one_and_the_rest_stays_as_it_is() {
        let shown = filter("loong::bridge=debug, loong::guest=off,hyper_util=info");
        assert!(shown.would_enable("loong::bridge", &Level::DEBUG));
        assert!(!shown.would_enable("loong::guest", &Level::ERROR));
        assert!(shown.would_enable("hyper_util::client", &Level::INFO));
        assert!(shown.would_enable("loong::serve", &Level::INFO));
        assert!(!shown.would_enable("loong::serve", &Level::DEBUG));
    }

    #[test]
    fn a_library_never_tells_what_it_carries() {
        use FilterError::{NoLevel, NoTarget, TooClose, Unheard};
        type Rule = fn(String) -> FilterError;
        let table: [(&str, Rule, &str); 9] = [
            ("", NoLevel, ""),
            ("loud", NoLevel, "loud"),
            ("hyper", NoLevel, "hyper"),
            ("info,", NoLevel, ""),
            ("loong=", NoLevel, ""),
            ("=debug", NoTarget, ""),
            ("loong[span]=debug", NoTarget, "loong[span]"),
            ("hyper=debug", TooClose, "hyper"),
            ("genai::webc=error", Unheard, "genai::webc"),
        ];
        for (written, rule, what) in table {
            assert_eq!(
                written.parse::<LogFilter>(),
                Err(rule(what.to_owned())),
                "{written}"
            );
        }
        assert!("genai=off,loongish=info".parse::<LogFilter>().is_ok());
        assert!(!filter("trace").would_enable("genai::webc", &Level::ERROR));
    }

    #[test]
    fn no_filter_silences_the_words_of_a_command() {
        for written in ["off", "loong=off", "loong::output=off"] {
            assert!(
                filter(written).would_enable(WORDS, &Level::INFO),
                "{written}"
            );
        }
    }

    fn logged(format: LogFormat, work: impl FnOnce(&Output)) -> String {
        let words = Kept::default();
        let output = Output::to(Box::new(std::io::sink()), Box::new(words.clone()));
        let logging = Logging {
            filter: "off".parse().unwrap(),
            format,
            warning: None,
        };
        let output = match format {
            LogFormat::Text => output,
            LogFormat::Json => output.in_json(),
        };
        tracing::dispatcher::with_default(&logging.lines(&output), || work(&output));
        words.text()
    }

    #[test]
    fn in_json_the_words_of_a_command_are_lines_of_the_log_and_a_failure_keeps_its_code() {
        let failure = Failure::operator("no_bridge", "nobody answers").hint("start\nit");
        let lines = logged(LogFormat::Json, |output| {
            output.say("a\u{9b}b \u{202e}c");
            output.failure(&failure);
        });
        let read: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = read
            .iter()
            .map(|line| {
                (
                    line["level"].as_str().unwrap(),
                    line["message"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("INFO", "a b  c"),
                ("ERROR", "nobody answers"),
                ("INFO", "start\nit")
            ]
        );
        assert_eq!(
            (&read[1]["code"], &read[2]["hint"]),
            (&"no_bridge".into(), &true.into())
        );
        let words = logged(LogFormat::Text, |output| output.failure(&failure));
        assert_eq!(words, "error: nobody answers\nhint: start\nit\n");
    }

    #[test]
    fn what_a_line_quotes_neither_acts_nor_begins_a_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let words = Kept::default();
            let output = Output::to(Box::new(std::io::sink()), Box::new(words.clone()));
            let logging = Logging {
                filter: LogFilter::default(),
                format,
                warning: None,
            };
            tracing::dispatcher::with_default(&logging.lines(&output), || {
                let cursor = "c1\n{\"level\":\"forged\"}\u{1b}[2J\u{202e}";
                let _of = tracing::error_span!(target: "loong::serve", "message", cursor).entered();
                tracing::info!(target: "loong::serve", "told");
            });
            let text = words.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(text.contains("c1") && !text.contains(acts), "{text:?}");
        }
    }

    fn asked(global: &Global, variables: &[(&str, &str)]) -> Result<Logging, Failure> {
        Logging::of(global, |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_command_line_goes_before_our_variable_and_that_before_the_shared_one() {
        let variables = [
            ("RUST_LOG", "warn"),
            ("LOONG_LOG", "debug"),
            ("LOONG_LOG_FORMAT", "json"),
        ];
        let level = |logging: Logging| logging.filter.own;
        let flags = Global {
            log: Some("error".parse().unwrap()),
            log_format: Some(LogFormat::Text),
            ..Global::default()
        };
        let logging = asked(&flags, &variables).unwrap();
        assert_eq!(logging.format, LogFormat::Text);
        assert_eq!(level(logging), LevelFilter::ERROR);
        let logging = asked(&Global::default(), &variables).unwrap();
        assert_eq!(logging.format, LogFormat::Json);
        assert_eq!(level(logging), LevelFilter::DEBUG);
        let blank = [
            ("LOONG_LOG", " "),
            ("RUST_LOG", "warn"),
            ("LOONG_LOG_FORMAT", ""),
        ];
        let logging = asked(&Global::default(), &blank).unwrap();
        assert_eq!(logging.format, LogFormat::Text);
        assert_eq!(level(logging), LevelFilter::WARN);
        assert_eq!(
            level(asked(&Global::default(), &[]).unwrap()),
            LevelFilter::INFO
        );
    }

    #[test]
    fn our_variables_must_be_right_and_what_others_share_is_passed_over() {
        for (name, value) in [("LOONG_LOG", "loud"), ("LOONG_LOG_FORMAT", "xml")] {
            let failure = asked(&Global::default(), &[(name, value)]).unwrap_err();
            assert_eq!(failure.code, "log_variable_invalid");
            assert!(failure.to_string().contains(name), "{failure}");
        }
        let logging = asked(&Global::default(), &[("RUST_LOG", "hyper=trace")]).unwrap();
        assert!(logging.warning.unwrap().contains("RUST_LOG is passed over"));
        assert_eq!(logging.filter, LogFilter::default());
    }
}
