//! Finding channel plugins: the roots on disk, the manifests in them, and which one a name means.

pub mod manifest;
pub mod nearby;
pub mod roots;
pub mod selection;
