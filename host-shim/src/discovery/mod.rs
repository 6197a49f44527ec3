//! Finding channel plugins: the roots on disk, the manifests in them, and which one a name means.

pub mod config_schema;
pub mod manifest;
mod manifest_error;
pub mod nearby;
pub mod roots;
pub mod selection;
mod texts;
mod walk;
