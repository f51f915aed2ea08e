package export

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
)

// A page is the data of an HTML report. page/report.js draws it. Numbers of a run are in
// columns, one for each metric of a payload, because columns compress well.
type page struct {
	Title       string           `json:"title"`
	About       string           `json:"about"`
	Redacted    bool             `json:"redacted"`
	Hosts       []core.Host      `json:"hosts"`
	Runs        []pageRun        `json:"runs"` // the oldest first
	Metrics     []*pageMetric    `json:"metrics"`
	Comparisons []pageComparison `json:"comparisons"`

	served bool
}

// A pageRun is one run.
type pageRun struct {
	Name     string            `json:"name"`
	Payload  string            `json:"payload"`
	Variant  string            `json:"variant"`
	Start    time.Time         `json:"start"`
	Seconds  float64           `json:"seconds"`
	Verdict  string            `json:"verdict"` // in words
	Broken   bool              `json:"broken"`  // its metrics do not count
	Failures []string          `json:"failures"`
	Host     int               `json:"host"`  // the index in Hosts
	Facts    map[string]string `json:"facts"` // that make runs comparable, without those of the host
	Set      string            `json:"set"`
	Tags     []string          `json:"tags"`
	Commit   string            `json:"commit"`
	Time     string            `json:"time"` // of the commit
	Dirty    bool              `json:"dirty"`
	Base     string            `json:"base"`   // the URL of the bundle; empty: there is none, or the report is redacted
	Find     string            `json:"find"`   // by which ktstr explain finds the run; empty: it cannot
	Repeat   string            `json:"repeat"` // the command that repeats the run; empty: there is none
}

// A pageMetric has the values of one metric of a payload, one for each run of the payload.
type pageMetric struct {
	Payload  string          `json:"payload"`
	Name     string          `json:"name"`
	Unit     string          `json:"unit"`
	Better   string          `json:"better"`
	Headline bool            `json:"headline"`
	Own      bool            `json:"own"`     // measured by ktstr around the run
	Display  string          `json:"display"` // the unit that reads best
	Factor   float64         `json:"factor"`  // from Unit to Display
	Values   []*ktstr.Number `json:"values"`  // null: not measured
	Stream   ktstr.Stream    `json:"stream"`
	Lines    []int           `json:"lines,omitempty"` // of a headline, where each value was read; 0: unknown
	Raw      []string        `json:"raw,omitempty"`   // these lines, shortened
}

// A pageComparison is a comparison with the runs of its sides.
type pageComparison struct {
	A           pageSide             `json:"a"`
	B           pageSide             `json:"b"`
	Summary     string               `json:"summary"`
	Status      int                  `json:"status"` // the exit status
	Differences []compare.Difference `json:"differences"`
	Notes       []string             `json:"notes"`
	Rows        []pageRow            `json:"rows"`
}

// A pageSide has the runs of one side. The comparison puts the prefix of a run before the
// names of its metrics.
type pageSide struct {
	Name     string   `json:"name"`
	Runs     []int    `json:"runs"`
	Prefixes []string `json:"prefixes"`
}

// A pageRow is one metric of a comparison.
type pageRow struct {
	Metric    string        `json:"metric"`
	Verdict   string        `json:"verdict"` // in words
	Decides   bool          `json:"decides"`
	Shown     bool          `json:"shown"`
	Better    string        `json:"better"`
	A         string        `json:"a"` // the median and the spread, for a person; empty: not measured
	B         string        `json:"b"`
	Change    *ktstr.Number `json:"change"`
	Low       *ktstr.Number `json:"low"` // bounds of the change
	High      *ktstr.Number `json:"high"`
	P         *ktstr.Number `json:"p"`
	Level     *ktstr.Number `json:"level"`
	MinEffect float64       `json:"min_effect"`
	Margin    float64       `json:"margin"` // percent
	Open      string        `json:"open"`   // what an open verdict needs; empty: it is not open
	Note      string        `json:"note"`
}

// pageOf returns the data of a report.
func pageOf(s Source) page {
	p := page{Redacted: s.Redacted, served: s.Served, Hosts: []core.Host{}, Runs: []pageRun{}, Metrics: []*pageMetric{}, Comparisons: []pageComparison{}}
	reports, sides := s.Comparisons, s.Sides
	list := slices.Clone(s.Runs)
	if s.Report != nil {
		reports, sides = []compare.Report{*s.Report}, [][2][]runs.Run{{s.Runs, s.Other}}
	}
	for _, side := range sides {
		list = append(append(list, side[0]...), side[1]...)
	}
	list, _ = runs.Distinct(list)
	list = slices.DeleteFunc(list, func(r runs.Run) bool { return r.Err != nil })
	slices.SortStableFunc(list, func(a, b runs.Run) int { return a.Record.Start.Compare(b.Record.Start) })
	at := map[string]int{}
	for i, r := range list {
		at[runs.Identity(r.Record)] = i
		p.addRun(r)
	}
	for _, of := range byPayload(list) {
		p.Metrics = append(p.Metrics, metricsOf(of, s.Redacted)...)
	}
	for i, r := range reports {
		c := comparisonOf(r)
		if i < len(sides) {
			c.addRuns(sides[i], at)
		}
		p.Comparisons = append(p.Comparisons, c)
	}
	p.name(list, reports)
	return p
}

// name sets the title and the line below it.
func (p *page) name(list []runs.Run, reports []compare.Report) {
	var titles []string
	for _, r := range list {
		if t := r.Record.Payload; !slices.Contains(titles, t) {
			titles = append(titles, t)
		}
	}
	const most = 3
	if more := len(titles) - most; more > 0 {
		titles = append(titles[:most], text.Count(more, "more payload"))
	}
	p.Title = strings.Join(titles, ", ")
	if len(reports) == 1 {
		p.Title += ": " + reports[0].B.Name + " against " + reports[0].A.Name
	}
	if len(list) == 0 {
		p.Title, p.About = "No runs", "No run was selected."
		return
	}
	var hosts []string
	for _, h := range p.Hosts {
		if !slices.Contains(hosts, h.Name) {
			hosts = append(hosts, h.Name)
		}
	}
	first, last := list[0].Record.Start, list[len(list)-1].Record.Start
	const layout = "2006-01-02 15:04 MST"
	when := first.Format(layout)
	if until := last.Format(layout); until != when {
		when += " to " + until
	}
	where := text.Count(len(hosts), "host")
	if len(hosts) == 1 {
		where = hosts[0]
	}
	p.About = fmt.Sprintf("%s on %s, %s", text.Count(len(list), "run"), where, when)
}

// addRun appends a run.
func (p *page) addRun(run runs.Run) {
	r := run.Record
	r.Host.BootID = "" // one host, also after it was started again
	r.Host.Name = runs.Host(r)
	host := slices.Index(p.Hosts, r.Host)
	if host < 0 {
		host = len(p.Hosts)
		p.Hosts = append(p.Hosts, r.Host)
	}
	x := pageRun{
		Name: run.Name, Payload: r.Payload, Variant: runs.Variant(r), Start: r.Start, Seconds: time.Duration(r.Duration).Seconds(),
		Verdict: verdictOf(r), Broken: runs.Broken(r), Failures: []string{}, Host: host, Facts: map[string]string{},
		Set: r.Labels[runs.LabelSet], Tags: append([]string{}, run.Tags...), Commit: r.Labels[runs.LabelCommit],
		Time: r.Labels[runs.LabelCommitTime], Dirty: r.Labels[runs.LabelDirty] == "true", Find: run.Name,
	}
	for _, m := range messages(r) {
		if m != "" {
			x.Failures = append(x.Failures, m)
		}
	}
	for _, f := range runs.Facts(r) {
		if f.Value != "" {
			x.Facts[f.Name] = f.Value
		}
	}
	if dir, err := filepath.Abs(run.Dir); err == nil && run.Dir != "" && !p.Redacted {
		x.Base = (&url.URL{Scheme: "file", Path: dir + "/"}).String()
		if p.served {
			x.Base = rawPath + url.PathEscape(run.Name) + "/"
		}
		x.Find = dir
		x.Repeat = repeatCommand(dir, r)
	}
	p.Runs = append(p.Runs, x)
}

// repeatCommand returns the command that makes the run of a bundle again, with the arguments
// and the checks that it had.
func repeatCommand(dir string, r core.Record) string {
	q := shellescape.Quote
	command := fmt.Sprintf("d=$(mktemp -d) && cp %s \"$d\"/%s && ktstr run %s --payload-dir \"$d\"",
		q(filepath.Join(dir, "payload.yaml")), q(r.Payload+".yaml"), q(r.Payload))
	if r.Scratch != nil && strings.HasPrefix(r.Dir, r.Scratch.Dir) {
		return command // the directory was made for the run and is gone
	}
	return "cd " + q(r.Dir) + " && " + command
}

// verdictOf returns the verdict of a run in words.
func verdictOf(r core.Record) string {
	switch {
	case r.NotStarted != "":
		return "not started"
	case r.Interrupted:
		return "interrupted"
	case r.TimedOut:
		return "timed out"
	case r.Verdict == core.Pass:
		return "passed"
	}
	return "failed"
}

// byPayload groups runs by payload, in the order of their first occurrence.
func byPayload(list []runs.Run) (groups [][]runs.Run) {
	at := map[string]int{}
	for _, r := range list {
		i, ok := at[r.Record.Payload]
		if !ok {
			i = len(groups)
			at[r.Record.Payload], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// metricsOf returns the metrics of the runs of one payload, those that decide first. Values
// are in the unit of the first run that has the metric. A metric whose unit does not convert
// to it is a metric of its own.
func metricsOf(list []runs.Run, redacted bool) (all []*pageMetric) {
	columns := map[string][]*pageMetric{}
	decides := map[string]bool{}
	for _, row := range headlines(list) {
		decides[row.Metric] = true
	}
	for i, r := range list {
		raw := rawLines(r, decides, redacted)
		seen := map[string]bool{}
		for _, m := range r.Record.Metrics {
			if seen[m.Name] {
				continue // the first metric with a name counts
			}
			seen[m.Name] = true
			c := column(columns[m.Name], m.Unit)
			if c == nil {
				c = &pageMetric{
					Payload: r.Record.Payload, Name: m.Name, Unit: m.Unit, Better: m.Polarity.String(), Headline: decides[m.Name],
					Own: m.Stream == ktstr.RunStream, Values: make([]*ktstr.Number, len(list)), Stream: m.Stream,
				}
				if c.Headline && !c.Own {
					c.Lines, c.Raw = make([]int, len(list)), make([]string, len(list))
				}
				columns[m.Name], all = append(columns[m.Name], c), append(all, c)
			}
			v := m.Value
			if converted, err := unit.Convert(v, m.Unit, c.Unit); err == nil {
				v = converted
			}
			c.Values[i] = (*ktstr.Number)(&v)
			if c.Lines != nil {
				c.Lines[i], c.Raw[i] = m.Line, raw[m.Name]
			}
		}
	}
	for _, c := range all {
		c.scale()
	}
	slices.SortStableFunc(all, func(a, b *pageMetric) int { return rank(a) - rank(b) })
	return all
}

// rank orders metrics: headlines, other metrics of the payload, those of the run itself.
func rank(m *pageMetric) int {
	switch {
	case m.Headline:
		return 0
	case m.Own:
		return 2
	}
	return 1
}

// column returns the first of the columns whose unit the unit u converts to, or nil.
func column(columns []*pageMetric, u string) *pageMetric {
	for _, c := range columns {
		if unit.Convertible(u, c.Unit) {
			return c
		}
	}
	return nil
}

// scale chooses the unit that reads best for the largest value.
func (m *pageMetric) scale() {
	largest := 0.0
	for _, v := range m.Values {
		if v != nil && !math.IsInf(float64(*v), 0) {
			largest = max(largest, math.Abs(float64(*v)))
		}
	}
	m.Display, m.Factor = unit.Best(largest, m.Unit), 1
	if f, err := unit.Convert(1, m.Unit, m.Display); err == nil && f > 0 {
		m.Factor = f
	} else {
		m.Display = m.Unit
	}
}

// maxRaw limits the output of a run that is searched for its lines, in bytes.
const maxRaw = 4 << 20

// rawLines returns the line of the raw output that each of the metrics names was read from.
// It returns none if the output may contain a secret of the payload, or if it is redacted.
func rawLines(r runs.Run, names map[string]bool, redacted bool) map[string]string {
	if r.Dir == "" || redacted {
		return nil
	}
	found := map[string]string{}
	streams := map[ktstr.Stream][]string{}
	for _, m := range r.Record.Metrics {
		if !names[m.Name] || m.Line <= 0 || m.Stream == ktstr.RunStream || found[m.Name] != "" {
			continue
		}
		lines, ok := streams[m.Stream]
		if !ok {
			lines = streamLines(r.Dir, m.Stream)
			streams[m.Stream] = lines
		}
		if m.Line <= len(lines) {
			const width = 200
			found[m.Name] = text.Shorten(strings.TrimRight(lines[m.Line-1], "\r"), width)
		}
	}
	return found
}

// streamLines returns the lines of a stream of a bundle, or none if it cannot be read, is
// large, or belongs to a payload with secrets.
func streamLines(dir string, s ktstr.Stream) []string {
	if p, err := bundle.LoadPayload(dir); err != nil || len(p.Secrets) > 0 {
		return nil
	}
	data, err := bundle.LoadStream(dir, s, maxRaw)
	if err != nil {
		return nil
	}
	return strings.Split(string(data), "\n")
}

// comparisonOf returns a comparison without its runs.
func comparisonOf(r compare.Report) pageComparison {
	c := pageComparison{
		A: pageSide{Name: r.A.Name, Runs: []int{}, Prefixes: []string{}}, B: pageSide{Name: r.B.Name, Runs: []int{}, Prefixes: []string{}},
		Summary: r.Summary(), Status: r.ExitStatus(false), Differences: append([]compare.Difference{}, r.Differences...),
		Notes: append([]string{}, r.Notes...), Rows: []pageRow{},
	}
	if r.Per != "" {
		c.Notes = append(c.Notes, "interval: "+r.Interval())
	}
	for _, row := range r.Rows {
		x := pageRow{
			Metric: row.Metric, Verdict: string(row.Verdict), Decides: row.Decides, Shown: row.Shown, Better: row.Polarity.String(),
			A: sampleText(row.A, row.Unit), B: sampleText(row.B, row.Unit), MinEffect: row.MinEffect, Margin: row.Margin, Open: row.Open(), Note: row.Note,
		}
		if row.Measured() {
			change, p, level := ktstr.Number(row.Change), ktstr.Number(row.P), ktstr.Number(row.Level)
			x.Change, x.P, x.Level = &change, &p, &level
		}
		if row.Bounded() {
			low, high := ktstr.Number(row.Low), ktstr.Number(row.High)
			x.Low, x.High = &low, &high
		}
		c.Rows = append(c.Rows, x)
	}
	return c
}

// sampleText returns the median and the spread of one side.
func sampleText(s compare.Sample, u string) string {
	switch s.N {
	case 0:
		return ""
	case 1:
		return unit.Scale(s.Median, u)
	}
	return unit.Scale(s.Median, u) + " ±" + unit.Scale(s.Spread, u)
}

// addRuns adds the runs of both sides. at has the index of each run of the page.
func (c *pageComparison) addRuns(sides [2][]runs.Run, at map[string]int) {
	var lists [2][]runs.Run
	for i, list := range sides {
		list, _ = runs.Distinct(list)
		lists[i], _ = runs.Uninterrupted(list)
	}
	a, b, _ := runs.Sides("", lists[0], "", lists[1])
	for i, side := range []*pageSide{&c.A, &c.B} {
		renamed := []compare.Side{a, b}[i]
		for j, r := range lists[i] {
			prefix := ""
			if original := r.Record.Metrics; len(original) > 0 {
				prefix = strings.TrimSuffix(renamed.Runs[j].Metrics[0].Name, original[0].Name)
			}
			side.Runs = append(side.Runs, at[runs.Identity(r.Record)])
			side.Prefixes = append(side.Prefixes, prefix)
		}
	}
}

// visible returns text in which control characters and marks that reorder text are visible.
func visible(s string) string { return text.Line(s) }
