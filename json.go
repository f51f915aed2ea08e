package ktstr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Number is a float64 whose JSON keeps what JSON numbers cannot say: NaN and
// the infinities are the strings "NaN", "+Inf" and "-Inf".
type Number float64

// AppendJSON appends the shortest JSON that reads back as the same bits.
func (n Number) AppendJSON(b []byte) []byte {
	v := float64(n)
	switch {
	case math.IsNaN(v):
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"+Inf"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Inf"`...)
	}
	if n := int64(v); float64(n) == v && n > -1<<53 && n < 1<<53 && (n != 0 || !math.Signbit(v)) {
		return strconv.AppendInt(b, n, 10) // the same digits, found sooner
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) { return n.AppendJSON(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*n = Number(math.NaN())
		return nil
	case `"+Inf"`:
		*n = Number(math.Inf(1))
		return nil
	case `"-Inf"`:
		*n = Number(math.Inf(-1))
		return nil
	}
	// encoding/json passes valid JSON. A caller of its own may pass anything.
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !json.Valid(b) {
		return fmt.Errorf(`number %s: want a JSON number, "NaN", "+Inf" or "-Inf"`, b)
	}
	*n = Number(v)
	return nil
}

// AppendJSON appends the metric as {"name", "value", "unit", "polarity",
// "stream", "line"}; a line that is not known is left out.
func (m Metric) AppendJSON(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), m.Name)
	b = Number(m.Value).AppendJSON(append(b, `,"value":`...))
	b = appendString(append(b, `,"unit":`...), m.Unit)
	b = appendString(append(b, `,"polarity":`...), m.Polarity.String())
	b = appendString(append(b, `,"stream":`...), string(m.Stream))
	if m.Line != 0 {
		b = strconv.AppendInt(append(b, `,"line":`...), int64(m.Line), 10)
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (m Metric) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Metric) UnmarshalJSON(b []byte) error {
	var v struct {
		Name     string
		Value    *Number
		Unit     string
		Polarity Polarity
		Stream   Stream
		Line     int
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Value == nil {
		return fmt.Errorf("metric %q has no value: want a number", v.Name)
	}
	*m = Metric{v.Name, float64(*v.Value), v.Unit, v.Polarity, v.Stream, v.Line}
	return nil
}

// appendString appends s as a JSON string. Plain text, by far the most
// frequent, is copied; the rest is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := marshal(s)
			if err != nil {
				panic(err) // strings always marshal
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// MarshalJSON writes a diagnostic as {"code", "message", "stream", "line"}.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
		Stream  Stream `json:"stream,omitempty"`
		Line    int    `json:"line,omitempty"`
	}(d))
}

// marshal is json.Marshal without the escapes for web pages: <, > and & occur
// in messages. (internal/plainjson does the same for packages above this one.)
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
