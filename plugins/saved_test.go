package plugins

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/plugins/fio"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
	"github.com/ktstr/ktstr/plugins/schbench"
	"github.com/ktstr/ktstr/plugins/stressng"
)

// prefixed puts a prefix before each line of text that is not blank. %d in the prefix
// counts the lines.
func prefixed(prefix string) func(text string) string {
	return func(text string) string {
		var b strings.Builder
		n := 0
		for line := range strings.Lines(text) {
			n++
			if strings.TrimSpace(line) != "" {
				before := prefix
				if strings.Contains(prefix, "%") {
					before = fmt.Sprintf(prefix, n)
				}
				b.WriteString(before)
			}
			b.WriteString(line)
		}
		return b.String()
	}
}

// coloured puts the text of each line into terminal codes.
func coloured(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		inner := strings.TrimRight(line, "\n")
		b.WriteString("\x1b[1;32m" + inner + "\x1b[0m\x1b[K" + line[len(inner):])
	}
	return b.String()
}

// ansible makes a JSON string of each line.
func ansible(text string) string {
	var b strings.Builder
	b.WriteString("ok: [node7] => {\n    \"r.stdout_lines\": [\n")
	for line := range strings.Lines(text) {
		quoted, _ := json.Marshal(strings.TrimRight(line, "\n"))
		fmt.Fprintf(&b, "        %s,\n", quoted)
	}
	return strings.TrimSuffix(b.String(), ",\n") + "\n    ]\n}\n"
}

func utf16Text(mark string, little bool) func(text string) string {
	return func(text string) string {
		b := []byte(mark)
		for _, unit := range utf16.Encode([]rune(text)) {
			if little {
				b = append(b, byte(unit), byte(unit>>8))
			} else {
				b = append(b, byte(unit>>8), byte(unit))
			}
		}
		return string(b)
	}
}

// wraps are the forms in which people have the output of benchmarks.
var wraps = map[string]func(string) string{
	"byte order mark":     func(text string) string { return "\ufeff" + text },
	"UTF-16LE":            utf16Text("\xff\xfe", true),
	"UTF-16BE":            utf16Text("\xfe\xff", false),
	"colours":             coloured,
	"docker -t":           prefixed("2026-01-02T03:04:05.%09dZ "),
	"docker service":      prefixed("bench.1.x7f@node-3    | "),
	"compose":             prefixed("bench-1  | "),
	"kubectl":             prefixed("[pod/bench-6d4cf/main] "),
	"journal":             prefixed("Nov 29 21:12:08 node7 bench[%d]: "),
	"journal iso":         prefixed("2026-11-29T21:12:08+0100 node7 bench[77]: "),
	"syslog":              prefixed("Nov  9 21:12:08 node7 bench: "),
	"syslog RFC 5424":     prefixed("<13>1 2026-11-29T21:12:08.123456+01:00 node7 bench 77 - - "),
	"logger -t":           prefixed("<13>Nov 29 21:12:08 bench: "),
	"journal full":        prefixed("Sun 2026-11-29 21:12:08 CET node7 bench[77]: "),
	"journal no hostname": prefixed("Nov 29 21:12:08 bench[77]: "),
	"syslog ISO":          prefixed("2026-11-29T21:12:08.%06d+01:00 node7 bench: "),
	"logger -i":           prefixed("bench[%d]: "),
	"dmesg -x":            prefixed("user  :notice: [   12.%06d] "),
	"dmesg -T":            prefixed("[Sun Nov 29 21:12:08 2026] "),
	"Kubernetes":          prefixed("2026-01-02T03:04:05.%09dZ stdout F "),
	"kernel":              prefixed("[   12.%06d] "),
	"kernel caller":       prefixed("<6>[   12.%06d][  T123] "),
	"GitHub":              prefixed("2026-01-02T03:04:05.%07dZ "),
	"gh run view":         prefixed("bench\tRun fio\t2026-01-02T03:04:05.1234567Z "),
	"GitLab":              prefixed("2026-01-02T03:04:05.%06dZ 00O "),
	"ISO":                 prefixed("2026-01-02 03:04:05 "),
	"ISO brackets":        prefixed("[2026-01-02T03:04:05+01:00] "),
	"epoch":               prefixed("1764450728.%06d "),
	"mail quote":          prefixed("> "),
	"mail quote twice":    prefixed("> > "),
	"avocado":             prefixed("20:22:23 DEBUG| [stdout] "),
	"indented by 4":       prefixed("    "),
	"indented by a tab":   prefixed("\t"),
	"GitHub over compose": prefixed("2026-01-02T03:04:05.%07dZ bench-1  | "),
	"Ansible":             ansible,
	"colours in compose":  func(text string) string { return prefixed("\x1b[36mbench-1  |\x1b[0m ")(coloured(text)) },
	"quoted kubectl":      prefixed("> [pod/bench-6d4cf/main] "),
	"two containers": func(text string) string {
		return "db-1     | ready\n" + prefixed("bench-1  | ")(text)
	},
}

// C8: a capture that is wrapped in another program's output gives the metrics of the
// clean capture.
func TestWrappedCapturesGiveTheSameMetrics(t *testing.T) {
	for _, c := range []struct {
		x   ktstr.Extractor
		dir string
	}{
		{fio.New(), "fio/testdata"},
		{extractors.JSON(), "fio/testdata"},
		{schbench.New(), "schbench/testdata/corpus"},
		{stressng.New(), "stressng/testdata/corpus"},
		{stressng.New(), "stressng/testdata/more"},
	} {
		for i, k := range corpustest.Load(t, c.dir) {
			checkWraps(t, c.x, filepath.Base(k.Dir), k.Streams, i)
		}
	}
}

// The same for the tools that run in process. Each capture is tried in a few of the forms. An
// error is often a line alone, whose prefix nothing shows to be one.
func TestWrappedCapturesOfToolsInProcess(t *testing.T) {
	tools := Parsers()
	for _, name := range Tables() {
		x, _ := Table(name)
		tools = append(tools, x)
	}
	first := 0
	for _, x := range tools {
		name := x.Describe().Name
		for _, k := range corpustest.Load(t, filepath.Join(name, "testdata", "corpus")) {
			first++
			if extract.Run(t.Context(), x, k.Streams, nil).Status != extract.Error {
				checkSome(t, x, filepath.Base(k.Dir), k.Streams, first, 6)
			}
		}
	}
}

// C8: texts of public reports that were once read wrongly.
func TestField(t *testing.T) {
	for dir, x := range map[string]ktstr.Extractor{
		"fio": fio.New(), "schbench": schbench.New(), "stressng": stressng.New(), "../extractors": extractors.JSON(),
	} {
		corpustest.Field(t, x, dir+"/testdata/field")
	}
}

// shifts are the lines that a wrap puts before the text.
var shifts = map[string]int{"two containers": 1, "Ansible": 2}

// checkWraps tries a third of the wraps, and fewer on a large capture. first selects them, so
// that each wrap has small and large captures.
func checkWraps(t *testing.T, x ktstr.Extractor, name string, streams []ktstr.Output, first int) {
	size := 0
	for _, out := range streams {
		size += len(out.Data)
	}
	checkSome(t, x, name, streams, first, 3+min(size>>14, 13))
}

// checkSome tries each wrap whose number has the rest first after the division by sample.
func checkSome(t *testing.T, x ktstr.Extractor, name string, streams []ktstr.Output, first, sample int) {
	want := extract.Run(t.Context(), x, streams, nil)
	for i, wrap := range slices.Sorted(maps.Keys(wraps)) {
		f := wraps[wrap]
		if i%sample != first%sample {
			continue
		}
		wrapped := slices.Clone(streams)
		for i := range wrapped {
			if len(bytes.TrimSpace(wrapped[i].Data)) > 0 {
				wrapped[i].Data = []byte(f(string(wrapped[i].Data)))
			}
		}
		got := extract.Run(t.Context(), extract.Saved(x), wrapped, nil)
		for i := range got.Metrics {
			if got.Metrics[i].Line > 0 {
				got.Metrics[i].Line -= shifts[wrap]
			}
		}
		if got.Status != want.Status || !slices.Equal(got.Metrics, want.Metrics) {
			t.Errorf("%s %s in %s: status %s, %d metrics: want %s, %d; %s", x.Describe().Name, name, wrap, got.Status, len(got.Metrics), want.Status, len(want.Metrics), difference(got, want))
		}
	}
}

// difference is the first difference of the metrics, and what the diagnostics say.
func difference(got, want extract.Result) string {
	for i := range min(len(got.Metrics), len(want.Metrics)) {
		if got.Metrics[i] != want.Metrics[i] {
			return fmt.Sprintf("%+v: want %+v", got.Metrics[i], want.Metrics[i])
		}
	}
	var b strings.Builder
	for _, d := range got.Diagnostics {
		fmt.Fprintf(&b, "%s: %.150s; ", d.Code, d.Message)
	}
	return cmp.Or(b.String(), "no diagnostics")
}
