//! What the product gives a guest. The numbers stand in docs/writing-a-channel.md too, and a test
//! holds both together.

use std::time::Duration;

use crate::component::engine::{Deadlines, Limits};

/// A channel's work is parsing a few kilobytes of JSON, so all of this is far more than one needs and
/// far less than would hurt.
pub const LIMITS: Limits = Limits {
    component: 16 << 20,
    memory: 64 << 20,
    table_elements: 20_000,
    tables: 16,
    instances: 32,
    stack: 512 << 10,
    handles: 1_000,
    fuel: 5_000_000_000,
    host_calls: 2_000,
    bytes: 16 << 20,
    deadlines: Deadlines {
        validate_config: Duration::from_secs(5),
        send: Duration::from_secs(75),
        receive_margin: Duration::from_secs(15),
    },
    concurrent_calls: 16,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_limits_in_the_docs_is_what_a_guest_gets() {
        let docs = include_str!("../../../docs/writing-a-channel.md");
        let rows: Vec<(&str, &str)> = docs
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
            .filter_map(|(limit, rest)| Some((limit, rest.split_once(" | ")?.0)))
            .collect();
        let says = |limit: &str| {
            let found = rows.iter().find(|(name, _)| name.starts_with(limit));
            found.unwrap_or_else(|| panic!("no row of {limit}")).1
        };
        let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let component = usize::try_from(LIMITS.component).unwrap();
        let bytes = mib(LIMITS.bytes);
        let table: [(&str, String); 13] = [
            ("component file", mib(component)),
            ("memory of an instance", mib(LIMITS.memory)),
            ("elements of a table", LIMITS.table_elements.to_string()),
            (
                "tables;",
                format!("{}; {}", LIMITS.tables, LIMITS.instances),
            ),
            ("stack", format!("{} KiB", LIMITS.stack >> 10)),
            ("handles", LIMITS.handles.to_string()),
            ("fuel", LIMITS.fuel.to_string()),
            ("calls of imports", LIMITS.host_calls.to_string()),
            ("bytes handed", format!("{bytes}; {bytes}")),
            (
                "time for `validate",
                seconds(LIMITS.deadlines.validate_config),
            ),
            ("time for `send`", seconds(LIMITS.deadlines.send)),
            (
                "time for `receive`",
                seconds(LIMITS.deadlines.receive_margin),
            ),
            ("calls of one channel", LIMITS.concurrent_calls.to_string()),
        ];
        for (limit, value) in table {
            assert_eq!(says(limit).replace(',', ""), value, "{limit}");
        }
    }
}
