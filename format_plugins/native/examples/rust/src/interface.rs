//! The native interface, in safe Rust for what a plugin's author writes: implement `Plugin` and `Format`.
//!
//! No panic leaves any of this: the host's process would end. See `format_plugin.h` for the law that is kept here.

pub mod fault;
pub mod raw;
mod streams;

use std::ffi::{c_char, c_int, CStr, CString};
use std::io::BufRead;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::Arc;

use arrow::array::RecordBatchReader;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};

pub use fault::{Fault, Status};
use raw::{fill, RawBytes, RawError, RawFormat, RawHost, RawPlugin, ABI_MAJOR, ABI_VERSION};
use streams::{outgoing_bytes, Incoming, Outgoing, Source};

/// The pieces of a document that is written, made when they are asked for.
pub type Chunks = Box<dyn Iterator<Item = Result<Vec<u8>, Fault>> + Send>;
/// Record batches of one schema, made when they are asked for.
pub type Batches = Box<dyn RecordBatchReader + Send>;

/// Who a plugin is.
pub trait Plugin {
    /// The manifest: JSON.
    const MANIFEST: &'static CStr;

    /// Make the codec of one stream. `options` is a JSON object with a value for each option of the manifest.
    fn create_format(host: Host, options: &str) -> Result<Box<dyn Format>, Fault>;
}

/// The codec of one stream. A format that is only read, or only written, refuses the other.
pub trait Format: Send + Sync {
    /// Decode a document as it arrives; to `schema` when there is one.
    fn read(&self, schema: Option<SchemaRef>, source: Box<dyn BufRead + Send>) -> Result<Batches, Fault>;

    /// Encode a document, lazily.
    fn write(&self, batches: Batches) -> Result<Chunks, Fault>;
}

/// What the host offers; valid as long as the format that it was given to.
#[derive(Clone, Copy)]
pub struct Host(*const RawHost);

unsafe impl Send for Host {}
unsafe impl Sync for Host {}

/// The levels of `Host::log`.
#[derive(Clone, Copy)]
pub enum Level {
    Debug = 10,
    Info = 20,
    Warning = 30,
    Error = 40,
}

impl Host {
    /// A host that logs nowhere and never cancels: for tests.
    pub const fn none() -> Self {
        Host(std::ptr::null())
    }

    /// Put one line into the host's log.
    pub fn log(&self, level: Level, message: &str) {
        if let (Some(host), Ok(text)) = (unsafe { self.0.as_ref() }, CString::new(message)) {
            unsafe { (host.log)(host, level as c_int, text.as_ptr()) };
        }
    }

    /// Fail when nobody wants the result any more.
    pub fn check_cancelled(&self) -> Result<(), Fault> {
        match unsafe { self.0.as_ref() } {
            Some(host) if unsafe { (host.cancelled)(host) } != 0 => {
                Err(Fault::new(Status::Cancelled, "it was cancelled"))
            }
            _ => Ok(()),
        }
    }
}

/// Run what may fail or panic, and tell the host of either.
unsafe fn guarded(error: *mut RawError, work: impl FnOnce() -> Result<(), Fault>) -> c_int {
    let fault = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return 0,
        Ok(Err(fault)) => fault,
        Err(payload) => Fault::panicked(payload.as_ref()),
    };
    (*error).store(&fault)
}

/// Fill the host's struct for a plugin: what `format_plugin_init` does.
///
/// # Safety
/// The pointers are those of a host that keeps the law of the header.
pub unsafe fn init<P: Plugin>(host: *const RawHost, plugin: *mut RawPlugin, error: *mut RawError) -> c_int {
    guarded(error, || {
        let offered = (*host).abi_version;
        if offered >> 16 != ABI_MAJOR {
            let has = offered >> 16;
            let message =
                format!("it was built for version {ABI_MAJOR} of the native interface, and the host has {has}");
            return Err(Fault::new(Status::WrongAbi, message));
        }
        let mine = RawPlugin {
            struct_size: size_of::<RawPlugin>() as u32,
            abi_version: offered.min(ABI_VERSION),
            private_data: null_mut(),
            metadata_json: Some(metadata_json::<P>),
            create_format: Some(create_format::<P>),
            release: None,
        };
        fill(plugin, mine);
        Ok(())
    })
}

unsafe extern "C" fn metadata_json<P: Plugin>(_: *mut RawPlugin) -> *const c_char {
    P::MANIFEST.as_ptr()
}

unsafe extern "C" fn create_format<P: Plugin>(
    _: *mut RawPlugin,
    host: *const RawHost,
    options: *const c_char,
    out: *mut RawFormat,
    error: *mut RawError,
) -> c_int {
    guarded(error, || {
        let options = CStr::from_ptr(options).to_str().map_err(|error| Fault::bad_option("", error.to_string()))?;
        let format = P::create_format(Host(host), options)?;
        let mine = RawFormat {
            struct_size: size_of::<RawFormat>() as u32,
            reserved: 0,
            private_data: Box::into_raw(Box::new(format)).cast(),
            open_reader: Some(open_reader),
            open_writer: Some(open_writer),
            release: Some(release_format),
        };
        fill(out, mine);
        Ok(())
    })
}

unsafe fn format_of<'a>(this: *mut RawFormat) -> &'a dyn Format {
    (*(*this).private_data.cast::<Box<dyn Format>>()).as_ref()
}

unsafe extern "C" fn open_reader(
    this: *mut RawFormat,
    schema: *const FFI_ArrowSchema,
    source: *mut RawBytes,
    out: *mut FFI_ArrowArrayStream,
    error: *mut RawError,
) -> c_int {
    let source = Source::moved(source);
    guarded(error, || {
        let schema = schema.as_ref().map(Schema::try_from).transpose()?.map(Arc::new);
        let reader = format_of(this).read(schema, Box::new(source))?;
        out.write(FFI_ArrowArrayStream::new(Box::new(Outgoing::new(reader, error))));
        Ok(())
    })
}

unsafe extern "C" fn open_writer(
    this: *mut RawFormat,
    batches: *mut FFI_ArrowArrayStream,
    out: *mut RawBytes,
    error: *mut RawError,
) -> c_int {
    guarded(error, || {
        let marked = |error: arrow::error::ArrowError| Fault::new(Status::Source, error.to_string());
        let batches = RecordBatchStreamReader::from_raw(batches).map_err(marked)?;
        let chunks = format_of(this).write(Box::new(Incoming(batches)))?;
        fill(out, outgoing_bytes(chunks, error));
        Ok(())
    })
}

unsafe extern "C" fn release_format(this: *mut RawFormat) {
    let format = Box::from_raw((*this).private_data.cast::<Box<dyn Format>>());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(format)));
    (*this).release = None;
}
