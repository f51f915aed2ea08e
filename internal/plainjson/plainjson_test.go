package plainjson_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/ktstr/ktstr/internal/plainjson"
)

func TestMarshal(t *testing.T) {
	v := map[string]any{"p99 <= 2ms": `a & b > "c" \u003c`, "n": []int{1}}
	check := func(got []byte, err error, want string) {
		t.Helper()
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
		var back map[string]any
		if err := json.Unmarshal(got, &back); err != nil || back["p99 <= 2ms"] != v["p99 <= 2ms"] {
			t.Errorf("read back: %v, %v", back, err)
		}
	}
	one, err := plainjson.Marshal(v)
	check(one, err, `{"n":[1],"p99 <= 2ms":"a & b > \"c\" \\u003c"}`)
	several, err := plainjson.MarshalIndent(v, " ")
	check(several, err, "{\n \"n\": [\n  1\n ],\n \"p99 <= 2ms\": \"a & b > \\\"c\\\" \\\\u003c\"\n}")
	if _, err := plainjson.Marshal(math.NaN()); err == nil {
		t.Error("NaN: want an error")
	}
}
