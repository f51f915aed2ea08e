package savedtext

import (
	"strings"
	"testing"
)

const report = "rd: ok\n\n  iops: 10\n"

// prefix puts a prefix before the lines of report that are not blank.
func prefix(p string) string { return p + "rd: ok\n\n" + p + "  iops: 10\n" }

// clean decodes and cleans a text.
func clean(text string) Result {
	decoded, reason := Decode([]byte(text))
	r := Clean(decoded)
	if reason != "" {
		r.Reason = reason
	}
	return r
}

func TestPrefixOnEveryLineIsRemoved(t *testing.T) {
	for name, text := range map[string]string{
		"docker logs -t":       prefix("2026-01-02T03:04:05.123456789Z "),
		"docker service":       prefix("bench.1.x7f@node-3    | "),
		"compose v1":           prefix("bench_1  | "),
		"compose v2":           prefix("bench-1  | "),
		"docker build":         "#12 0.345 rd: ok\n\n#12 1.456   iops: 10\n",
		"kubectl":              prefix("[pod/bench-6d4cf/main] "),
		"journal":              prefix("Nov 29 21:12:08 node7 fio[1234]: "),
		"journal, short-iso":   prefix("2026-11-29T21:12:08+0100 node7 fio[1234]: "),
		"journal, monotonic":   prefix("[   12.345678] node7 fio[1234]: "),
		"journal, short-full":  prefix("Sun 2026-11-29 21:12:08 CET node7 fio[1234]: "),
		"journal, no hostname": prefix("Nov 29 21:12:08 fio[1234]: "),
		"journal to a console": prefix("[   12.345678] fio[1234]: "),
		"syslog without a pid": prefix("Nov  9 21:12:08 node7 fio: "),
		"syslog, ISO":          prefix("2026-11-29T21:12:08.123456+01:00 node7 fio: "),
		"syslog, two forms":    "Nov  9 21:12:08 node7 fio: rd: ok\n\nNov  9 21:12:08 node7 fio[12]:   iops: 10\n",
		"logger -i":            prefix("fio[1234]: "),
		"logger, tag of words": prefix("<13>Nov 29 21:12:08 my bench: "),
		"syslog RFC 5424":      prefix("<13>1 2026-11-29T21:12:08.123456+01:00 node7 fio 12 - - "),
		"logger -s -t":         prefix("<13>Nov 29 21:12:08 fio: "),
		"kernel console":       prefix("[   12.345678] "),
		"kernel, caller":       prefix("<6>[   12.345678][  T123] "),
		"dmesg -T":             prefix("[Sun Nov 29 21:12:08 2026] "),
		"dmesg -x":             prefix("user  :notice: [   12.345678] "),
		"dmesg -d":             prefix("[   12.345678 <    0.000012>] "),
		"dmesg -e":             "[Nov29 21:12] rd: ok\n\n[  +0.000003]   iops: 10\n",
		"Kubernetes":           prefix("2026-01-02T03:04:05.123456789Z stdout F "),
		"GitHub":               prefix("2026-01-02T03:04:05.1234567Z "),
		"gh run view --log":    prefix("bench\tRun fio\t2026-01-02T03:04:05.1234567Z "),
		"GitLab":               prefix("2026-01-02T03:04:05.123456Z 01O "),
		"ISO with a space":     prefix("2026-01-02 03:04:05,123 "),
		"ISO in brackets":      prefix("[2026-01-02T03:04:05.123Z] "),
		"ISO, zone as a word":  prefix("[2026-01-02 03:04:05 UTC] "),
		"ISO, zone apart":      prefix("2026-01-02 03:04:05 +0000 "),
		"log of Go":            prefix("2026/01/02 03:04:05 "),
		"epoch, nanoseconds":   prefix("1764450728123456789 "),
		"epoch":                prefix("1764450728 "),
		"epoch, milliseconds":  prefix("1764450728123: "),
		"ts":                   prefix("Nov 29 21:12:08 "),
		"mail quote":           prefix("> "),
		"mail quote, no space": prefix(">"),
		"second mail quote":    prefix("> >> "),
		"quote, NBSP":          prefix(">\u00a0"),
		"test log":             prefix("20:22:23 DEBUG| [stdout] "),
		"indentation":          prefix("    "),
		"tab":                  prefix("\t"),
		"GitHub and compose":   prefix("2026-01-02T03:04:05.1234567Z bench-1  | "),
	} {
		checkOne(t, name, text, report)
	}
	checkOne(t, "blank line", "a-1  | x\na-1  |\na-1  |  y\n", "x\n\n y\n")
	checkOne(t, "GitLab, a line in two pieces", "2026-01-02T03:04:05Z 01O a\n2026-01-02T03:04:05Z 01O+b\n\n2026-01-02T03:04:05Z 01O  c\n", "ab\n\n\n c\n")
	checkOne(t, "header of the journal", "-- Boot 6c1f --\nNov 29 21:12:08 n fio[1]: x\n", "\nx\n")
}

// checkOne checks that a text has one reading without its prefix.
func checkOne(t *testing.T, name, text, want string) {
	t.Helper()
	r := clean(text)
	if len(r.Readings) != 1 || r.Overwrites || string(r.Readings[0].Data) != want {
		t.Errorf("%s: %+v: want the reading %q", name, r, want)
	}
}

func TestTextThatOnlyLooksPrefixedStays(t *testing.T) {
	for name, text := range map[string]string{
		"fio terse":          "3;fio-3.36;a;0;0;400\n3;fio-3.36;b;0;0;400\n",
		"iperf3":             "[  5] local 10.0.0.1 port 1\n[  5]   0.00-1.00   sec  1 GBytes\n",
		"stress-ng":          "stress-ng: info:  [1234] dispatching\nstress-ng: metrc: [1234] cpu 629\n",
		"YAML":               "metrics:\n    - stressor: cpu\n      bogo-ops: 629\n",
		"YAML sequence":      "- stressor: cpu\n- stressor: vm\n",
		"fio percentiles":    "  | 1.00th=[ 3],\n| 5.00th=[ 4]\n",
		"CSV of times":       "1764450728,12\n1764450729,13\n",
		"small numbers":      "1000 12\n1001 13\n",
		"time of day":        "12:34:56 AM  all  0.5\n12:34:57 AM  all  0.6\n",
		"one indented line":  "  a\nb\n",
		"JSON":               "{\n  \"a\": 1\n}\n",
		"JSON array":         "[1.5, 2]\n[1.5, 3]\n",
		"blank":              "\n  \n\n",
		"empty":              "",
		"shell prompt":       "$ fio\n$ fio\n",
		"two journal hosts":  "Nov 29 21:12:08 a fio[1]: x\nNov 29 21:12:08 b fio[1]:   y\n",
		"bars in two places": "a-1  | x\na-1 | y\n",
		"a word is no zone":  "2026-01-02 03:04:05 EST x\n2026-01-02 03:04:05 y\n",
		"one word, a colon":  "fio: x\nfio: y\n",
	} {
		r := clean(text)
		for _, reading := range r.Readings {
			if name == "two journal hosts" && strings.HasPrefix(string(reading.Data), "a fio[1]: x\n") {
				continue // a plain timestamp is one
			}
			t.Errorf("%s: %q: want the text as it is", name, reading.Data)
		}
	}
}

func TestPrefixOnMostLinesIsReported(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		r := clean(text)
		if r.Reason != want || len(r.Readings) > 0 {
			t.Errorf("%q: %q, %d readings: want %q", text, r.Reason, len(r.Readings), want)
		}
	}
	check("a-1  | x\na-1  | y\nend\n", "the prefix of docker compose stands on 2 of the 3 lines that are not blank: want it on all")
	check("On Monday, Ada wrote:\n> x\n> y\n", "the prefix of a mail quote stands on 2 of the 3 lines that are not blank: want it on all")
	check("a\nb\n> x\n> y\n", "")
}

func TestEachSourceIsAReading(t *testing.T) {
	r := clean("db-1   | ready\nfio-1  | iops: 10\ndb-1   | done\n")
	if len(r.Readings) != 2 {
		t.Fatalf("%d readings: want 2", len(r.Readings))
	}
	for i, want := range []struct{ source, text string }{{"db-1", "ready\n\ndone\n"}, {"fio-1", "\niops: 10\n\n"}} {
		if got := r.Readings[i]; got.Source != want.source || string(got.Data) != want.text {
			t.Errorf("%s: %q: want %s: %q", got.Source, got.Data, want.source, want.text)
		}
	}

	var many strings.Builder
	for i := range maxSources + 1 {
		many.WriteString("c-" + string(rune('a'+i)) + "  | x\n")
	}
	if r := clean(many.String()); len(r.Readings) != 0 || !strings.Contains(r.Reason, "more than 16 sources") {
		t.Errorf("%d readings, %q: want none of more than 16 sources", len(r.Readings), r.Reason)
	}
}

func TestAnsibleQuotes(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		r := clean(text)
		got := ""
		if len(r.Readings) == 1 {
			got = string(r.Readings[0].Data)
		}
		if got != want {
			t.Errorf("%q: %q, %d readings: want %q", text, got, len(r.Readings), want)
		}
	}
	check("ok: [n7] => {\n    \"r.stdout_lines\": [\n        \"a \\\"b\\\"\",\n        \"  c\\td\"\n    ]\n}\n", "\n\na \"b\"\n  c\td\n\n\n")
	check("TASK [x] ***\nchanged: [n7] => {\n  \"msg\": [\n    \"a\"\n  ]\n}\n", "\n\n\na\n\n\n")
	check("ok: [localhost] => (item=a) => {\n    \"item.stdout_lines\": [\n        \"a\"\n    ]\n}\n", "\n\na\n\n\n")
	check("        \"a\",\n        \"\",\n        \"b\",\n", "a\n\nb\n")         // copied without the head
	check("\"stdout_lines\": [\n  \"a\",\n  \"b\"\n]\n", "\na\nb\n\n")           // copied without the host
	check("\"a\",\nb\n", "")                                                     // other text
	check("ok: [n7] => {\n    \"r.stdout_lines\": [\n        \"a\",\n", "")      // the end is missing
	check("ok: [n7] => {\n    \"r.stdout_lines\": [\n        1\n    ]\n}\n", "") // not a string
	check("{\n    \"stdout_lines\": [\n        \"iops: 1\"\n    ]\n}\n", "")     // JSON, not Ansible's
	check("ok: [n7] => {\n    \"x\": [\n        \"a\"\n    ]\n}\n", "")          // another key
	check("ok: [n7] => {\n    \"msg\": [\n        \"a\\nb\"\n    ]\n}\n", "")    // a line end would move the lines
}

func TestPrefixesOnly(t *testing.T) {
	raw := "[   12.345678] {\"a\": 1}\n\n[   12.345679] x\r\n"
	r := clean(raw)
	if got, want := string(r.Readings[0].PrefixesOnly([]byte(raw))), "[   12.345678] \n\n[   12.345679] \r\n"; got != want {
		t.Errorf("%q: want %q", got, want)
	}
}
