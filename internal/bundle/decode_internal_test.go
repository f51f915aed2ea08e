package bundle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
)

const decodedRecord = `{
 "schema": "ktstr.run/v1",
 "id": "A",
 "payload": "b",
 "labels": {"set": "s"},
 "metrics": [
  {
   "name": "lat.mean",
   "value": 1.25,
   "unit": "µs",
   "polarity": "lower",
   "stream": "stdout",
   "line": 3
  },
  {"name": "rate", "value": -1e+3, "unit": "", "polarity": "higher", "stream": "stderr"},
  {"name": "n", "value": 0, "unit": "", "polarity": "unknown", "stream": "run"}
 ],
 "headlines": ["rate"]
}`

// decode accepts and refuses the same texts as encoding/json, with the same errors and the
// same records, also if the text was edited or damaged.
func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	check := func(text string) {
		t.Helper()
		var got, want core.Record
		gotErr, wantErr := decode([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || wantErr == nil && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s\n%v, %#v; want\n%v, %#v", text, gotErr, got, wantErr, want)
		}
	}
	check(decodedRecord)
	for _, edit := range [][2]string{
		{`"value": 1.25`, `"value": "NaN"`}, {`"value": 1.25`, `"value": 01`}, {`"value": 1.25`, `"value": -0`}, {`"value": 1.25`, `"value": .5`},
		{`"value": 1.25`, `"value": 5.`}, {`"value": 1.25`, `"value": +5`}, {`"value": 1.25`, `"value": 1e999`}, {`"value": 1.25`, `"value": 12345678901234567890.123`},
		{`"value": 1.25`, `"value": 1e`}, {`"value": 1.25`, `"value": 0x10`}, {`"value": 1.25`, `"value": null`}, {`"value": 1.25,`, ``}, {`"value"`, `"VALUE"`},
		{`"value": 1.25`, `"value": 1.25, "value": 2`}, {`"unit": "µs"`, `"unit": 5`}, {`µs`, "\xb5s"}, {`µs`, `\u00b5s`}, {`µs`, "\t"}, {`lat.mean`, `lat\"mean`},
		{`"lower"`, `"target=5"`}, {`"lower"`, `"down"`}, {`"line": 3`, `"line": 3.5`}, {`"line": 3`, `"line": -3`}, {`"line": 3`, `"line": 3e0`},
		{`"line": 3`, `"line": 0`}, {`"line": 3`, `"line": 99999999999`}, {`"line": 3`, `"more": {}`}, {`"stream": "run"}`, `"stream": "run"},`}, {`"stream": "run"}`, `"stream": "run"`},
		{`"metrics"`, `"Metrics"`}, {`"metrics"`, `"metric\u0073"`}, {`"headlines"`, `"metrics": [], "headlines"`}, {`"headlines"`, `"Metrics": null, "headlines"`},
		{`"headlines"`, `"metricſ": null, "headlines"`}, {`"headlines"`, `"metrics": [{"name": "x", "value": 1}], "headlines"`}, {`{"set": "s"}`, `{"set": "s", "metrics": []}`},
		{`"payload": "b"`, `"payload": "b", "metrics": [{"name": "x", "value": 1, "unit": "", "polarity": "lower", "stream": "run"}]`},
		{`"payload": "b"`, `"payload": "b", "other": {"metrics": [{"name": "x", "value": 1, "unit": "", "polarity": "lower", "stream": "run"}]}`},
		{`"payload": "b"`, `"payload": "\"metrics\": []"`}, {`"payload": "b"`, `"payload": "b\\", "a\"metrics": []`}, {`"headlines": ["rate"]`, `"headlines": "rate"`}, {`"s"}`, `"s"`}, {"\n}", "\n} x"},
	} {
		text := strings.Replace(decodedRecord, edit[0], edit[1], 1)
		if text == decodedRecord {
			t.Fatalf("%q is not in the record", edit[0])
		}
		check(text)
	}
	r := rand.New(rand.NewPCG(16, 16))
	for range 3000 { // damage of a few bytes
		text := []byte(decodedRecord)
		for range 1 + r.IntN(2) {
			i := r.IntN(len(text))
			switch r.IntN(3) {
			case 0:
				text = append(text[:i], text[i+1:]...)
			case 1:
				text[i] = text[r.IntN(len(text))]
			default:
				text = append(text[:i], append([]byte{`{}[]",:0.e- \`[r.IntN(13)]}, text[i:]...)...)
			}
		}
		check(string(text))
	}
}

// The usual record takes the short way. Otherwise the test above would compare encoding/json
// with itself.
func TestDecodeReadsUsualMetricsItself(t *testing.T) {
	m := metricsReader{text: []byte(decodedRecord), pos: strings.Index(decodedRecord, "[\n  {")}
	if list, ok := m.list(); !ok || len(list) != 3 || list[0].Unit != "µs" || list[1].Value != -1000 {
		t.Errorf("%v, %+v; want three metrics", ok, list)
	}
}
