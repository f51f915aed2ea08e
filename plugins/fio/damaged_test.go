package fio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// Lines that say whose numbers follow, whether to trust them, or where a
// document begins. Without one, numbers of equal names may move up, or those of
// a failed job or of the next report are taken; that has to be said.
func namesAJob(line string) bool {
	if strings.HasPrefix(line, "hostname=") {
		return true // of a server, whose report is then taken for a second one
	}
	return strings.Contains(line, `"jobname"`) || strings.Contains(line, "(groupid=") ||
		strings.Contains(line, `"error" : `) || line == "{\n"
}

// headline says whether a line carries one of the numbers that matter most.
func headline(line string) bool {
	for _, mark := range []string{`"iops" `, `"bw_bytes"`, `"bw" `, `"mean"`, `"99.000000"`, `"99.990000"`, "IOPS=", "99.00th=", "lat (", "bw (", "iops  "} {
		if strings.Contains(line, mark) {
			return true
		}
	}
	return false
}

// Any one line removed gives a missing metric, never a wrong number.
func TestLineRemoval(t *testing.T) {
	for _, c := range captures(t) {
		for _, out := range c.streams {
			if len(out.Data) == 0 || len(out.Data) > 100<<10 {
				continue
			}
			t.Run(c.name+"/"+strings.ReplaceAll(string(out.Stream), ":", "-"), func(t *testing.T) {
				t.Parallel()
				whole := parseStream(t, out)
				truth := index(whole)
				for _, d := range whole.Diagnostics {
					if d.Code == ktstr.Truncated {
						truth[cutMark] = ktstr.Metric{}
					}
				}
				start := 0
				for start < len(out.Data) {
					end := start + bytes.IndexByte(out.Data[start:], '\n') + 1
					if end <= start {
						end = len(out.Data)
					}
					line := string(out.Data[start:end])
					if len(out.Data) > 20<<10 && !headline(line) {
						start = end
						continue // the short captures have all the others
					}
					cut := out
					cut.Data = append(append([]byte{}, out.Data[:start]...), out.Data[end:]...)
					x := parseStream(t, cut)
					if strings.Contains(line, ";fio-") {
						start = end
						continue // a job in one line; of its clones nothing tells that it is gone
					}
					if wrong := compare(truth, x); wrong != "" && !(namesAJob(line) && len(x.Diagnostics) > 0) && !otherReport(x) {
						t.Errorf("without %q: %s; %v", line, wrong, x.Diagnostics)
					}
					start = end
				}
			})
		}
	}
}

// otherReport says whether a diagnostic tells that the report which counts is
// not the last one, or is one of another format, because that cannot be read.
func otherReport(x ktstr.Extraction) bool {
	several, broken := false, false
	for _, d := range x.Diagnostics {
		several = several || d.Code == ktstr.SeveralReports
		broken = broken || d.Code == ktstr.Malformed || d.Code == ktstr.Truncated
	}
	return several && broken
}

// Cut at any byte, a capture gives metrics of the whole one, or of an earlier
// report in it, and nothing else.
func TestPrefixes(t *testing.T) {
	for _, c := range captures(t) {
		for _, out := range c.streams {
			if len(out.Data) == 0 || len(out.Data) > 100<<10 {
				continue
			}
			t.Run(c.name+"/"+strings.ReplaceAll(string(out.Stream), ":", "-"), func(t *testing.T) {
				t.Parallel()
				whole := parseStream(t, out)
				truth := index(whole)
				for _, d := range whole.Diagnostics {
					if d.Code == ktstr.SeveralReports {
						return // TestEarlierReport
					}
				}
				step := max(1, len(out.Data)/120)
				for n := 0; n < len(out.Data); n += step {
					cut := out
					cut.Data = out.Data[:n]
					x := parseStream(t, cut)
					if wrong := compare(truth, x); wrong != "" {
						t.Errorf("cut at byte %d: %s; %v", n, wrong, x.Diagnostics)
					}
					between := strings.Contains(c.name, "terse") && n > 0 && out.Data[n-1] == '\n' // whole lines tell nothing of others
					if missing(truth, x) && len(x.Diagnostics) == 0 && !between {
						t.Errorf("cut at byte %d: %d of %d metrics and no diagnostic", n, len(x.Metrics), len(truth))
					}
				}
			})
		}
	}
}

// missing says whether a number of a job in truth is not in x. Whether there
// should have been disks behind a normal report is nowhere said.
func missing(truth map[string]ktstr.Metric, x ktstr.Extraction) bool {
	have := index(x)
	for name := range truth {
		if _, ok := have[name]; !ok && !strings.HasPrefix(name, "disk.") {
			return true
		}
	}
	return false
}

// cutMark in a set of metrics says that they are of a report that was cut.
const cutMark = ""

func truncated(truth map[string]ktstr.Metric) bool {
	_, ok := truth[cutMark]
	return ok
}

func index(x ktstr.Extraction) map[string]ktstr.Metric {
	byName := make(map[string]ktstr.Metric, len(x.Metrics))
	for _, m := range x.Metrics {
		byName[m.Name] = m
	}
	return byName
}

// compare says what in x is not in truth.
func compare(truth map[string]ktstr.Metric, x ktstr.Extraction) string {
	var wrong []string
	for _, m := range x.Metrics {
		want, ok := truth[m.Name]
		if !ok && truncated(truth) {
			continue // a job that was cut, and now ends before the cut
		}
		if !ok || want.Value != m.Value || want.Unit != m.Unit {
			wrong = append(wrong, fmt.Sprintf("%s = %v %s, want %v %s", m.Name, m.Value, m.Unit, want.Value, want.Unit))
		}
	}
	if len(wrong) > 3 {
		wrong = append(wrong[:3], fmt.Sprintf("and %d more", len(wrong)-3))
	}
	return strings.Join(wrong, "; ")
}
