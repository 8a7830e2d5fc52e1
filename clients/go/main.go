// An example client: it puts a CSV file, gets it as record batches and as a document, converts it, and shows an error.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const tries = 5

// What the server says begins with a code and ends with an id that leads to its log.
var said = regexp.MustCompile(`(?s)^\[(\w+)\] (.*) \(id ([0-9a-f]+)\)`)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: example grpc://127.0.0.1:8815 DATASET FILE.csv")
	}
	address, dataset, path := strings.TrimPrefix(os.Args[1], "grpc://"), os.Args[2], os.Args[3]
	client, err := flight.NewClientWithMiddleware(address, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	steps := []func(context.Context, flight.Client, string, string) error{
		putFile, getBatches, getDocument, convertFile, getNothing,
	}
	for _, step := range steps {
		if err := step(ctx, client, dataset, path); err != nil {
			log.Fatal(err)
		}
	}
}

// putFile repeats what may be repeated: the put_id makes sure that the file is stored once.
func putFile(ctx context.Context, client flight.Client, dataset, path string) error {
	request := object{"dataset": dataset, "format": "csv", "commit": "explicit", "put_id": rand.Text()}
	for try := 1; ; try++ {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		answer, err := put(ctx, client, request, file)
		file.Close()
		if err == nil {
			fmt.Printf("put: version %d, %d rows\n", answer.Version, answer.Rows)
			return nil
		}
		if status.Code(err) != codes.Unavailable || try == tries {
			return err
		}
		time.Sleep(time.Second << try / 4)
	}
}

func getBatches(ctx context.Context, client flight.Client, dataset, _ string) error {
	reader, err := get(ctx, client, object{"dataset": dataset})
	if err != nil {
		return err
	}
	defer reader.Release()
	rows := int64(0)
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	for _, field := range reader.Schema().Fields() {
		fmt.Printf("column: %s %s\n", field.Name, field.Type)
	}
	fmt.Printf("get: %d rows\n", rows)
	return reader.Err()
}

func getDocument(ctx context.Context, client flight.Client, dataset, _ string) error {
	reader, err := get(ctx, client, object{"dataset": dataset, "format": "ndjson", "limit": 2})
	if err != nil {
		return err
	}
	defer reader.Release()
	fmt.Println("document:")
	return save(reader, os.Stdout)
}

func convertFile(ctx context.Context, client flight.Client, _, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var parquet bytes.Buffer
	request := object{"from": object{"format": "csv"}, "to": object{"format": "parquet"}}
	if err := convert(ctx, client, request, file, &parquet); err != nil {
		return err
	}
	fmt.Printf("converted: %s ... %s\n", parquet.Bytes()[:4], parquet.Bytes()[parquet.Len()-4:])
	return nil
}

// getNothing asks for what is not there, to show what an error looks like.
func getNothing(ctx context.Context, client flight.Client, dataset, _ string) error {
	_, err := get(ctx, client, object{"dataset": dataset + "-missing"})
	parts := said.FindStringSubmatch(status.Convert(err).Message())
	if parts == nil {
		return fmt.Errorf("an error with a code was expected, this came: %w", err)
	}
	fmt.Printf("error: code %s, id %s: %s\n", parts[1], parts[3], parts[2])
	return nil
}
