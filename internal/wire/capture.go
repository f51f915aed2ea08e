package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that Codec extends
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Capture receives ExtractRequests. Each message appends its bytes to Data,
// straight from the transport's buffers, because unmarshalling the messages would
// leave garbage of the capture's size. It is an argument for RecvMsg of a server
// that uses Codec.
type Capture struct {
	Header *Header
	Data   []byte
}

// Codec is gRPC's codec for protobuf, which also knows a Capture.
type Codec struct{ encoding.CodecV2 }

// NewCodec returns a Codec.
func NewCodec() Codec { return Codec{encoding.GetCodecV2("proto")} }

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	capture, ok := v.(*Capture)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	r := data.Reader()
	defer r.Close()
	for {
		tag, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := capture.field(r, tag>>3, tag&7); err != nil {
			return fmt.Errorf("ExtractRequest: field %d: %w", tag>>3, err)
		}
	}
}

// source is the reader of a message.
type source interface {
	io.Reader
	io.ByteReader
	Remaining() int
	Discard(n int) (int, error)
}

// field reads one field of an ExtractRequest.
func (c *Capture) field(r source, number, kind uint64) error {
	var n uint64
	var err error
	switch kind {
	case 0: // varint
		_, err = binary.ReadUvarint(r)
		return err
	case 1:
		n = 8
	case 5:
		n = 4
	case 2: // with its length
		if n, err = binary.ReadUvarint(r); err != nil {
			return err
		}
	default:
		return fmt.Errorf("wire type %d", kind)
	}
	if n > uint64(r.Remaining()) {
		return io.ErrUnexpectedEOF
	}
	switch {
	case kind == 2 && number == 1:
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		c.Header = new(Header)
		return proto.Unmarshal(b, c.Header)
	case kind == 2 && number == 2:
		have := len(c.Data)
		if need := have + int(n); need > cap(c.Data) {
			grown := make([]byte, have, max(need, 2*cap(c.Data)))
			copy(grown, c.Data)
			c.Data = grown
		}
		c.Data = c.Data[:have+int(n)]
		_, err := io.ReadFull(r, c.Data[have:])
		return err
	}
	_, err = r.Discard(int(n))
	return err
}
