//! The format read and written, without a host.

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchIterator};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use my_plugin::format::Logfmt;
use my_plugin::interface::{Fault, Format, Host, Status};
use my_plugin::plugin::{Options, Unknown};

const DOCUMENT: &str = "level=info msg=\"hello \\\"world\\\"\" ms=12\nlevel=warn slow ms=1500\n\n";

fn read(document: &'static [u8], schema: Option<SchemaRef>, options: Options) -> Result<Vec<RecordBatch>, Fault> {
    let source = Box::new(BufReader::with_capacity(3, document));
    let reader = Logfmt::new(Host::none(), options).read(schema, source)?;
    reader.map(|batch| batch.map_err(Fault::from)).collect()
}

fn written(batch: RecordBatch) -> Result<String, Fault> {
    let schema = batch.schema();
    let batches = Box::new(RecordBatchIterator::new([Ok(batch)], schema));
    let chunks = Logfmt::new(Host::none(), Options::default()).write(batches)?.collect::<Result<Vec<_>, _>>()?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

#[test]
fn columns_are_the_keys_in_the_order_in_which_they_come() {
    let batch = &read(DOCUMENT.as_bytes(), None, Options::default()).unwrap()[0];
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["level", "msg", "ms", "slow"]);
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "hello \"world\"");
    assert_eq!(batch.column(3).as_string::<i32>().value(1), "true");
    assert_eq!((batch.num_rows(), batch.column(0).null_count()), (3, 1));
}

#[test]
fn a_schema_gives_the_values_their_types() {
    let fields = vec![Field::new("ms", DataType::Int64, true), Field::new("ratio", DataType::Float64, true)];
    let batch = &read(b"ms=12 ratio=0.5\nms=-3", Some(Arc::new(Schema::new(fields))), Options::default()).unwrap()[0];
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[12, -3]);
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), 0.5);
}

#[test]
fn a_value_of_another_type_is_refused_with_its_row() {
    let schema = Arc::new(Schema::new(vec![Field::new("ms", DataType::Int64, true)]));
    let fault = read(b"ms=1\nms=fast\n", Some(schema), Options::default()).unwrap_err();
    assert_eq!((fault.status, fault.row, &*fault.column), (Status::BadData, Some(2), "ms"));
}

#[test]
fn an_unknown_key_is_refused_or_dropped() {
    let options = |unknown| Options { unknown, sample_bytes: 1, ..Options::default() };
    let fault = read(b"a=1\nb=2\n", None, options(Unknown::Refuse)).unwrap_err();
    assert_eq!((fault.row, fault.offset, &*fault.option), (Some(2), Some(4), "unknown"));
    assert_eq!(read(b"a=1\nb=2\n", None, options(Unknown::Drop)).unwrap()[0].num_columns(), 1);
}

#[test]
fn wrong_lines_are_refused_with_their_place() {
    for (document, offset) in [("a=1\n=2", 4), ("a=\"x", 2), ("a=b\"c", 3), ("a=\"x\"y", 5), ("a=\"\\q\"", 2)] {
        let fault = read(document.as_bytes(), None, Options::default()).unwrap_err();
        assert_eq!((fault.status, fault.offset), (Status::BadData, Some(offset)), "{document}");
    }
    assert_eq!(read(b"a=\xff", None, Options::default()).unwrap_err().offset, Some(2));
    assert!(read(b"a=1 a=2", None, Options::default()).unwrap_err().message.contains("twice"));
}

#[test]
fn what_is_written_is_read_again() {
    let batch = read(DOCUMENT.as_bytes(), None, Options::default()).unwrap().remove(0);
    let document = written(batch.clone()).unwrap();
    assert_eq!(document, "level=info msg=\"hello \\\"world\\\"\" ms=12\nlevel=warn ms=1500 slow=true\n\n");
    assert_eq!(read(document.leak().as_bytes(), None, Options::default()).unwrap(), [batch]);
}

#[test]
fn a_column_that_a_line_cannot_carry_is_refused_by_name() {
    let nested = Field::new("tags", DataType::new_list(DataType::Utf8, true), true);
    let spaced = Field::new("two words", DataType::Utf8, true);
    for field in [nested, spaced] {
        let name = field.name().clone();
        let fault = written(RecordBatch::new_empty(Arc::new(Schema::new(vec![field])))).unwrap_err();
        assert_eq!((fault.status, &*fault.column), (Status::Unsupported, name.as_str()));
    }
}
