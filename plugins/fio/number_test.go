package fio

import (
	"testing"
)

func TestVersionDiagnostics(t *testing.T) {
	for version, want := range map[string]string{
		"fio-3.42":                "",
		"fio-2.21-dirty":          "",
		"fio-3.50":                "fio 3.50 is newer than any this plugin was proven on (3.42)",
		"fio-4.0":                 "fio 4.0 is newer than any this plugin was proven on (3.42)",
		"fio-2.2.10":              "fio 2.2.10 is older than any this plugin was proven on (2.21)",
		"fio-3.28":                "fio 3.28 lies between the versions this plugin was proven on (2.21, 3.16, 3.33, 3.42)",
		"fio-3.42-15-gabcdef":     "fio 3.42-15-gabcdef lies between the versions this plugin was proven on (2.21, 3.16, 3.33, 3.42)",
		"flexible I/O tester one": `fio version "flexible I/O tester one" is not one this plugin was proven on (2.21, 3.16, 3.33, 3.42)`,
	} {
		d, _ := parseVersion(version).check(1)
		if d.Message != want {
			t.Errorf("%s: got %q, want %q", version, d.Message, want)
		}
	}
}

func TestPercentileName(t *testing.T) {
	for text, want := range map[string]string{
		"99.900000": "p99_9", "99.99": "p99_99", "1.000000": "p1", "50.0": "p50", "50": "p50", "100.000000": "p100", "0.5": "p0_5",
		"25.0": "p25", "99.999000": "p99_999", "05.0": "p5", "0.00": "", "0": "", "": "", ".5": "", "-1": "", "1e2": "", "1.2.3": "", "x": "", "5.": "p5",
	} {
		got, ok := percentileName([]byte(text))
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q (%v), want %q", text, got, ok, want)
		}
	}
}

func TestScaled(t *testing.T) {
	for text, want := range map[string]float64{"4238.6k": 4238600, "23.6k": 23600, "1710.0k": 1710000, "12M": 12e6, "7": 7, "1.001k": 1001} {
		if got, ok := scaled(text); !ok || got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "k", "1e3", "1e3k", "1kk", "-", "1.k"} {
		if got, ok := scaled(text); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}
