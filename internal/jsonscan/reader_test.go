package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzUnescape(f *testing.F) {
	f.Add(`a\"b`)
	f.Add(`\ud83d\ude00\ud800\u12`)
	f.Fuzz(func(t *testing.T, raw string) {
		var want string
		if json.Unmarshal([]byte(`"`+raw+`"`), &want) != nil {
			return // Reader accepts more than RFC 8259
		}
		if got := strings.ToValidUTF8(unescape([]byte(raw)), "�"); got != want && strings.ToValidUTF8(want, "�") != got {
			if !strings.Contains(want, "�") { // runs of bad bytes are replaced one by one there
				t.Errorf("%q: got %q, want %q", raw, got, want)
			}
		}
	})
}
