//! The format itself: logfmt, a line for each record, with `key=value` pairs in it.
//!
//! The grammar is that of <https://pkg.go.dev/github.com/kr/logfmt>: a key is made of any bytes above the space but `=` and `"`;
//! a value is made of the same, or is a text in quotes with JSON's escapes; a key alone means true.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Cursor, Read};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, RecordBatch, RecordBatchOptions, RecordBatchReader, StringArray, StringBuilder,
};
use arrow::compute::{cast_with_options, CastOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::interface::{Batches, Chunks, Fault, Format, Host};
use crate::plugin::{Options, Unknown};

/// A batch ends here, whatever its rows; so does a line that would never end.
const BATCH_BYTES: usize = 8 << 20;
const LINE_BYTES: usize = 16 << 20;

/// The codec of one stream.
pub struct Logfmt {
    host: Host,
    options: Options,
}

impl Logfmt {
    pub fn new(host: Host, options: Options) -> Self {
        Logfmt { host, options }
    }

    /// Find the keys that the beginning of a document has; what was read of it is put back.
    fn sampled(&self, mut source: Box<dyn BufRead + Send>) -> Result<(Vec<String>, Box<dyn BufRead + Send>), Fault> {
        let mut sample = Vec::new();
        source.by_ref().take(self.options.sample_bytes as u64).read_to_end(&mut sample)?;
        source.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut sample)?; // the last line is looked at whole
        let mut names: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        let (mut lines, mut offset, mut row) = (Cursor::new(&sample), 0, 1);
        while let Some(line) = Line::read(&mut lines, offset, row)? {
            offset += line.length;
            row += 1;
            line.pairs(|key, _| {
                if known.insert(key.to_owned()) {
                    names.push(key.to_owned());
                }
                Ok(())
            })?;
        }
        Ok((names, Box::new(Cursor::new(sample).chain(source))))
    }
}

impl Format for Logfmt {
    fn read(&self, schema: Option<SchemaRef>, source: Box<dyn BufRead + Send>) -> Result<Batches, Fault> {
        let (schema, source) = match (schema, &self.options.columns) {
            (Some(schema), _) => (schema, source),
            (None, Some(names)) => (text_schema(names), source),
            (None, None) => {
                let (names, source) = self.sampled(source)?;
                (text_schema(&names), source)
            }
        };
        let index = schema.fields().iter().enumerate().map(|(index, field)| (field.name().clone(), index)).collect();
        let drops = self.options.unknown == Unknown::Drop || self.options.columns.is_some();
        Ok(Box::new(Reader {
            host: self.host,
            source,
            schema,
            index,
            drops,
            rows: self.options.batch_rows,
            row: 0,
            offset: 0,
        }))
    }

    fn write(&self, batches: Batches) -> Result<Chunks, Fault> {
        let schema = batches.schema();
        for (index, field) in schema.fields().iter().enumerate() {
            check_column(field)?;
            if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
                let message = format!("there are two columns {:?}, and a line has each key once", field.name());
                return Err(Fault::unsupported(message).in_column(field.name()));
            }
        }
        let host = self.host;
        Ok(Box::new(batches.map(move |batch| {
            host.check_cancelled()?;
            encode(&batch?)
        })))
    }
}

fn text_schema(names: &[String]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

/// One line of a document, without its end.
struct Line {
    text: String,
    offset: u64,
    row: u64,
    length: u64,
}

impl Line {
    fn read(source: &mut dyn BufRead, offset: u64, row: u64) -> Result<Option<Line>, Fault> {
        let mut bytes = Vec::new();
        let length = source.take(LINE_BYTES as u64).read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        } else if length == LINE_BYTES {
            return Err(Fault::bad_data(format!("a line is longer than {LINE_BYTES} bytes")).at(offset, row));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let place = offset + error.utf8_error().valid_up_to() as u64;
            Fault::bad_data("a line is not UTF-8").at(place, row)
        })?;
        Ok(Some(Line { text, offset, row, length: length as u64 }))
    }

    /// Call `found` with each key and its value, in order.
    fn pairs(&self, mut found: impl FnMut(&str, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut rest = self.text.trim_start_matches(is_space);
        while !rest.is_empty() {
            let key = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
            if key.is_empty() {
                return Err(self.wrong(rest, "a key expected"));
            }
            rest = &rest[key.len()..];
            let value = match rest.strip_prefix('=') {
                None => "true".into(), // a key alone
                Some(after) => {
                    rest = after;
                    self.value(&mut rest)?
                }
            };
            if !rest.is_empty() && !rest.starts_with(is_space) {
                return Err(self.wrong(rest, "a space expected"));
            }
            found(key, &value)?;
            rest = rest.trim_start_matches(is_space);
        }
        Ok(())
    }

    fn value<'a>(&self, rest: &mut &'a str) -> Result<std::borrow::Cow<'a, str>, Fault> {
        let text = *rest;
        if !text.starts_with('"') {
            let end = text.find(ends_word).unwrap_or(text.len());
            *rest = &text[end..];
            return Ok(text[..end].into());
        }
        let mut escaped = false;
        let end = text.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(|| self.wrong(text, "the end of a quoted value expected"))? + 2;
        *rest = &text[end..];
        if !text[..end].contains('\\') {
            return Ok(text[1..end - 1].into());
        }
        let unescaped: Result<String, _> = serde_json::from_str(&text[..end]);
        unescaped.map(Into::into).map_err(|error| self.wrong(text, &format!("a quoted value is not valid: {error}")))
    }

    fn wrong(&self, rest: &str, wanted: &str) -> Fault {
        let place = self.offset + (self.text.len() - rest.len()) as u64;
        Fault::bad_data(format!("row {}: {wanted}", self.row)).at(place, self.row).with_value(rest)
    }
}

fn is_space(character: char) -> bool {
    character <= ' '
}

fn ends_word(character: char) -> bool {
    character <= ' ' || character == '=' || character == '"'
}

struct Reader {
    host: Host,
    source: Box<dyn BufRead + Send>,
    schema: SchemaRef,
    index: HashMap<String, usize>,
    drops: bool,
    rows: usize,
    row: u64,
    offset: u64,
}

impl Reader {
    fn batch(&mut self) -> Result<Option<RecordBatch>, Fault> {
        self.host.check_cancelled()?;
        let mut columns: Vec<StringBuilder> = (0..self.schema.fields().len()).map(|_| StringBuilder::new()).collect();
        let (mut rows, mut bytes, first) = (0, 0, self.row);
        while rows < self.rows && bytes < BATCH_BYTES {
            let Some(line) = Line::read(&mut self.source, self.offset, self.row + 1)? else { break };
            line.pairs(|key, value| self.put(&mut columns, rows, key, value, &line))?;
            rows += 1;
            bytes += line.text.len();
            for column in columns.iter_mut().filter(|column| column.len() < rows) {
                column.append_null();
            }
            self.row += 1;
            self.offset += line.length;
        }
        if rows == 0 {
            return Ok(None);
        }
        let texts = columns.into_iter().map(|mut column| column.finish());
        let arrays = texts.zip(self.schema.fields()).map(|(text, field)| typed(text, field, first));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?))
    }

    fn put(
        &self,
        columns: &mut [StringBuilder],
        rows: usize,
        key: &str,
        value: &str,
        line: &Line,
    ) -> Result<(), Fault> {
        let Some(&index) = self.index.get(key) else {
            if self.drops {
                return Ok(());
            }
            let message = format!("row {}: the key {key:?} is no column", line.row);
            return Err(Fault::bad_data(message).at(line.offset, line.row).with_value(key).cured_by("unknown"));
        };
        if columns[index].len() > rows {
            let message = format!("row {}: the key {key:?} stands there twice", line.row);
            return Err(Fault::bad_data(message).at(line.offset, line.row).in_column(key));
        }
        columns[index].append_value(value);
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Texts as the type that was asked for.
fn typed(texts: StringArray, field: &Field, rows_before: u64) -> Result<ArrayRef, Fault> {
    let options = CastOptions { safe: false, ..Default::default() };
    if !field.is_nullable() && texts.null_count() > 0 {
        let row = (0..texts.len()).find(|row| texts.is_null(*row)).map_or(0, |row| rows_before + row as u64 + 1);
        let mut fault = Fault::bad_data(format!("row {row} has no {:?}, which may not be null", field.name()));
        fault.row = i64::try_from(row).ok();
        return Err(fault.in_column(field.name()));
    }
    let texts: ArrayRef = Arc::new(texts);
    if field.data_type() == &DataType::Utf8 {
        return Ok(texts);
    }
    cast_with_options(&texts, field.data_type(), &options).map_err(|error| {
        let single = |row: &usize| cast_with_options(&texts.slice(*row, 1), field.data_type(), &options).is_err();
        let row = (0..texts.len()).find(single).map(|row| rows_before + row as u64 + 1);
        let place = row.map(|row| format!("row {row}, ")).unwrap_or_default();
        let mut fault = Fault::bad_data(format!("{place}column {:?}: {error}", field.name())).in_column(field.name());
        fault.row = row.and_then(|row| i64::try_from(row).ok());
        fault
    })
}

fn check_column(field: &Field) -> Result<(), Fault> {
    use DataType as T;
    let name = field.name();
    if name.is_empty() || name.contains(ends_word) {
        let message = format!("the column '{name}' cannot be a key, which has a letter, and no space, '=' or '\"'");
        return Err(Fault::unsupported(message).in_column(name));
    }
    let kind = match field.data_type() {
        T::Dictionary(_, values) => values,
        other => other,
    };
    let carried = kind.is_numeric()
        || kind.is_string()
        || matches!(kind, T::Boolean | T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) | T::Timestamp(..));
    if carried {
        return Ok(());
    }
    Err(Fault::unsupported(format!("the column {name:?} is of type {kind}, which has no text in a line"))
        .in_column(name))
}

fn encode(batch: &RecordBatch) -> Result<Vec<u8>, Fault> {
    let schema = batch.schema();
    let texts = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let options = CastOptions { safe: false, ..Default::default() };
        cast_with_options(column, &DataType::Utf8, &options).map_err(|error| {
            Fault::unsupported(format!("the column {:?} cannot be text: {error}", field.name())).in_column(field.name())
        })
    });
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let columns: Vec<&StringArray> = texts.iter().filter_map(|text| text.as_any().downcast_ref()).collect();
    let mut document = Vec::new();
    for row in 0..batch.num_rows() {
        let start = document.len();
        for (field, column) in schema.fields().iter().zip(&columns).filter(|(_, column)| column.is_valid(row)) {
            if document.len() > start {
                document.push(b' ');
            }
            document.extend_from_slice(field.name().as_bytes());
            document.push(b'=');
            put_value(&mut document, column.value(row))?;
        }
        document.push(b'\n');
    }
    Ok(document)
}

fn put_value(document: &mut Vec<u8>, text: &str) -> Result<(), Fault> {
    if !text.is_empty() && !text.contains(|character: char| ends_word(character) || character == '\u{7f}') {
        document.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    serde_json::to_writer(document, text)
        .map_err(|error| Fault::new(crate::interface::Status::Failed, error.to_string()))
}
