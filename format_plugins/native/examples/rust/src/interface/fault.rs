//! What went wrong, whose fault it was, and where in the document.

use std::{any::Any, error, fmt, io};

use arrow::error::ArrowError;

/// `enum FormatPluginStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    BadData = 1,
    Unsupported = 2,
    BadOption = 3,
    Failed = 4,
    Source = 5,
    Cancelled = 6,
    NoMemory = 7,
    WrongAbi = 8,
}

/// A failure as the host is told of it. The message is a sentence for who sent the document.
#[derive(Clone, Debug)]
pub struct Fault {
    pub status: Status,
    pub message: String,
    pub offset: Option<i64>,
    pub row: Option<i64>,
    pub column: Box<str>,
    pub value: Box<str>,
    pub option: Box<str>,
}

impl Fault {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        let (column, value, option) = Default::default();
        Fault { status, message: message.into(), offset: None, row: None, column, value, option }
    }

    /// The document is wrong.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Fault::new(Status::BadData, message)
    }

    /// The format has no way to carry it.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Fault::new(Status::Unsupported, message)
    }

    /// An option cannot have its value.
    pub fn bad_option(option: &str, message: impl Into<String>) -> Self {
        Fault { option: option.into(), ..Fault::new(Status::BadOption, message) }
    }

    /// At which byte of the document, from 0, and in which record, from 1.
    pub fn at(self, offset: u64, row: u64) -> Self {
        Fault { offset: i64::try_from(offset).ok(), row: i64::try_from(row).ok(), ..self }
    }

    pub fn in_column(self, name: &str) -> Self {
        Fault { column: name.into(), ..self }
    }

    pub fn with_value(self, value: &str) -> Self {
        Fault { value: value.into(), ..self }
    }

    /// The option that cures it.
    pub fn cured_by(self, option: &str) -> Self {
        Fault { option: option.into(), ..self }
    }

    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let words = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let words = words.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Fault::new(Status::Failed, format!("it panicked: {words}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl error::Error for Fault {}

/// A fault travels through Arrow's readers, and through `std::io`, as it is.
impl From<Fault> for ArrowError {
    fn from(fault: Fault) -> Self {
        ArrowError::ExternalError(Box::new(fault))
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::other(fault)
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(other) => Fault::new(Status::Failed, other.to_string()),
            },
            ArrowError::MemoryError(message) => Fault::new(Status::NoMemory, message),
            ArrowError::NotYetImplemented(message) => Fault::unsupported(message),
            other => Fault::new(Status::Failed, other.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
            Some(fault) => fault.clone(),
            None => Fault::new(Status::Source, error.to_string()),
        }
    }
}
