//! What flows in and out, as Rust has it: bytes as `BufRead` and iterators, record batches as `RecordBatchReader`.

use std::ffi::{c_char, c_int, CStr};
use std::io::{self, BufRead, Read};
use std::mem::ManuallyDrop;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowArray;

use super::fault::{Fault, Status};
use super::raw::{RawBytes, RawError};
use super::{guarded, Chunks};

/// The document that the host gives; released when it is dropped.
pub(super) struct Source {
    raw: RawBytes,
    chunk: *const u8,
    length: usize,
    position: usize,
}

// The host allows calls from any thread, one at a time.
unsafe impl Send for Source {}

impl Source {
    pub(super) unsafe fn moved(place: *mut RawBytes) -> Self {
        let raw = place.read();
        (*place).release = None;
        Source { raw, chunk: null(), length: 0, position: 0 }
    }

    fn pull(&mut self) -> io::Result<()> {
        let next = self.raw.next.ok_or_else(|| io::Error::other("the host gave no document"))?;
        let mut length = 0;
        // Without `keep`: the bytes stay until the next call, which `fill_buf` makes only when all were consumed.
        let status = unsafe { next(&mut self.raw, &mut self.chunk, &mut length, null_mut::<FFI_ArrowArray>()) };
        (self.length, self.position) = (usize::try_from(length).unwrap_or(0), 0);
        if status != 0 {
            self.length = 0;
            return Err(Fault::new(Status::Source, self.last_error()).into());
        }
        Ok(())
    }

    fn last_error(&mut self) -> String {
        let words = self.raw.get_last_error.map_or(null(), |function| unsafe { function(&mut self.raw) });
        if words.is_null() {
            return "the document could not be read".to_owned();
        }
        unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.length {
            self.pull()?;
        }
        if self.length == 0 {
            return Ok(&[]);
        }
        Ok(&unsafe { std::slice::from_raw_parts(self.chunk, self.length) }[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.length.min(self.position + amount);
    }
}

impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(release) = self.raw.release {
            unsafe { release(&mut self.raw) };
        }
    }
}

/// A reader on its way to the host: what it fails with goes into the host's error too, and no panic leaves it.
pub(super) struct Outgoing {
    inner: ManuallyDrop<Box<dyn RecordBatchReader + Send>>,
    schema: SchemaRef,
    error: *mut RawError,
}

// The host's error lives as long as the stream, and is used by one thread at a time.
unsafe impl Send for Outgoing {}

impl Outgoing {
    pub(super) fn new(inner: Box<dyn RecordBatchReader + Send>, error: *mut RawError) -> Self {
        let schema = inner.schema();
        Outgoing { inner: ManuallyDrop::new(inner), schema, error }
    }
}

impl Iterator for Outgoing {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = None;
        let inner = &mut self.inner;
        let status = unsafe {
            guarded(self.error, || {
                batch = inner.next().transpose()?;
                Ok(())
            })
        };
        if status != 0 {
            return Some(Err(ArrowError::InvalidArgumentError("see the error struct".to_owned())));
        }
        batch.map(Ok)
    }
}

impl RecordBatchReader for Outgoing {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let inner = &mut self.inner;
        let _ = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(inner) }));
    }
}

/// The host's record batches, whose failures are marked as the host's.
pub(super) struct Incoming<R>(pub(super) R);

impl<R: RecordBatchReader> Iterator for Incoming<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let marked = |error: ArrowError| Fault::new(Status::Source, error.to_string()).into();
        self.0.next().map(|batch| batch.map_err(marked))
    }
}

impl<R: RecordBatchReader> RecordBatchReader for Incoming<R> {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

/// The chunks of a document on their way to the host, each kept until the next one.
struct Writing {
    chunks: Chunks,
    chunk: Vec<u8>,
    error: *mut RawError,
}

/// Make the struct that the host pulls `chunks` through.
pub(super) fn outgoing_bytes(chunks: Chunks, error: *mut RawError) -> RawBytes {
    let writing = Box::new(Writing { chunks, chunk: Vec::new(), error });
    RawBytes {
        struct_size: size_of::<RawBytes>() as u32,
        reserved: 0,
        next: Some(next_chunk),
        get_last_error: Some(last_error),
        release: Some(release_chunks),
        private_data: Box::into_raw(writing).cast(),
    }
}

unsafe extern "C" fn next_chunk(
    this: *mut RawBytes,
    data: *mut *const u8,
    length: *mut i64,
    _: *mut FFI_ArrowArray,
) -> c_int {
    let writing = &mut *(*this).private_data.cast::<Writing>();
    guarded(writing.error, || {
        // No chunk means the end, so an empty one is passed over.
        writing.chunk =
            writing.chunks.find(|chunk| !matches!(chunk, Ok(bytes) if bytes.is_empty())).unwrap_or(Ok(Vec::new()))?;
        *data = writing.chunk.as_ptr();
        *length = writing.chunk.len() as i64;
        Ok(())
    })
}

unsafe extern "C" fn last_error(this: *mut RawBytes) -> *const c_char {
    let writing = &*(*this).private_data.cast::<Writing>();
    (&raw const (*writing.error).message).cast()
}

unsafe extern "C" fn release_chunks(this: *mut RawBytes) {
    let writing = Box::from_raw((*this).private_data.cast::<Writing>());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(writing)));
    (*this).release = None;
}
