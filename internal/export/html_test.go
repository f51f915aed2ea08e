package export_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// A report is what the parser of golang.org/x/net reads in a page.
type report struct {
	scripts, styles []string
	policy, text    string
	attributes      []html.Attribute
	data            struct {
		Title       string
		Redacted    bool
		Runs        []map[string]any
		Metrics     []reportMetric
		Comparisons []struct {
			A, B struct {
				Runs     []int
				Prefixes []string
			}
			Rows []struct {
				Metric, Verdict, A, B string
				Change                *float64
			}
		}
	}
}

type reportMetric struct {
	Name, Unit, Display string
	Headline            bool
	Values              []any
	Lines               []int
	Raw                 []string
}

func readReport(t *testing.T, page []byte) (r report) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			switch n.Parent.Data {
			case "script":
				if n.Parent.Attr == nil {
					r.scripts = append(r.scripts, n.Data)
					break
				}
				var block struct{ Gzip []byte }
				if err := json.Unmarshal([]byte(n.Data), &block); err != nil {
					t.Fatal(err)
				}
				z, err := gzip.NewReader(bytes.NewReader(block.Gzip))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.NewDecoder(z).Decode(&r.data); err != nil {
					t.Fatal(err)
				}
			case "style":
				r.styles = append(r.styles, n.Data)
			default:
				r.text += n.Data
			}
		}
		if n.Data == "meta" && len(n.Attr) == 2 && n.Attr[0].Val == "Content-Security-Policy" {
			r.policy = n.Attr[1].Val
			continue
		}
		r.attributes = append(r.attributes, n.Attr...)
	}
	return r
}

// The page needs no network, its policy allows its own scripts and styles only, and no text
// of a run is outside of the block of data.
func TestHTMLIsOneFile(t *testing.T) {
	list := hostileRuns()
	for i := range list {
		list[i].Record.Payload = `</script><script>alert(1)</script>` + "\u202e"
	}
	page := write(t, "html", export.Source{Runs: list})
	r := readReport(t, page)
	if len(r.scripts) != 2 || len(r.styles) != 2 {
		t.Fatalf("%d scripts, %d styles; want 2, 2", len(r.scripts), len(r.styles))
	}
	want := "default-src 'none'; script-src"
	hashes := func(texts []string) {
		for _, text := range texts {
			sum := sha256.Sum256([]byte(text))
			want += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
	}
	hashes(r.scripts)
	want += "; style-src"
	hashes(r.styles)
	if want += "; base-uri 'none'; form-action 'none'"; r.policy != want {
		t.Errorf("policy %s, want %s", r.policy, want)
	}
	for _, a := range r.attributes {
		if strings.Contains(a.Val, "//") || a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") {
			t.Errorf("attribute %s=%q", a.Key, a.Val)
		}
	}
	if strings.Count(string(page), "alert(1)") != 2 || !strings.Contains(r.text, "</script><script>alert(1)</script>\uFFFD") {
		t.Errorf("the name of the payload: want it escaped in the title and in the heading, without U+202E, in %q", r.text)
	}
	if !strings.Contains(r.text, "Not redacted") {
		t.Errorf("want that it was not redacted in %q", r.text)
	}
}

// Each run has its value or null. A failed run keeps its place.
func TestHTMLHasEveryRun(t *testing.T) {
	list := some(t, 1)
	r := readReport(t, write(t, "html", export.Source{Runs: list}))
	if len(r.data.Runs) != 4 || len(r.data.Metrics) != 3 {
		t.Fatalf("%d runs, %d metrics; want 4, 3", len(r.data.Runs), len(r.data.Metrics))
	}
	m := r.data.Metrics[0]
	if got, want := fmt.Sprintf("%s %s %v %v", m.Name, m.Unit, m.Headline, m.Values), "p99 us true [40 60 42 <nil>]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := fmt.Sprint(r.data.Metrics[2].Values); got != "[+Inf +Inf +Inf <nil>]" {
		t.Errorf("infinities: %s", got)
	}
	var verdicts []string
	for _, run := range r.data.Runs {
		verdicts = append(verdicts, fmt.Sprint(run["verdict"], " ", run["broken"]))
	}
	if got, want := strings.Join(verdicts, ", "), "passed false, failed false, failed true, timed out true"; got != want {
		t.Errorf("verdicts %s, want %s", got, want)
	}
	repeat := fmt.Sprint(r.data.Runs[0]["repeat"])
	if !strings.HasSuffix(repeat, `/bench.yaml && ktstr run bench --payload-dir "$d"`) {
		t.Errorf("repeat %s", repeat)
	}
}

// A comparison names the runs of its sides. A value that was not measured is absent.
func TestHTMLComparison(t *testing.T) {
	s := comparison(t)
	c := readReport(t, write(t, "html", s)).data.Comparisons[0]
	if got, want := fmt.Sprint(c.A.Runs, c.B.Runs), "[0 1 2 3] [0 1 2 3]"; got != want { // the same runs are on both sides
		t.Errorf("runs of the sides: %s, want %s", got, want)
	}
	if row := c.Rows[0]; row.Metric != "p99" || row.Verdict != "too few" || row.A != "50 us ±10 us" || row.Change == nil {
		t.Errorf("row %+v", row)
	}
}

// Values of one metric are in one unit. A unit that does not convert makes a metric of its own.
func TestHTMLUnits(t *testing.T) {
	run := func(id string, v float64, unit string) runs.Run {
		return runs.Run{Record: core.Record{ID: id, Payload: "p", Verdict: core.Pass, Metrics: []ktstr.Metric{{Name: "lat", Value: v, Unit: unit}}}}
	}
	r := readReport(t, write(t, "html", export.Source{Runs: []runs.Run{run("1", 2000, "us"), run("2", 3, "ms"), run("3", 4, "iops")}}))
	var got []string
	for _, m := range r.data.Metrics {
		got = append(got, fmt.Sprint(m.Unit, " ", m.Display, " ", m.Values))
	}
	if want := "us ms [2000 3000 <nil>]; iops iops [<nil> <nil> 4]"; strings.Join(got, "; ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
}

// A headline has the line of the raw output that it was read from. A payload with secrets has none.
func TestHTMLRawLines(t *testing.T) {
	list := some(t, 1)[:2]
	for i := range list {
		list[i].Record.Metrics[0].Line = 2
		if err := os.WriteFile(filepath.Join(list[i].Dir, "stdout"), []byte("first\np99 40 </script>\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(list[1].Dir, "payload.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "env: {PASS: x}\nsecrets: [PASS]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	m := readReport(t, write(t, "html", export.Source{Runs: list})).data.Metrics[0]
	if got, want := fmt.Sprintf("%s %v %q", m.Name, m.Lines, m.Raw), `p99 [2 2] ["p99 40 </script>" ""]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The command that repeats a run does not enter a directory that was removed after the run.
func TestHTMLRepeat(t *testing.T) {
	list := some(t, 1)[:2]
	list[0].Record.Dir = "/a b"
	list[1].Record.Scratch, list[1].Record.Dir = &core.Scratch{Dir: "/scratch-1"}, "/scratch-1/sub"
	for i, r := range readReport(t, write(t, "html", export.Source{Runs: list})).data.Runs {
		want := []string{"cd '/a b' && d=$(mktemp -d) && cp ", "d=$(mktemp -d) && cp "}[i]
		if got := fmt.Sprint(r["repeat"]); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s…", got, want)
		}
	}
}

// Two Slurm nodes on one machine are two hosts.
func TestReportTellsHostsOfAFleetApart(t *testing.T) {
	list := some(t, 1)
	for i := range list {
		list[i].Record.Where = &core.Where{Engine: "slurm", Host: fmt.Sprint("n", i%2)}
	}
	runs := readReport(t, write(t, "html", export.Source{Runs: list})).data.Runs
	if fmt.Sprint(runs[0]["host"], runs[1]["host"], runs[2]["host"]) != "0 1 0" {
		t.Errorf("hosts %v, %v and %v, want 0, 1 and 0", runs[0]["host"], runs[1]["host"], runs[2]["host"])
	}
}
