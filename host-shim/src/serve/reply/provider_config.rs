//! `[provider]`, or `active_provider` with `[providers.<id>]`: which language model answers, where
//! it is, and with which key. Stock Loong keeps more in these tables; what is not listed here is
//! left alone.

use std::fmt;

use genai::adapter::AdapterKind;
use toml::Value;
use url::{Host, Url};

use super::table::Table;
use crate::config::Config;
use crate::error::Failure;

/// The keys of a provider that are read here.
pub const KEYS: [&str; 7] = [
    "kind",
    "model",
    "base_url",
    "api_key",
    "temperature",
    "max_tokens",
    "stream",
];

/// A language model and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSettings {
    /// Where it stands in the configuration: `provider` or `providers.<id>`.
    pub config_path: String,
    pub kind: AdapterKind,
    pub model: String,
    /// Ends in a slash; none: the provider's own.
    pub base_url: Option<Url>,
    pub api_key: Option<ApiKey>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    /// Whether to ask for a stream.
    pub stream: bool,
}

/// A secret; shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key itself, for the request alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// What one has to know to set up a provider of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// It has no address of its own.
    pub needs_address: bool,
    /// The variable that usually holds its key.
    pub key_variable: Option<&'static str>,
}

/// What a provider of this kind needs; none for a kind that is not known.
pub fn traits(name: &str) -> Option<Traits> {
    let (kind, needs_address) = kind(name.trim())?;
    Some(Traits {
        needs_address,
        // A server of one's own usually wants none.
        key_variable: kind.default_key_env_name().filter(|_| !needs_address),
    })
}

/// The kinds that have an address of their own, for a person to choose from.
pub fn kinds() -> String {
    let known: Vec<&str> = AdapterKind::all()
        .iter()
        .map(AdapterKind::as_lower_str)
        .collect();
    known.join(", ")
}

/// Whether the configuration names a provider at all.
pub fn is_configured(config: &Config) -> bool {
    ["provider", "active_provider", "providers"]
        .iter()
        .any(|key| config.section(key).is_some())
}

/// Reads the provider to use; `variable` looks up the environment.
///
/// # Errors
/// None is chosen, or a key does not fit: each names the key, none shows a key's value.
pub fn read(
    config: &Config,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<ProviderSettings, Failure> {
    let path = chosen(config)?;
    let value = match path.strip_prefix("providers.") {
        None => config.section("provider"),
        Some(id) => config.section("providers").and_then(|all| all.get(id)),
    };
    let table = Table::new(&config.path, &path, value)?;
    let name = table.text("kind")?.ok_or_else(|| {
        table
            .wrong("kind", "is missing")
            .hint("say who serves the model, such as \"openai\", \"openai-compatible\", \"anthropic\" or \"ollama\"")
    })?;
    let (kind, needs_url) = kind(&name).ok_or_else(|| {
        table
            .wrong(
                "kind",
                &format!("is `{name}`, which is no provider that loong knows"),
            )
            .hint(format!(
                "use \"openai-compatible\" with base_url, or one of: {}",
                kinds()
            ))
    })?;
    let model = table.text("model")?.ok_or_else(|| {
        table
            .wrong("model", "is missing")
            .hint("name the model as its provider does")
    })?;
    let api_key = api_key(table, variable)?;
    let base_url = base_url(table, kind)?;
    if needs_url && base_url.is_none() {
        return Err(table
            .wrong("base_url", &format!("is missing, and `{name}` has no address of its own"))
            .hint("write the address up to and including the version, such as http://127.0.0.1:8000/v1"));
    }
    let default_variable = kind.default_key_env_name();
    let api_key = api_key.or_else(|| {
        let found = default_variable.and_then(variable)?;
        Some(ApiKey(found.trim().to_owned())).filter(|key| !key.0.is_empty())
    });
    if api_key.is_none() && base_url.is_none() && default_variable.is_some() {
        return Err(table.wrong("api_key", "is missing").hint(format!(
            "write api_key = {{ env = \"{}\" }} and set that variable",
            default_variable.unwrap_or("NAME")
        )));
    }
    Ok(ProviderSettings {
        kind,
        model,
        base_url,
        api_key,
        temperature: table.fraction("temperature", 0.0..=2.0)?,
        max_tokens: table
            .number("max_tokens", 1..=10_000_000)?
            .and_then(|tokens| u32::try_from(tokens).ok()),
        stream: table.switch("stream")?.unwrap_or(true),
        config_path: path,
    })
}

fn chosen(config: &Config) -> Result<String, Failure> {
    let file = &config.path;
    let ids = Table::new(file, "providers", config.section("providers"))?.keys();
    let listed = if ids.is_empty() {
        "none".to_owned()
    } else {
        ids.join(", ")
    };
    let complain = |what: &str| {
        Failure::operator(
            "reply_config",
            format!("active_provider in {} {what}", file.display()),
        )
        .hint(format!("name one of [providers.<id>]; there are: {listed}"))
    };
    match config.section("active_provider") {
        Some(Value::String(id)) if id.trim().is_empty() => {}
        Some(Value::String(id)) if ids.contains(&id.trim()) => {
            return Ok(format!("providers.{}", id.trim()));
        }
        Some(Value::String(id)) => {
            return Err(complain(&format!("is `{id}`, which is not configured")));
        }
        Some(_) => return Err(complain("must be a text")),
        None => {}
    }
    if config.section("provider").is_some() {
        return Ok("provider".to_owned());
    }
    match ids.as_slice() {
        [] => Err(Failure::operator(
            "no_provider",
            format!(
                "the reply engine is `provider`, but {} sets up none",
                file.display()
            ),
        )
        .hint("add [provider] with kind, model and api_key")),
        [only] => Ok(format!("providers.{only}")),
        _ => Err(complain("is missing, and several providers are set up")),
    }
}

/// The adapter, and whether it has no address of its own.
fn kind(name: &str) -> Option<(AdapterKind, bool)> {
    let plain = name.to_ascii_lowercase().replace(['-', ' '], "_");
    match plain.as_str() {
        "openai_compatible" | "openai_compat" | "custom" => Some((AdapterKind::OpenAI, true)),
        "google" => Some((AdapterKind::Gemini, false)),
        "openrouter" => Some((AdapterKind::OpenRouter, false)),
        "claude" => Some((AdapterKind::Anthropic, false)),
        other => AdapterKind::from_lower_str(other).map(|kind| (kind, false)),
    }
}

fn api_key(
    table: Table<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<ApiKey>, Failure> {
    let named = match table.value("api_key") {
        None => return Ok(None),
        Some(Value::String(text)) => {
            let text = text.trim();
            match text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'))
            {
                Some(name) => name.trim(),
                None if text.is_empty() => return Ok(None),
                None if text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                    return Err(table.wrong(
                        "api_key",
                        "holds blanks or control characters, which no key has",
                    ));
                }
                None => return Ok(Some(ApiKey(text.to_owned()))),
            }
        }
        Some(Value::Table(inner)) => match inner.get("env") {
            Some(Value::String(name)) => name.trim(),
            _ => {
                return Err(table
                    .wrong("api_key", "is a table without `env`")
                    .hint("write api_key = { env = \"NAME\" }"));
            }
        },
        Some(_) => return Err(table.wrong("api_key", "must be a text or { env = \"NAME\" }")),
    };
    if !is_variable_name(named) {
        // Not shown: somebody may have pasted the key itself.
        return Err(table
            .wrong(
                "api_key",
                "does not hold the name of an environment variable",
            )
            .hint("write the name alone, such as api_key = { env = \"OPENAI_API_KEY\" }"));
    }
    match variable(named).map(|value| value.trim().to_owned()) {
        Some(value) if !value.is_empty() => Ok(Some(ApiKey(value))),
        _ => Err(table
            .wrong(
                "api_key",
                &format!("names the environment variable {named}, which is not set"),
            )
            .hint(format!("set {named} where loong is started"))),
    }
}

/// Whether it can be shown as the name of a variable: keys of letters and digits alone exist too,
/// but names of variables are words, and mix no small letters with digits at length.
fn is_variable_name(text: &str) -> bool {
    let looks_secret = text.len() >= 20
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_digit());
    !looks_secret
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn base_url(table: Table<'_>, kind: AdapterKind) -> Result<Option<Url>, Failure> {
    let Some(text) = table.text("base_url")? else {
        return Ok(None);
    };
    let mut url = Url::parse(&text)
        .map_err(|error| table.wrong("base_url", &format!("is no web address ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(table
            .wrong("base_url", "holds a user name or password")
            .hint("put the key into api_key"));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(table
            .wrong(
                "base_url",
                "must start with https:// (http:// is for this machine only)",
            )
            .hint("messages and the key would cross the network for everybody to read"));
    }
    // Written the way other programs want it, an address may say more than the base.
    let mut path = url.path().trim_end_matches('/').to_owned();
    if let Some(base) = path.strip_suffix("/chat/completions") {
        path = base.to_owned();
    }
    if kind == AdapterKind::Ollama {
        // Ollama is spoken to in its own protocol, not through its OpenAI door.
        if let Some(base) = path.strip_suffix("/v1") {
            path = base.to_owned();
        }
    }
    url.set_path(&format!("{path}/"));
    Ok(Some(url))
}

#[cfg(test)]
#[path = "provider_config_tests.rs"]
mod tests;
