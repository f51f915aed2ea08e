package extract

import (
	"io"
	"slices"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// AppendJSON appends r as one line of JSON: {"extractor", "version", "status",
// "error", "metrics", "diagnostics"}. The keys are in this order. "error" is left
// out if it is empty. The lists are never null.
func (r Result) AppendJSON(b []byte) []byte {
	size := 4096
	for i := range r.Metrics {
		size += len(r.Metrics[i].Name) + 112 // keys and punctuation 66, stream and polarity 13, value 17, line 5, unit
	}
	b, _ = r.appendJSON(slices.Grow(b, size), nil)
	return b
}

// WriteJSON writes the same JSON as AppendJSON. It writes in pieces, which end
// between metrics, so that a large result needs no copy in memory.
func (r Result) WriteJSON(w io.Writer) error {
	const piece = 64 << 10
	b, err := r.appendJSON(make([]byte, 0, piece+4096), func(b []byte) ([]byte, error) {
		if len(b) < piece {
			return b, nil
		}
		_, err := w.Write(b)
		return b[:0], err
	})
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// appendJSON calls flush after each metric, unless flush is nil, and continues with
// the buffer that flush returns.
func (r Result) appendJSON(b []byte, flush func([]byte) ([]byte, error)) (_ []byte, err error) {
	b = appendValue(append(b, `{"extractor":`...), r.Extractor)
	b = appendValue(append(b, `,"version":`...), r.Version)
	b = appendValue(append(b, `,"status":`...), r.Status)
	if r.Error != "" {
		b = appendValue(append(b, `,"error":`...), r.Error)
	}
	b = append(b, `,"metrics":[`...)
	for i := range r.Metrics {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.Metrics[i].AppendJSON(b)
		if flush != nil {
			if b, err = flush(b); err != nil {
				return b, err
			}
		}
	}
	b = append(b, `],"diagnostics":`...)
	if r.Diagnostics == nil {
		r.Diagnostics = []ktstr.Diagnostic{}
	}
	return append(appendValue(b, r.Diagnostics), '}'), nil
}

// MarshalJSON implements json.Marshaler.
func (r Result) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// appendValue appends the JSON of a string or of diagnostics, which always marshal.
func appendValue(b []byte, v any) []byte {
	text, err := plainjson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}
