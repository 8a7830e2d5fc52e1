//! An example client: it puts a CSV file, gets it as record batches and as a document, converts it, and shows an error.

mod transfer;

use std::{env, error::Error, path::Path, process, time::Duration};

use arrow_flight::{error::FlightError, FlightClient};
use futures::TryStreamExt;
use serde_json::{json, Value};
use tonic::{transport::Channel, Code};

const TRIES: u32 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, dataset, path] = arguments.as_slice() else {
        return Err("usage: example grpc://127.0.0.1:8815 DATASET FILE.csv".into());
    };
    let channel = Channel::from_shared(address.replacen("grpc://", "http://", 1))?.connect().await?;
    let mut client = FlightClient::new(channel);
    if let Err(error) = tour(&mut client, dataset, Path::new(path)).await {
        eprintln!("{}", explained(&error));
        process::exit(1);
    }
    Ok(())
}

async fn tour(client: &mut FlightClient, dataset: &str, path: &Path) -> Result<(), FlightError> {
    let answer = put_file(client, dataset, path).await?;
    println!("put: version {}, {} rows", answer["version"], answer["rows"]);

    let mut batches = transfer::get(client, json!({"dataset": dataset})).await?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows();
    }
    for field in batches.schema().iter().flat_map(|schema| schema.fields()) {
        println!("column: {} {}", field.name(), field.data_type());
    }
    println!("get: {rows} rows");

    let document = transfer::get(client, json!({"dataset": dataset, "format": "ndjson", "limit": 2})).await?;
    println!("document:\n{}", String::from_utf8_lossy(&transfer::joined(document).await?).trim_end());

    let request = json!({"from": {"format": "csv"}, "to": {"format": "parquet"}});
    let parquet = transfer::joined(transfer::convert(client, request, path).await?).await?;
    let ends = [&parquet[..4], &parquet[parquet.len() - 4..]].map(String::from_utf8_lossy);
    println!("converted: {} ... {}", ends[0], ends[1]);

    if let Err(error) = transfer::get(client, json!({"dataset": format!("{dataset}-missing")})).await {
        println!("error: {}", explained(&error));
    }
    Ok(())
}

/// Repeats what may be repeated: the put_id makes sure that the file is stored once.
async fn put_file(client: &mut FlightClient, dataset: &str, path: &Path) -> Result<Value, FlightError> {
    let put_id = format!("example-{}-{:?}", process::id(), std::time::SystemTime::now());
    let request = json!({"dataset": dataset, "format": "csv", "commit": "explicit", "put_id": put_id});
    let mut attempt = 1;
    loop {
        match transfer::put(client, request.clone(), path).await {
            Err(FlightError::Tonic(status)) if status.code() == Code::Unavailable && attempt < TRIES => {
                tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

fn explained(error: &FlightError) -> String {
    match transfer::refusal(error) {
        Some(said) => format!("code {}, id {}, detail {}", said["code"], said["id"], said["detail"]),
        None => error.to_string(),
    }
}
