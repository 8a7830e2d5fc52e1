//! A format plugin as a shared library: `cargo build --release`, then copy `target/release/libmy_plugin.so` into the
//! server's plugin folder.
//!
//! `format.rs` is the format, `plugin.rs` and `manifest.json` say who it is. `interface` is the same for every plugin.

pub mod format;
pub mod interface;
pub mod plugin;

use interface::raw::{RawError, RawHost, RawPlugin};

/// The manifest once more, where the host reads it before it runs any code.
#[used]
#[link_section = ".format_plugin"]
static MANIFEST: [u8; include_bytes!("manifest.json").len()] = *include_bytes!("manifest.json");

/// The one export; see `format_plugin.h`.
///
/// # Safety
/// The pointers are those of a host that keeps the law of the header.
#[no_mangle]
pub unsafe extern "C" fn format_plugin_init(host: *const RawHost, plugin: *mut RawPlugin, error: *mut RawError) -> i32 {
    interface::init::<plugin::MyPlugin>(host, plugin, error)
}
