//! The native interface as a host sees it: versions, and panics that stay inside.

use std::ffi::{c_char, c_int, CStr};
use std::io::BufRead;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowArray;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use my_plugin::interface::raw::{RawBytes, RawError, RawFormat, RawHost, RawPlugin, ABI_VERSION};
use my_plugin::interface::{init, Batches, Chunks, Fault, Format, Host, Plugin, Status};

unsafe extern "C" fn log(_: *const RawHost, _: c_int, _: *const c_char) {}

unsafe extern "C" fn cancelled(_: *const RawHost) -> c_int {
    0
}

unsafe extern "C" fn at_end(_: *mut RawBytes, _: *mut *const u8, length: *mut i64, _: *mut FFI_ArrowArray) -> c_int {
    *length = 0;
    0
}

fn host(abi_version: u32) -> RawHost {
    RawHost { struct_size: size_of::<RawHost>() as u32, abi_version, context: null_mut(), log, cancelled }
}

fn said(error: &RawError) -> String {
    CStr::from_bytes_until_nul(&error.message).unwrap().to_string_lossy().into_owned()
}

/// Panics wherever it can: at once, or when it is asked for a batch, and when it is dropped.
struct Panics {
    at_once: bool,
}

impl Plugin for Panics {
    const MANIFEST: &'static CStr = c"{}";

    fn create_format(_: Host, options: &str) -> Result<Box<dyn Format>, Fault> {
        Ok(Box::new(Panics { at_once: options == "at once" }))
    }
}

impl Format for Panics {
    fn read(&self, _: Option<SchemaRef>, _: Box<dyn BufRead + Send>) -> Result<Batches, Fault> {
        if self.at_once {
            panic!("in read");
        }
        Ok(Box::new(PanickingReader))
    }

    fn write(&self, _: Batches) -> Result<Chunks, Fault> {
        panic!("in write")
    }
}

struct PanickingReader;

impl Iterator for PanickingReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        panic!("in next")
    }
}

impl RecordBatchReader for PanickingReader {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }
}

impl Drop for PanickingReader {
    fn drop(&mut self) {
        panic!("in drop")
    }
}

/// Open a reader as a host does, and return its status with what became of it.
unsafe fn opened(options: &CStr, error: &mut RawError) -> (c_int, FFI_ArrowArrayStream) {
    let host = host(ABI_VERSION);
    let (mut plugin, mut format): (RawPlugin, RawFormat) = (zeroed(), zeroed());
    plugin.struct_size = size_of::<RawPlugin>() as u32;
    format.struct_size = size_of::<RawFormat>() as u32;
    assert_eq!(init::<Panics>(&host, &mut plugin, error), 0);
    assert_eq!((plugin.create_format.unwrap())(&mut plugin, &host, options.as_ptr(), &mut format, error), 0);
    let mut source: RawBytes = zeroed();
    source.next = Some(at_end);
    let mut stream = FFI_ArrowArrayStream::empty();
    let status = (format.open_reader.unwrap())(&mut format, null(), &mut source, &mut stream, error);
    (format.release.unwrap())(&mut format);
    (status, stream)
}

#[test]
fn a_panic_becomes_the_plugins_failure() {
    unsafe {
        let mut error: RawError = zeroed();
        let (status, _) = opened(c"at once", &mut error);
        assert_eq!((status, said(&error).as_str()), (Status::Failed as c_int, "it panicked: in read"));
    }
}

#[test]
fn a_panic_between_batches_and_one_at_the_release_stay_inside() {
    unsafe {
        let mut error: RawError = zeroed();
        let (status, stream) = opened(c"later", &mut error);
        assert_eq!(status, 0);
        let mut reader = RecordBatchStreamReader::try_new(stream).unwrap();
        assert!(reader.next().unwrap().is_err());
        assert_eq!((error.code, said(&error).as_str()), (Status::Failed as c_int, "it panicked: in next"));
        drop(reader);
    }
}

#[test]
fn another_major_version_is_refused_with_a_message() {
    unsafe {
        let (mut error, mut plugin): (RawError, RawPlugin) = (zeroed(), zeroed());
        let status = init::<Panics>(&host(2 << 16), &mut plugin, &mut error);
        assert_eq!(status, Status::WrongAbi as c_int);
        assert!(said(&error).contains("the host has 2"));
    }
}

#[test]
fn of_two_minor_versions_the_lower_one_holds_and_no_more_is_filled_than_there_is_room() {
    unsafe {
        let (mut error, mut plugin): (RawError, RawPlugin) = (zeroed(), zeroed());
        plugin.struct_size = 24; // up to metadata_json
        assert_eq!(init::<Panics>(&host(ABI_VERSION + 7), &mut plugin, &mut error), 0);
        assert_eq!((plugin.abi_version, plugin.struct_size), (ABI_VERSION, 24));
        assert!(plugin.metadata_json.is_some() && plugin.create_format.is_none());
    }
}
