// Package plainjson marshals values to JSON without the escapes for web pages, so that
// people and grep can read it. For example, "p99 <= 2ms" contains "<", and not "\u003c".
package plainjson

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal without these escapes. A json.Marshaler inside v controls its
// own text.
func Marshal(v any) ([]byte, error) { return MarshalIndent(v, "") }

// MarshalIndent is Marshal with an indent for each level. With an empty indent, the
// result is one line.
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
