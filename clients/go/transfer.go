package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const chunkBytes = 1 << 20

// A document travels as one binary column named payload, cut into rows.
var payload = arrow.NewSchema([]arrow.Field{{Name: "payload", Type: arrow.BinaryTypes.Binary}}, nil)

type object map[string]any

func (o object) bytes() []byte {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // of what this program itself wrote
	}
	return raw
}

// Answer is what the server says when a put is durable. While it is not, messages with Progress may come.
type Answer struct {
	Version  int64           `json:"version"`
	Rows     int64           `json:"rows"`
	Replayed bool            `json:"replayed"`
	Progress json.RawMessage `json:"progress"`
}

type sender interface {
	Send(*flight.FlightData) error
	CloseSend() error
}

// send writes a document, says what was sent, and ends this side. An error of the stream only says that the server
// has let go; why is what receiving gives, so it is not returned here.
func send(stream sender, request object, document io.Reader) error {
	writer := flight.NewRecordWriter(stream, ipc.WithSchema(payload))
	writer.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: request.bytes()})
	defer stream.CloseSend()
	buffer := make([]byte, chunkBytes)
	var sent, chunks int64
	for {
		n, err := io.ReadFull(document, buffer)
		if n > 0 || chunks == 0 { // one chunk at least: the first message carries the descriptor
			column := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
			column.Append(buffer[:n])
			batch := array.NewRecordBatch(payload, []arrow.Array{column.NewArray()}, 1)
			if writer.Write(batch) != nil {
				return nil
			}
			sent, chunks = sent+int64(n), chunks+1
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil { // our own trouble, not the end of the document: nothing may be stored
			return errors.Join(err, writer.WriteMetadata(object{"abort": err.Error()}.bytes()))
		}
	}
	_ = writer.WriteMetadata(object{"commit": object{"bytes": sent, "chunks": chunks}}.bytes())
	return nil
}

// put stores a document and returns the server's answer. With the same put_id it may be repeated: it is stored once.
func put(ctx context.Context, client flight.Client, request object, document io.Reader) (answer Answer, err error) {
	stream, err := client.DoPut(ctx)
	if err != nil {
		return answer, err
	}
	if err := send(stream, request, document); err != nil {
		return answer, err
	}
	for { // to the end of the results, for what went wrong comes there
		result, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answer, nil
		}
		if err != nil {
			return answer, err
		}
		message := Answer{}
		if err := json.Unmarshal(result.AppMetadata, &message); err != nil {
			return answer, err
		}
		if message.Progress == nil {
			answer = message
		}
	}
}

// get asks for a dataset: record batches, or a document when the request names a format.
func get(ctx context.Context, client flight.Client, request object) (*flight.Reader, error) {
	stream, err := client.DoGet(ctx, &flight.Ticket{Ticket: request.bytes()})
	if err != nil {
		return nil, err
	}
	return flight.NewRecordReader(stream)
}

// convert has the server turn one document into another. One goroutine writes while this one reads.
func convert(ctx context.Context, client flight.Client, request object, document io.Reader, out io.Writer) error {
	stream, err := client.DoExchange(ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(stream, request, document) }()
	reader, err := flight.NewRecordReader(stream)
	if err != nil {
		return err
	}
	defer reader.Release()
	if err := save(reader, out); err != nil {
		return err
	}
	return <-sent
}

// save joins the rows of a payload stream.
func save(reader *flight.Reader, out io.Writer) error {
	for reader.Next() {
		column := reader.RecordBatch().Column(0).(*array.Binary)
		for row := range column.Len() {
			if _, err := out.Write(column.Value(row)); err != nil {
				return err
			}
		}
	}
	return reader.Err()
}
