package wire

import (
	"bytes"
	"reflect"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Whatever a script prints, what is taken from it is sound.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		`{"metric": "lat.avg", "value": 1.5, "unit": "ms", "polarity": "lower", "line": 7}`,
		`{"hint": "lat.*", "unit": "ms", "polarity": "target=2", "headline": true}`,
		`{"diagnostic": "truncated", "message": "stops", "line": 9}`,
		`{"error": "no"}`, `{"metric": "a", "value": "NaN"}`, `{"metric": "a", "value": -Infinity}`, "{\"metric\": \"\xff\", \"value\": 1e999}", "[]", "null", `{"metric": null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var a Answer
		for line := range bytes.Lines(text) {
			if a.AddLine(line) != nil {
				break
			}
		}
		for _, m := range a.Extraction().Metrics {
			if m.Name == "" || m.Line < 0 || checkText("", m.Name, MaxName) != nil || checkText("", m.Unit, MaxName) != nil {
				t.Errorf("took %+v", m)
			}
		}
	})
}

// A description that is taken is printed and taken again, as it was.
func FuzzDescription(f *testing.F) {
	f.Add(DescriptionJSON(full, GRPC))
	f.Add(DescriptionJSON(full, Script))
	f.Add([]byte(`{"name": "x", "version": "1", "hints": [{"name": "a", "polarity": "target=1e5"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, i, err := ParseDescription(text)
		if err != nil {
			return
		}
		again, j, err := ParseDescription(DescriptionJSON(d, i))
		if err != nil || i != j || len(again.Hints) != len(d.Hints) || again.Name != d.Name {
			t.Errorf("%+v\nprinted and read again: %+v, %v", d, again, err)
		}
		over, err := ToDescription(FromDescription(again))
		if err != nil || !reflect.DeepEqual(over.Hints, again.Hints) || !reflect.DeepEqual(over.Tools, again.Tools) {
			t.Errorf("%+v\nover the wire: %+v, %v", again, over, err)
		}
	})
}

// The hand-written reader of ExtractRequest agrees with protobuf's.
func FuzzCapture(f *testing.F) {
	for _, m := range []*ExtractRequest{
		{Part: &ExtractRequest_Header{Header: &Header{Stream: "stdout", Size: 3}}},
		{Part: &ExtractRequest_Data{Data: []byte("abc")}},
		{},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Capture
		if NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &c) != nil {
			return
		}
		if len(c.Data) > len(b) {
			t.Errorf("%d bytes out of %d", len(c.Data), len(b))
		}
		var m ExtractRequest
		if proto.Unmarshal(b, &m) == nil && m.GetData() != nil && c.Header == nil && !bytes.HasSuffix(c.Data, m.GetData()) {
			t.Errorf("got %q, protobuf says %q", c.Data, m.GetData())
		}
	})
}
