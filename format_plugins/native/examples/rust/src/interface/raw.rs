//! The structs of `format_plugin.h`, field by field.

use std::ffi::{c_char, c_int, c_void};
use std::mem::size_of;

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;

use super::fault::Fault;

pub const ABI_MAJOR: u32 = 1;
pub const ABI_VERSION: u32 = ABI_MAJOR << 16;

#[repr(C)]
pub struct RawError {
    pub struct_size: u32,
    pub code: i32,
    pub offset: i64,
    pub row: i64,
    pub column: [u8; 128],
    pub value: [u8; 64],
    pub option: [u8; 64],
    pub message: [u8; 1024],
}

#[repr(C)]
pub struct RawHost {
    pub struct_size: u32,
    pub abi_version: u32,
    pub context: *mut c_void,
    pub log: unsafe extern "C" fn(*const RawHost, c_int, *const c_char),
    pub cancelled: unsafe extern "C" fn(*const RawHost) -> c_int,
}

pub type NextBytes = unsafe extern "C" fn(*mut RawBytes, *mut *const u8, *mut i64, *mut FFI_ArrowArray) -> c_int;

#[repr(C)]
pub struct RawBytes {
    pub struct_size: u32,
    pub reserved: u32,
    pub next: Option<NextBytes>,
    pub get_last_error: Option<unsafe extern "C" fn(*mut RawBytes) -> *const c_char>,
    pub release: Option<unsafe extern "C" fn(*mut RawBytes)>,
    pub private_data: *mut c_void,
}

pub type OpenReader = unsafe extern "C" fn(
    *mut RawFormat,
    *const FFI_ArrowSchema,
    *mut RawBytes,
    *mut FFI_ArrowArrayStream,
    *mut RawError,
) -> c_int;
pub type OpenWriter =
    unsafe extern "C" fn(*mut RawFormat, *mut FFI_ArrowArrayStream, *mut RawBytes, *mut RawError) -> c_int;

#[repr(C)]
pub struct RawFormat {
    pub struct_size: u32,
    pub reserved: u32,
    pub private_data: *mut c_void,
    pub open_reader: Option<OpenReader>,
    pub open_writer: Option<OpenWriter>,
    pub release: Option<unsafe extern "C" fn(*mut RawFormat)>,
}

pub type CreateFormat =
    unsafe extern "C" fn(*mut RawPlugin, *const RawHost, *const c_char, *mut RawFormat, *mut RawError) -> c_int;

#[repr(C)]
pub struct RawPlugin {
    pub struct_size: u32,
    pub abi_version: u32,
    pub private_data: *mut c_void,
    pub metadata_json: Option<unsafe extern "C" fn(*mut RawPlugin) -> *const c_char>,
    pub create_format: Option<CreateFormat>,
    pub release: Option<unsafe extern "C" fn(*mut RawPlugin)>,
}

/// Move `mine` into the struct that the host wants filled, no further than there is room, and say how far it went.
///
/// # Safety
/// `out` begins with the number of bytes that may be written to it, and so does `T`.
pub unsafe fn fill<T>(out: *mut T, mine: T) {
    let room = out.cast::<u32>().read();
    let size = room.min(size_of::<T>() as u32);
    std::ptr::copy_nonoverlapping((&raw const mine).cast::<u8>(), out.cast::<u8>(), size as usize);
    out.cast::<u32>().write(size);
    std::mem::forget(mine);
}

impl RawError {
    /// Tell the host, and return the status that the function returns.
    pub fn store(&mut self, fault: &Fault) -> c_int {
        self.code = fault.status as i32;
        self.offset = fault.offset.unwrap_or(-1);
        self.row = fault.row.unwrap_or(-1);
        put(&mut self.column, &fault.column);
        put(&mut self.value, &fault.value);
        put(&mut self.option, &fault.option);
        put(&mut self.message, &fault.message);
        self.code
    }
}

/// Copy a text, cut where it would not fit, or would hold a NUL.
fn put(array: &mut [u8], text: &str) {
    let end = text.bytes().take(array.len() - 1).take_while(|byte| *byte != 0).count();
    array[..end].copy_from_slice(&text.as_bytes()[..end]);
    array[end..].fill(0);
}
