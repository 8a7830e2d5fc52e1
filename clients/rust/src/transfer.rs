//! Documents over Flight: sent in chunks, received in chunks, with the errors that the server gives.

use std::{
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc,
    },
};

use arrow_array::{cast::AsArray, BinaryArray, RecordBatch};
use arrow_flight::{
    decode::FlightRecordBatchStream, encode::FlightDataEncoderBuilder, error::FlightError, error::Result, FlightClient,
    FlightData, FlightDescriptor, Ticket,
};
use arrow_schema::{DataType, Field, Schema};
use futures::{
    stream::{self, BoxStream},
    StreamExt, TryStreamExt,
};
use serde_json::{json, Value};
use tokio::{fs::File, io::AsyncReadExt};

const CHUNK_BYTES: u64 = 1 << 20;

/// Stores a document and returns the server's answer. With the same put_id it may be repeated: it is stored once.
pub async fn put(client: &mut FlightClient, request: Value, path: &Path) -> Result<Value> {
    let mut results = client.do_put(messages(request, open(path).await?)).await?;
    let mut answer = Value::Null;
    while let Some(result) = results.try_next().await? {
        let message: Value = serde_json::from_slice(&result.app_metadata).map_err(external)?;
        if message.get("progress").is_none() {
            answer = message;
        }
    }
    Ok(answer)
}

/// Asks for a dataset: record batches, or a document when the request names a format.
pub async fn get(client: &mut FlightClient, request: Value) -> Result<FlightRecordBatchStream> {
    client.do_get(Ticket::new(request.to_string())).await
}

/// Has the server turn one document into another; it is sent while what comes back is read.
pub async fn convert(client: &mut FlightClient, request: Value, path: &Path) -> Result<FlightRecordBatchStream> {
    client.do_exchange(messages(request, open(path).await?)).await
}

/// Joins the rows of a payload stream.
pub async fn joined(stream: FlightRecordBatchStream) -> Result<Vec<u8>> {
    stream
        .try_fold(Vec::new(), |mut document, batch| async move {
            batch.column(0).as_binary::<i32>().iter().flatten().for_each(|chunk| document.extend_from_slice(chunk));
            Ok(document)
        })
        .await
}

/// What the server has against a request: code, blame, id, and a detail that a program can use.
pub fn refusal(error: &FlightError) -> Option<Value> {
    match error {
        FlightError::Tonic(status) => serde_json::from_slice(status.details()).ok(),
        _ => None,
    }
}

/// A document as Flight messages: schema and descriptor, its chunks, and at last what was sent.
///
/// When reading fails the stream ends without that last message, and the server, asked to `"commit": "explicit"`,
/// stores nothing.
fn messages(request: Value, file: File) -> BoxStream<'static, Result<FlightData>> {
    let schema = Arc::new(Schema::new(vec![Field::new("payload", DataType::Binary, true)]));
    let sent = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let (columns, counted) = (schema.clone(), sent.clone());
    let batches = stream::try_unfold(file, move |mut file| {
        let (columns, counted) = (columns.clone(), counted.clone());
        async move {
            let mut chunk = Vec::new();
            (&mut file).take(CHUNK_BYTES).read_to_end(&mut chunk).await.map_err(external)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            counted.0.fetch_add(chunk.len() as u64, Relaxed);
            counted.1.fetch_add(1, Relaxed);
            let batch = RecordBatch::try_new(columns, vec![Arc::new(BinaryArray::from_vec(vec![&chunk]))])?;
            Ok(Some((batch, file)))
        }
    });
    let commit = async move {
        let figures = json!({"commit": {"bytes": sent.0.load(Relaxed), "chunks": sent.1.load(Relaxed)}});
        Ok(FlightData::new().with_app_metadata(figures.to_string()))
    };
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_flight_descriptor(Some(FlightDescriptor::new_cmd(request.to_string())))
        .build(batches)
        .chain(stream::once(commit))
        .boxed()
}

async fn open(path: &Path) -> Result<File> {
    File::open(path).await.map_err(external)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> FlightError {
    FlightError::ExternalError(Box::new(error))
}
