package compare_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everyWord returns a report with each verdict and each note.
func everyWord() compare.Report {
	a, b := compare.Side{Name: "base"}, compare.Side{Name: "new\x1b[31m"}
	target, _ := ktstr.Target(50)
	long := "a.very.long.name.of.a.user's.own.job.read.clat.p99_9"
	for i := range 12 {
		v := float64(i % 6)
		metrics := func(f float64) []ktstr.Metric {
			return []ktstr.Metric{
				{Name: "rd.read.iops", Value: 52000 + 100*v, Unit: "iops", Polarity: ktstr.Higher},
				{Name: "rd.read.bw.mean", Value: f * (204800 + 300*v), Unit: "KiB/s", Polarity: ktstr.Higher},
				{Name: "rd.read.clat.p99", Value: f * (1234567 + 9000*v), Unit: "ns", Polarity: ktstr.Lower},
				{Name: long, Value: f * (2.5e6 + 1e4*v), Unit: "ns", Polarity: ktstr.Lower},
				{Name: "rd.cpu.ctx", Value: f*f*1000 + v, Unit: "count"},
				{Name: "balance", Value: 50 + 5*f + v/10, Unit: "%", Polarity: target},
				{Name: "rd.lat.mean", Value: 100 + (f-1)*40*(1-2*float64(i%2)) + v, Unit: "us", Polarity: ktstr.Lower},
				{Name: "rd.slat.mean", Value: 100 - (f-1)*20*float64(i%3%2) + v, Unit: "us", Polarity: ktstr.Lower},
				{Name: "from.zero", Value: (f - 1) * (10 + v), Polarity: ktstr.Lower},
				{Name: "not.a.headline", Value: f * (7 + v/100), Unit: "s", Polarity: ktstr.Lower},
			}
		}
		run := func(f float64) compare.Run {
			r := compare.Run{Metrics: metrics(f)}
			for _, m := range r.Metrics[:9] {
				r.Headlines = append(r.Headlines, m.Name)
			}
			return r
		}
		ra, rb := run(1), run(1.25)
		for i := range rb.Metrics {
			if rb.Metrics[i].Name == "balance" {
				rb.Metrics[i].Value = 50 + v/10
			}
		}
		if i < 1 {
			few := ktstr.Metric{Name: "rare", Value: 3, Unit: "ms", Polarity: ktstr.Lower}
			ra.Metrics, rb.Metrics = append(ra.Metrics, few), append(rb.Metrics, few)
			ra.Headlines, rb.Headlines = append(ra.Headlines, "rare"), append(rb.Headlines, "rare")
		}
		ra.Metrics = append(ra.Metrics, ktstr.Metric{Name: "gone", Value: 1 + v, Unit: "ops/s"})
		ra.Headlines = append(ra.Headlines, "gone")
		rb.Metrics = append(rb.Metrics, ktstr.Metric{Name: "unit", Value: 1 + v, Unit: "KiB"})
		ra.Metrics = append(ra.Metrics, ktstr.Metric{Name: "unit", Value: 1 + v, Unit: "us"})
		ra.Headlines = append(ra.Headlines, "unit")
		ra.About = []compare.Fact{{Name: "kernel", Value: "6.1.0"}, {Name: "cpu", Value: "AMD EPYC"}, {Name: "arguments", Value: "--name=rd --rw=randread --bs=4k --iodepth=32 --size=256m --runtime=8 --time_based"}}
		rb.About = []compare.Fact{{Name: "kernel", Value: "6.18.0"}, {Name: "cpu", Value: "AMD EPYC"}, {Name: "arguments", Value: "--name=rd --rw=randread --bs=8k"}}
		rb.Broken = i == 11
		a.Runs, b.Runs = append(a.Runs, ra), append(b.Runs, rb)
	}
	return compare.Compare(a, b, compare.Options{Margins: []compare.Threshold{{Name: "balance", Percent: 1}}})
}

func TestTableFormatsEachVerdict(t *testing.T) {
	for name, table := range map[string]compare.Table{
		"plain": {}, // 80 columns
		"color": {Color: true}, "all": {All: true}, "wide": {Width: 120},
	} {
		got := table.Format(everyWord())
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(got, "")
		if strings.Contains(plain, "\x1b") {
			t.Errorf("%s: an escape of the input reaches the terminal", name)
		}
		if table.Color && plain != (compare.Table{}).Format(everyWord()) {
			t.Error("colour changes more than the colour")
		}
		for line := range strings.Lines(plain) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(80, table.Width) {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
		}
	}
}
