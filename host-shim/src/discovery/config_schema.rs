//! The schema that a plugin brings for its channel's table of the configuration: a file beside its
//! manifest, named by it. Read when somebody asks for it; a channel works without.

use std::io;

use serde_json::Value;

use super::roots::Plugin;
use crate::bounded_file::{self, ReadError};
use crate::error::Failure;

/// Far more than any table needs.
const LARGEST: u64 = 256 * 1024;
/// The one dialect that is understood.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("it cannot be read")]
    Unreadable(#[source] ReadError),
    #[error("it is not inside the plugin's folder")]
    Outside,
    #[error("it has more than {LARGEST} bytes")]
    TooLarge,
    #[error("it is no JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("it is no JSON object")]
    NotAnObject,
    #[error("its $schema is not {DIALECT}")]
    Dialect,
}

impl Plugin {
    /// The schema of the channel's table; none when the plugin brings none.
    ///
    /// # Errors
    /// It brings one that cannot be used.
    pub fn config_schema(&self) -> Result<Option<Value>, SchemaError> {
        let Some(path) = &self.manifest.config_schema else {
            return Ok(None);
        };
        let folder = self.directory.canonicalize();
        let unreadable = |error: io::Error| SchemaError::Unreadable(error.into());
        let folder = folder.map_err(unreadable)?;
        let path = folder.join(path).canonicalize();
        let path = path.map_err(unreadable)?;
        // The written path has no `..`, but a link may lead out.
        if !path.starts_with(folder) {
            return Err(SchemaError::Outside);
        }
        let bytes = bounded_file::read(&path, LARGEST).map_err(|error| match error {
            ReadError::TooLarge { .. } => SchemaError::TooLarge,
            ReadError::Io(_) | ReadError::NotAFile(_) | ReadError::NotText => {
                SchemaError::Unreadable(error)
            }
        })?;
        let schema: Value = serde_json::from_slice(&bytes).map_err(SchemaError::NotJson)?;
        let fields = schema.as_object().ok_or(SchemaError::NotAnObject)?;
        match fields.get("$schema") {
            Some(dialect) if dialect != DIALECT => Err(SchemaError::Dialect),
            Some(_) | None => Ok(Some(schema)),
        }
    }

    /// A schema of this plugin that cannot be used, as a failed command.
    pub fn schema_failure(&self, error: &SchemaError) -> Failure {
        let manifest = &self.manifest;
        Failure::operator(
            "channel_schema_unusable",
            format!(
                "the configuration schema of plugin {} {} cannot be used",
                manifest.plugin_id, manifest.version
            ),
        )
        .because(crate::error::chain(error))
        .hint("the plugin is damaged: install it again")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::manifest::tests::good;
    use super::super::manifest::{FILE_NAME, Manifest};
    use super::*;

    fn plugin(folder: &Path) -> Plugin {
        Plugin {
            manifest: Manifest::parse(&good().to_string()).unwrap(),
            manifest_path: folder.join(FILE_NAME),
            component: folder.join("pigeon-post.wasm"),
            directory: folder.to_path_buf(),
        }
    }

    #[test]
    fn each_schema_that_cannot_be_used_says_why() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("plugin");
        fs::create_dir(&folder).unwrap();
        let (plugin, file) = (plugin(&folder), folder.join("pigeon.schema.json"));
        let refused = || {
            let error = plugin.config_schema().unwrap_err();
            let failure = plugin.schema_failure(&error);
            assert_eq!(failure.code, "channel_schema_unusable");
            failure.to_string()
        };
        assert!(refused().contains("it cannot be read"));
        for (text, why) in [
            ("{".to_owned(), "it is no JSON"),
            ("[]".to_owned(), "it is no JSON object"),
            (
                r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#.to_owned(),
                "its $schema is not",
            ),
            (" ".repeat(300_000), "it has more than"),
        ] {
            fs::write(&file, text).unwrap();
            assert!(refused().contains(why), "{why}: {}", refused());
        }
        fs::remove_file(&file).unwrap();
        fs::write(place.path().join("outside.json"), "{}").unwrap();
        std::os::unix::fs::symlink(place.path().join("outside.json"), &file).unwrap();
        assert!(refused().contains("not inside the plugin's folder"));
    }

    #[test]
    fn a_plugin_may_bring_a_schema_or_none() {
        let place = tempfile::tempdir().unwrap();
        let mut plugin = plugin(place.path());
        fs::write(
            place.path().join("pigeon.schema.json"),
            "{\"type\": \"object\"}",
        )
        .unwrap();
        let schema = plugin.config_schema().unwrap().unwrap();
        assert_eq!(schema["type"], "object");
        plugin.manifest.config_schema = None;
        assert!(plugin.config_schema().unwrap().is_none());
    }
}
