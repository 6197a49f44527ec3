//! A plugin's component: whether it is the file that the manifest means, and fits this host.

use super::check::{Checks, Id};
use crate::commands::opened::{Loader, unloadable};
use crate::component::channel::Channel;
use crate::component::contract::{PACKAGE, VERSION};
use crate::component::engine::LoadError;
use crate::discovery::roots::Plugin;

/// Loads it; none when it cannot be used.
pub(super) async fn examine(
    checks: &mut Checks,
    loader: &Loader,
    plugin: &Plugin,
) -> Option<Channel> {
    let loaded = loader.load(plugin).await;
    let file = plugin.component.display();
    match (&loaded, &plugin.manifest.component_sha256) {
        (Err(error @ LoadError::OtherDigest { .. }), _) => checks.fail(
            Id::ComponentDigest,
            format!("{file}: {error}"),
            "install the plugin again from where you trust it; nothing of this file was run",
        ),
        (Err(LoadError::Unreadable { .. }), _) => {}
        (_, Some(_)) => checks.ok(
            Id::ComponentDigest,
            "verified: it is the file whose SHA-256 the manifest names",
        ),
        (_, None) => checks.ok(
            Id::ComponentDigest,
            "unpinned: the manifest names no SHA-256, as in a source tree; a release pins it",
        ),
    }
    match loaded {
        Ok(channel) => {
            checks.ok(Id::Component, format!("{file} fits {PACKAGE}@{VERSION}"));
            Some(channel)
        }
        Err(LoadError::OtherDigest { .. }) => None,
        Err(error) => {
            checks.add(Id::Component, unloadable(plugin, &error));
            None
        }
    }
}
