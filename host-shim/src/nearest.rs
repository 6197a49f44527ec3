//! What an unknown name was probably meant to be. Only guesses; whether an unknown name is a fault
//! is the caller's.

/// The known name nearest to `written`: a third of its letters may be wrong, and three at most.
/// Small and capital letters, and `-` and `_`, are one.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let written = plain(written);
    let most = (written.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&written, &plain(name)), name))
        .filter(|(distance, _name)| *distance <= most)
        .min()
        .map(|(_distance, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_of_the_table() {
        let table: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/nearest.json")).unwrap();
        let names = table["known"].as_array().unwrap();
        let known: Vec<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
        for case in table["cases"].as_array().unwrap() {
            let near = nearest(case["written"].as_str().unwrap(), known.iter().copied());
            assert_eq!(json!(near), case["nearest"], "{case}");
        }
    }
}
