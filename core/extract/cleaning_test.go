package extract_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// numbers reads lines such as "iops: 10". It reports other lines as malformed.
var numbers = ktstr.Parser{
	Description: ktstr.Description{Name: "numbers"},
	Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		for i, line := range strings.Split(string(out.Data), "\n") {
			if m := regexp.MustCompile(`^(\w+): (\d+)\r?$`).FindStringSubmatch(line); m != nil {
				v, _ := strconv.ParseFloat(m[2], 64)
				e.Metrics = append(e.Metrics, ktstr.Metric{Name: m[1], Value: v, Line: i + 1})
			} else if strings.Contains(line, "fatal") {
				return e, errors.New("fatal")
			} else if strings.TrimSpace(line) != "" {
				e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.Malformed, Message: "a line", Line: i + 1})
			}
		}
		return e, nil
	},
}

// summary returns the metrics, and the diagnostics that are not malformed.
func summary(r extract.Result) string {
	s := string(r.Status)
	for _, m := range r.Metrics {
		s += fmt.Sprintf(" %s=%v@%d", m.Name, m.Value, m.Line)
	}
	for _, d := range r.Diagnostics {
		if d.Code != ktstr.Malformed {
			s += fmt.Sprintf("; %s: %s", d.Code, d.Message)
		}
	}
	return s
}

func read(t *testing.T, x ktstr.Extractor, text string) string {
	t.Helper()
	return summary(extract.Run(t.Context(), x, []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte(text)}}, nil))
}

// C8: saved text is cleaned if that tells more than the raw text. One diagnostic names
// everything that was removed, and the numbers of the lines are those of the raw text.
func TestSaved(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"raw", "iops: 10\nlat: 5\n", "ok iops=10@1 lat=5@2"},
		{"compose", "\na-1  | iops: 10\n\na-1  | lat: 5\n", "ok iops=10@2 lat=5@4; cleaned: the text was read without the prefix of docker compose on 2 lines"},
		{"colours below a timestamp", "2026-01-02T03:04:05Z \x1b[1miops: 10\x1b[0m\n", "ok iops=10@1; cleaned: the text was read without 2 terminal codes, the prefix of a timestamp on 1 line"},
		{"UTF-16", "\xff\xfei\x00:\x00 \x001\x00\n\x00", "ok i=1@1; cleaned: the text was read without the UTF-16 encoding"},
		{"a mark hides the first line", "\ufeffiops: 10\nlat: 5\n", "ok iops=10@1 lat=5@2; cleaned: the text was read without 1 byte order mark"},
		{"overwritten", "1%\riops: 10\n", "ok iops=10@1; cleaned: the text was read without the text that a carriage return overwrites on 1 line"},
		{"one of two lines overwritten", "1%\riops: 10\nlat: 5\n", "ok iops=10@1 lat=5@2; cleaned: the text was read without the text that a carriage return overwrites on 1 line"},
		{"raw counts although a line is overwritten", "1%\rx\nlat: 5\n", "ok lat=5@2"},
		{"one of two containers", "db-1   | ready\nfio-1  | iops: 10\n", "ok iops=10@2; cleaned: the text was read without the prefix of docker compose on 2 lines, all lines that are not of fio-1"},
		{"two containers with measurements", "a-1  | iops: 10\nb-1  | iops: 12\n", "none; not-cleaned: nothing was removed from the text: both a-1 and b-1 have measurements: want the lines of one of them"},
		{"a prefix on most lines", "> iops: 10\n> lat: 5\nBest regards\n", "none; not-cleaned: nothing was removed from the text: the prefix of a mail quote stands on 2 of the 3 lines that are not blank: want it on all"},
		{"UTF-32", "\xff\xfe\x00\x00", "none; not-cleaned: nothing was removed from the text: the byte order mark is that of UTF-32: want UTF-8 or UTF-16"},
		{"prose", "hello\n", "none"},
		{"colours where no number stands", "iops: 10\n\x1b[1mhello\x1b[0m\n", "ok iops=10@1"},
		{"a failure after cleaning", "> fatal\n", "error"},
	} {
		if got := read(t, extract.Saved(numbers), c.text); got != c.want {
			t.Errorf("%s: %s: want %s", c.name, got, c.want)
		}
	}
}

// C8: the library gives raw text to an extractor unless its user asks for cleaning.
func TestRunGivesRawText(t *testing.T) {
	if got := read(t, numbers, "\ufeffiops: 10\n\x1b[1mlat: 5\x1b[0m\n"); got != "none" {
		t.Errorf("%s: want none", got)
	}
}

// C8: the output of a run loses byte order marks and colours, and nothing else.
func TestCaptured(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"raw", "iops: 10\n", "ok iops=10@1"},
		{"colours", "\ufeff\x1b[1miops: 10\x1b[0m\n", "ok iops=10@1; cleaned: the text was read without 1 byte order mark, 2 terminal codes"},
		{"compose", "a-1  | iops: 10\n", "none"},
		{"overwritten", "1%\riops: 10\n", "none"},
	} {
		if got := read(t, extract.Captured(numbers), c.text); got != c.want {
			t.Errorf("%s: %s: want %s", c.name, got, c.want)
		}
	}
}

// contains reads the first number of each line that follows "=", with the text before
// it as the name.
var contains = ktstr.Parser{
	Description: ktstr.Description{Name: "contains"},
	Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		for i, line := range strings.Split(string(out.Data), "\n") {
			if m := regexp.MustCompile(`(\S*)=(\d+)`).FindStringSubmatch(line); m != nil {
				v, _ := strconv.ParseFloat(m[2], 64)
				e.Metrics = append(e.Metrics, ktstr.Metric{Name: m[1], Value: v, Line: i + 1})
			}
		}
		return e, nil
	},
}

// C8: a raw text with a measurement counts, unless the prefix is a part of a name or of
// a measurement.
func TestSavedPrefersTheRawText(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"same reading", "a-1  | iops=10\n", "ok iops=10@1"},
		{"prefix in the name", ">iops=10\n>lat=5\n", "ok iops=10@1 lat=5@2; cleaned: the text was read without the prefix of a mail quote on 2 lines"},
		{"prefix is a measurement", "[pod/x=1/c] iops=10\n", "ok iops=10@1; cleaned: the text was read without the prefix of kubectl on 1 line"},
	} {
		if got := read(t, extract.Saved(contains), c.text); got != c.want {
			t.Errorf("%s: %s: want %s", c.name, got, c.want)
		}
	}
}

// C8: two readings with other values are ambiguous, so nothing is removed.
func TestSavedKeepsAnAmbiguousText(t *testing.T) {
	length := ktstr.Parser{Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		e.Metrics = []ktstr.Metric{{Name: "length", Value: float64(len(out.Data)), Line: 1}}
		return e, nil
	}}
	got := read(t, extract.Saved(length), "> iops\n")
	if want := "ok length=7@1; not-cleaned: nothing was removed from the text: it can also be read, with another result, without the prefix of a mail quote on 1 line"; got != want {
		t.Errorf("%s: want %s", got, want)
	}
}

// A wrapped line is joined if that gives a measurement, and several are reported in any case.
func TestSavedReportsWrappedLines(t *testing.T) {
	long := strings.Repeat("x", 60)
	pair := ktstr.Parser{Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		if strings.Contains(string(out.Data), "xxx 1000000000000") {
			e.Metrics = []ktstr.Metric{{Name: "n", Value: 1, Line: 1}}
		}
		return e, nil
	}}
	got := read(t, extract.Saved(pair), "a: "+long+"\n1000000000000 x\nend\n")
	if want := "ok n=1@1; rewrapped: a mail program seems to have re-wrapped 1 line: they were joined with the lines before"; got != want {
		t.Errorf("%s: want %s", got, want)
	}
	got = read(t, extract.Saved(pair), "a: "+long+"\n2000000000000 x\nb: "+long+"\n3000000000000 x\nend\n")
	if want := "none; rewrapped: a mail program seems to have re-wrapped 2 lines: want the text as the tool printed it"; got != want {
		t.Errorf("%s: want %s", got, want)
	}
	// A text without faults is complete, whatever its lines look like.
	sound := ktstr.Parser{Parse: func(ktstr.Output) (ktstr.Extraction, error) {
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "n", Value: 1, Line: 1}}}, nil
	}}
	got = read(t, extract.Saved(sound), "a: "+long+"\n2000000000000 x\nb: "+long+"\n3000000000000 x\nend\n")
	if want := "ok n=1@1"; got != want {
		t.Errorf("%s: want %s", got, want)
	}
}
