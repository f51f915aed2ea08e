package lines

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) { // C38
	for text, want := range map[string]string{
		"":                       "",
		"no number at all":       "",
		"42":                     "",
		"version 1.2.3 of 0x10":  "",
		"Throughput: 123.4 MB/s": "Throughput: {throughput} {unit}",
		"starting\nRequests per second:    1,234.5\nlatency = 12ms (mean)": "Requests per second: {requests_per_second}|latency = {latency} {unit}",
		"tps=17":                           "tps={tps}",
		"Elapsed   3.5 s":                  "Elapsed {elapsed} {unit}",
		"10000 requests":                   "{requests} requests",
		"unit: 5":                          "unit: {value}",
		"a: 1\na: 2":                       "a: {a}",
		"{x} * y: 5 ms":                    "{{x}} ** y: {x_y} {unit}",
		"run 12 of 20\nscore: 7":           "run {run} {unit}|score: {score}",
		"0%\r50%\rdone: 9 s":               "done: {done} {unit}",
		"a: 1\nb: 2\nc: 3 ms\nd: 4":        "a: {a}|b: {b}|c: {c} {unit}",
		"2026-11-30 12:00:01 rate: 5 op/s": "rate: {rate} {unit}",
	} {
		if got := strings.Join(Suggest([]byte(text), 3), "|"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
