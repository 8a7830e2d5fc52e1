//! Who the plugin is, and how its formats are made from their options.

use std::ffi::CStr;

use serde::Deserialize;

use crate::format::Logfmt;
use crate::interface::{Fault, Format, Host, Plugin};

/// The options, as `manifest.json` describes them.
#[derive(Clone, Debug, Deserialize)]
pub struct Options {
    pub columns: Option<Vec<String>>,
    pub unknown: Unknown,
    pub sample_bytes: usize,
    pub batch_rows: usize,
}

/// What becomes of a key that is no column.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    Refuse,
    Drop,
}

impl Default for Options {
    fn default() -> Self {
        Options { columns: None, unknown: Unknown::Refuse, sample_bytes: 1 << 20, batch_rows: 65_536 }
    }
}

pub struct MyPlugin;

impl Plugin for MyPlugin {
    const MANIFEST: &'static CStr =
        match CStr::from_bytes_with_nul(concat!(include_str!("manifest.json"), "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("the manifest holds a NUL"),
        };

    fn create_format(host: Host, options: &str) -> Result<Box<dyn Format>, Fault> {
        let options: Options =
            serde_json::from_str(options).map_err(|error| Fault::bad_option("", error.to_string()))?;
        if options.columns.as_ref().is_some_and(|names| names.is_empty()) {
            return Err(Fault::bad_option("columns", "columns must name a key, or be null"));
        }
        Ok(Box::new(Logfmt::new(host, options)))
    }
}
