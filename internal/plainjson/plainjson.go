// Package plainjson turns values into JSON without the escapes that encoding/json
// makes for web pages: a check stays `p99 <= 2ms`, for people and for grep.
package plainjson

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal but for these escapes. Marshalers within v write as
// they do.
func Marshal(v any) ([]byte, error) { return MarshalIndent(v, "") }

// MarshalIndent is Marshal with that indent for each level; empty: one line.
func MarshalIndent(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
