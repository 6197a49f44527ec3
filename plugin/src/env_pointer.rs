//! Keys ending in `_env` hold the NAME of an environment variable. Recognises what people write
//! there instead, and guesses the name they meant without ever repeating a value.

/// Reads a name.
///
/// # Errors
/// It is none; the name that was probably meant, `default` when there is nothing to go by.
pub fn name(written: &str, default: &str) -> Result<String, String> {
    let written = written.trim();
    if is_name(written) && !looks_secret(written) {
        return Ok(written.to_owned());
    }
    let meant = unwrapped(written).filter(|meant| is_name(meant) && !looks_secret(meant));
    Err(meant.unwrap_or(default).to_owned())
}

/// The name inside `NAME=value`, `$NAME`, `${NAME}`, `$env:NAME` or `%NAME%`.
fn unwrapped(written: &str) -> Option<&str> {
    let assigned = match written.split_once('=') {
        // Padding of a pasted secret, not an assignment.
        Some((_, "" | "=")) => return None,
        Some((name, _value)) => name.strip_prefix("export ").unwrap_or(name).trim(),
        None => written,
    };
    if let Some(name) = assigned.strip_prefix('%') {
        return name.strip_suffix('%');
    }
    if let Some(braced) = assigned.strip_prefix("${") {
        return braced.strip_suffix('}');
    }
    let name = assigned
        .strip_prefix("$env:")
        .or_else(|| assigned.strip_prefix('$'));
    name.or_else(|| written.contains('=').then_some(assigned))
}

fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.len() <= 64
        && text.bytes().next().is_some_and(letter)
        && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

/// Names of variables are words; tokens mix small letters and digits at length.
fn looks_secret(text: &str) -> bool {
    text.len() >= 20
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_digit())
}
