package bundle

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/text"
)

// decode is json.Unmarshal into a record, in a fifth of the time if the record has many
// metrics. encoding/json scans a metric four times.
//
// It reads the list of metrics itself if each of them is as ktstr.Metric.AppendJSON writes it,
// and gives the rest of the text to encoding/json. In the place of the list stands one metric
// that is not in the text. If it is not in the decoded record, the list was not that of the
// record, for example because the text has another one. encoding/json then reads everything, and
// so it does if the rest is not valid. So decode accepts and refuses the same texts.
func decode(document []byte, r *core.Record) error {
	const key, placeholder = `"metrics":`, "\x00placeholder"
	if at := bytes.Index(document, []byte(key)); at >= 0 {
		m := metricsReader{text: document, pos: at + len(key)}
		if metrics, ok := m.list(); ok {
			rest := slices.Concat(document[:at+len(key)], []byte(`[{"name":"\u0000placeholder","value":0}]`), document[m.pos:])
			var read core.Record
			if json.Unmarshal(rest, &read) == nil && len(read.Metrics) == 1 && read.Metrics[0].Name == placeholder {
				*r = read
				r.Metrics = metrics
				return nil
			}
		}
	}
	return json.Unmarshal(document, r)
}

// A metricsReader reads a list of metrics in the form of ktstr.Metric.AppendJSON, with any
// white space. It refuses every other form, also if it is valid JSON.
type metricsReader struct {
	text []byte
	pos  int
}

func (m *metricsReader) list() (list []ktstr.Metric, ok bool) {
	if !m.token("[") {
		return nil, false
	}
	const least = 60 // bytes of a metric
	rest := m.text[m.pos:]
	list = make([]ktstr.Metric, 0, min(bytes.Count(rest, []byte("{")), len(rest)/least))
	for !m.token("]") {
		if len(list) > 0 && !m.token(",") {
			return nil, false
		}
		metric, ok := m.metric()
		if !ok {
			return nil, false
		}
		list = append(list, metric)
	}
	return list, true
}

func (m *metricsReader) metric() (v ktstr.Metric, ok bool) {
	var name, unit, polarity, stream []byte
	var known bool
	if !m.token("{") || !m.member(`"name"`, &name) || !m.token(",") || !m.token(`"value"`) || !m.token(":") || !m.number(&v.Value) ||
		!m.token(",") || !m.member(`"unit"`, &unit) || !m.token(",") || !m.member(`"polarity"`, &polarity) || !m.token(",") || !m.member(`"stream"`, &stream) {
		return v, false
	}
	if m.token(",") {
		if !m.token(`"line"`) || !m.token(":") || !m.line(&v.Line) {
			return v, false
		}
	}
	if v.Polarity, known = polarities[string(polarity)]; !known || !m.token("}") {
		return v, false
	}
	v.Name, v.Unit, v.Stream = string(name), string(unit), ktstr.Stream(stream)
	return v, true
}

// polarities has the frequent ones.
var polarities = map[string]ktstr.Polarity{"unknown": ktstr.Unknown, "higher": ktstr.Higher, "lower": ktstr.Lower}

// token passes over white space and the text of one token, if that is next.
func (m *metricsReader) token(want string) bool {
	i := m.pos
	for i < len(m.text) && (m.text[i] == ' ' || m.text[i] == '\n' || m.text[i] == '\t' || m.text[i] == '\r') {
		i++
	}
	if !bytes.HasPrefix(m.text[i:], []byte(want)) {
		return false
	}
	m.pos = i + len(want)
	return true
}

// member reads a member whose value is a string without escapes.
func (m *metricsReader) member(key string, value *[]byte) bool {
	if !m.token(key) || !m.token(":") || !m.token(`"`) {
		return false
	}
	start, ascii := m.pos, true
	for ; m.pos < len(m.text); m.pos++ {
		switch c := m.text[m.pos]; {
		case c == '"':
			*value = m.text[start:m.pos]
			m.pos++
			return ascii || utf8.Valid(*value)
		case c == '\\' || c < ' ':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return false
}

// number reads a number as JSON has it.
func (m *metricsReader) number(v *float64) bool {
	m.token("") // white space
	n := text.DecimalLen(m.text[m.pos:min(len(m.text), m.pos+maxNumber)])
	number := m.text[m.pos : m.pos+n]
	digits := bytes.TrimPrefix(number, []byte("-"))
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || len(digits) > 1 && digits[0] == '0' && digits[1]-'0' <= 9 {
		return false
	}
	var ok bool
	if *v, ok = text.ParseDecimal(number); !ok {
		return false
	}
	m.pos += n
	return true
}

// line reads an integer above zero.
func (m *metricsReader) line(v *int) bool {
	m.token("") // white space
	start := m.pos
	for m.pos < len(m.text) && m.text[m.pos]-'0' <= 9 {
		m.pos++
	}
	var err error
	*v, err = strconv.Atoi(string(m.text[start:m.pos]))
	return err == nil && m.text[start] != '0'
}

// maxNumber limits a number. encoding/json reads longer ones.
const maxNumber = 64
