use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<ProviderSettings, Failure> {
    let config = Config::parse(Path::new("loong.toml"), text.to_owned()).unwrap();
    read(&config, &|name| match name {
        "MY_KEY" => Some("sk-from-env".to_owned()),
        "BLANK" => Some("  ".to_owned()),
        _ => None,
    })
}

fn key_of(text: &str) -> Option<String> {
    parse(text)
        .unwrap()
        .api_key
        .map(|key| key.reveal().to_owned())
}

const LOCAL: &str = "[provider]\nkind = \"openai-compatible\"\nmodel = \"m\"\n";

#[test]
fn the_active_provider_is_taken_from_the_list() {
    let settings = parse(
        "active_provider = \"b\"\n[providers.a]\nkind = \"openai\"\n[providers.b]\nkind = \"anthropic\"\n\
         model = \"claude\"\napi_key = \"k\"\ntemperature = 1\nmax_tokens = 300\nstream = false\nprofile = \"other\"",
    )
    .unwrap();
    assert_eq!(settings.config_path, "providers.b");
    assert_eq!(settings.kind, AdapterKind::Anthropic);
    assert_eq!(
        (settings.temperature, settings.max_tokens),
        (Some(1.0), Some(300))
    );
    assert!(!settings.stream);
}

#[test]
fn a_key_is_a_text_or_the_name_of_a_variable() {
    let with = |key: &str| format!("[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = {key}");
    assert_eq!(key_of(&with("\"sk-plain\"")).as_deref(), Some("sk-plain"));
    assert_eq!(
        key_of(&with("\"${MY_KEY}\"")).as_deref(),
        Some("sk-from-env")
    );
    assert_eq!(
        key_of(&with("{ env = \"MY_KEY\" }")).as_deref(),
        Some("sk-from-env")
    );
}

#[test]
fn a_key_is_never_shown() {
    let settings =
        parse("[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = \"sk-plain\"").unwrap();
    assert!(!format!("{settings:?}").contains("sk-plain"));
    for secret in ["sk-plain", "sk_live_4f9aB2c81d7e", "4f9ab2c81d7e"] {
        let pasted = parse(&format!(
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = {{ env = \"{secret}\" }}"
        ))
        .unwrap_err();
        assert!(!format!("{pasted:?}").contains(secret));
    }
}

#[test]
fn a_local_server_needs_no_key_and_may_speak_plain_http() {
    for address in [
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000/v1/",
        "http://[::1]:8000/v1/chat/completions",
    ] {
        let settings = parse(&format!("{LOCAL}base_url = \"{address}\"")).unwrap();
        assert!(
            settings.base_url.unwrap().as_str().ends_with(":8000/v1/"),
            "{address}"
        );
        assert_eq!(settings.api_key, None);
    }
}

#[test]
fn ollama_needs_nothing_but_a_model() {
    let settings = parse(
        "[provider]\nkind = \"ollama\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:11434/v1\"",
    )
    .unwrap();
    assert_eq!(
        settings.base_url.unwrap().as_str(),
        "http://127.0.0.1:11434/"
    );
}

#[test]
fn every_wrong_key_is_named() {
    let cases = [
        ("[provider]\nmodel = \"m\"", "provider.kind"),
        (
            "[provider]\nkind = \"abacus\"\nmodel = \"m\"",
            "provider.kind",
        ),
        ("[provider]\nkind = \"openai\"", "provider.model"),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"",
            "provider.api_key",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = \"${UNSET}\"",
            "provider.api_key",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = \"${BLANK}\"",
            "provider.api_key",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = { file = \"x\" }",
            "provider.api_key",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = \"two words\"",
            "provider.api_key",
        ),
        (LOCAL, "provider.base_url"),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://models.example/v1\"",
            "provider.base_url",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"https://ana:x@models.example\"",
            "provider.base_url",
        ),
        (
            "[provider]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"nonsense\"",
            "provider.base_url",
        ),
        (
            "[provider]\nkind = \"ollama\"\nmodel = \"m\"\ntemperature = 3",
            "provider.temperature",
        ),
        (
            "[provider]\nkind = \"ollama\"\nmodel = \"m\"\nmax_tokens = 0",
            "provider.max_tokens",
        ),
        (
            "[provider]\nkind = \"ollama\"\nmodel = \"m\"\nstream = \"yes\"",
            "provider.stream",
        ),
        ("provider = 1", "provider"),
        (
            "active_provider = \"b\"\n[providers.a]\nkind = \"openai\"",
            "active_provider",
        ),
        (
            "[providers.a]\nkind = \"openai\"\n[providers.b]\nkind = \"openai\"",
            "active_provider",
        ),
        (
            "active_provider = \"a\"\n[providers.a]\nkind = \"openai\"",
            "providers.a.model",
        ),
    ];
    for (text, key) in cases {
        let failure = parse(text).unwrap_err();
        assert!(
            failure
                .message
                .starts_with(&format!("{key} in loong.toml ")),
            "{text}: {failure}"
        );
    }
}

#[test]
fn without_any_provider_the_error_says_what_to_add() {
    let failure = parse("").unwrap_err();
    assert_eq!(failure.code, "no_provider");
    assert!(failure.hint.unwrap().contains("[provider]"));
}
