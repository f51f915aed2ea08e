package extract

import (
	"encoding/json"
	"slices"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/huge"
)

// AppendJSON appends r as one line of JSON: {"extractor", "version", "status",
// "error" (only if there is one), "metrics", "diagnostics"}, keys in this
// order, lists never null.
func (r Result) AppendJSON(b []byte) []byte {
	size := 4096
	for i := range r.Metrics {
		size += len(r.Metrics[i].Name) + 112 // keys and marks 66, stream and polarity 13, value 17, line 5, unit
	}
	b = huge.Pages(slices.Grow(b, size))
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
	}
	b = append(b, `],"diagnostics":`...)
	if r.Diagnostics == nil {
		r.Diagnostics = []ktstr.Diagnostic{}
	}
	return append(appendValue(b, r.Diagnostics), '}')
}

// MarshalJSON implements json.Marshaler.
func (r Result) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// appendValue appends the JSON of strings and diagnostics, which always marshal.
func appendValue(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}
