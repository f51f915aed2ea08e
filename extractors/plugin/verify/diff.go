package verify

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// document is the JSON that `ktstr extract -o json` prints.
type document struct {
	Extractor   string         `json:"extractor"`
	Version     string         `json:"version"`
	Status      extract.Status `json:"status"`
	Error       string         `json:"error"`
	Metrics     []ktstr.Metric `json:"metrics"`
	Diagnostics []diagnostic   `json:"diagnostics"`
}

type diagnostic struct {
	Code    ktstr.Code   `json:"code"`
	Message string       `json:"message"`
	Stream  ktstr.Stream `json:"stream"`
	Line    int          `json:"line"`
}

// Diff describes the first difference between the documents got and want. It
// is empty if they agree. Layout, the extractor's version and the wording of
// messages do not count.
func Diff(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	var g, w document
	if err := json.Unmarshal(got, &g); err != nil {
		return fmt.Sprintf("the document is not JSON: %v", err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		return fmt.Sprintf("the expected document is not JSON: %v", err)
	}
	if g.Extractor != w.Extractor {
		return fmt.Sprintf("extractor %q: want %q", g.Extractor, w.Extractor)
	}
	if g.Status != w.Status {
		if g.Error != "" {
			return fmt.Sprintf("status %q (%s): want %q", g.Status, g.Error, w.Status)
		}
		return fmt.Sprintf("status %q: want %q", g.Status, w.Status)
	}
	for i := range min(len(g.Metrics), len(w.Metrics)) {
		if g.Metrics[i] != w.Metrics[i] {
			return fmt.Sprintf("metric %d is %s: want %s", i+1, g.Metrics[i].AppendJSON(nil), w.Metrics[i].AppendJSON(nil))
		}
	}
	if n := len(w.Metrics); len(g.Metrics) > n {
		return fmt.Sprintf("%d metrics, the first too many is %s: want %d", len(g.Metrics), g.Metrics[n].AppendJSON(nil), n)
	}
	if n := len(g.Metrics); n < len(w.Metrics) {
		return fmt.Sprintf("%d metrics: want %d, the first missing is %s", n, len(w.Metrics), w.Metrics[n].AppendJSON(nil))
	}
	for i := range min(len(g.Diagnostics), len(w.Diagnostics)) {
		a, b := g.Diagnostics[i], w.Diagnostics[i]
		if a.Code != b.Code || a.Stream != b.Stream || a.Line != b.Line {
			return fmt.Sprintf("diagnostic %d is %s: want %s", i+1, a, b)
		}
	}
	if n := len(w.Diagnostics); len(g.Diagnostics) > n {
		return fmt.Sprintf("%d diagnostics, the first too many is %s: want %d", len(g.Diagnostics), g.Diagnostics[n], n)
	}
	if n := len(g.Diagnostics); n < len(w.Diagnostics) {
		return fmt.Sprintf("%d diagnostics: want %d, the first missing is %s", n, len(w.Diagnostics), w.Diagnostics[n])
	}
	return ""
}

func (d diagnostic) String() string {
	return fmt.Sprintf("%s (%s line %d: %q)", d.Code, d.Stream, d.Line, d.Message)
}

// Indent lays a document out for people to read and compare: a line a metric.
func Indent(doc []byte) []byte {
	var d struct {
		Extractor   json.RawMessage   `json:"extractor"`
		Version     json.RawMessage   `json:"version"`
		Status      json.RawMessage   `json:"status"`
		Error       json.RawMessage   `json:"error"`
		Metrics     []json.RawMessage `json:"metrics"`
		Diagnostics []json.RawMessage `json:"diagnostics"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return append(doc, '\n')
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"extractor\": %s, \"version\": %s, \"status\": %s,\n", d.Extractor, d.Version, d.Status)
	if d.Error != nil {
		fmt.Fprintf(&b, " \"error\": %s,\n", d.Error)
	}
	rows := func(name string, all []json.RawMessage) {
		fmt.Fprintf(&b, " %q: [", name)
		for i, row := range all {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n  ")
			b.Write(row)
		}
		if len(all) > 0 {
			b.WriteString("\n ")
		}
		b.WriteByte(']')
	}
	rows("metrics", d.Metrics)
	b.WriteString(",\n")
	rows("diagnostics", d.Diagnostics)
	b.WriteString("}\n")
	return b.Bytes()
}
