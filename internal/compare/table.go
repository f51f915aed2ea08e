package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
)

// A Table configures how a report is printed on a screen. The zero value prints plain
// text, 80 columns wide, with the metrics that decide.
type Table struct {
	Width int  // columns; 0: 80
	Color bool // colour never carries a meaning alone
	All   bool // also prints the metrics that do not decide
}

// The widths of the columns right of the metric's name.
const (
	sampleWidth   = 17 // "1234.5 kiops ±12%"
	medianWidth   = 12 // "1234.5 kiops", on narrow screens
	changeWidth   = 7  // "+12.3%"
	intervalWidth = 14 // "-12.3..+14.5%", "98.4% interval"
	verdictWidth  = 7
	marginWidth   = 6  // "5%", only on wide screens
	testWidth     = 18 // "p=0.0012 n=10+9", only on wide screens
	wide          = 100
)

// Format returns the report as text: the sides, their differences, the notes, one line
// per metric, and the summary.
func (t Table) Format(r Report) string {
	t.Width = t.width()
	var b strings.Builder
	t.header(&b, r)
	b.WriteByte('\n')
	t.line(&b, []string{"metric", "A", "B", "change", intervalTitle(r.Alpha), "margin", "test"}, "verdict")
	more := r.LeftOut
	var most Row // of those that do not decide, the one that needs the most runs
	for _, row := range r.Rows {
		if !row.Shown && !t.All {
			if !row.Own {
				more++
			}
			continue
		}
		t.row(&b, row)
		if row.Verdict == TooFew && !row.Decides && !row.Own && row.Need > most.Need {
			most = row
		}
	}
	if most.Need > 0 {
		wrap(&b, "", fmt.Sprintf("the metrics that do not decide: %s could tell", most.enough()), t.Width)
	}
	if more > 0 {
		fmt.Fprintf(&b, "%d more do not decide (--all shows them)\n", more)
	}
	wrap(&b, "", r.Summary(), t.Width)
	return b.String()
}

// header writes the sides, their differences, the notes, and what the interval includes.
func (t Table) header(b *strings.Builder, r Report) {
	for _, side := range []struct {
		letter string
		Counted
	}{{"A", r.A}, {"B", r.B}} {
		fmt.Fprintf(b, "%s  %s, %s", side.letter, text.Line(side.Name), text.Count(side.Runs, "run"))
		if r.Per == PerSet {
			fmt.Fprintf(b, " in %s", text.Count(side.Sets, "set"))
		}
		if side.Hosts > 0 {
			fmt.Fprintf(b, " on %s", text.Count(side.Hosts, "host"))
		}
		if side.Broken > 0 {
			fmt.Fprintf(b, ", %d failed (not in the medians)", side.Broken)
		}
		b.WriteByte('\n')
	}
	if len(r.Differences) > 0 {
		b.WriteString(t.paint(yellow, "The sides differ in more than what is compared:") + "\n")
		for _, d := range r.Differences {
			va, vb := d.A, d.B
			if len(va) == 1 && len(vb) == 1 {
				a, b := withoutCommon(va[0], vb[0])
				va, vb = []string{a}, []string{b}
			}
			for i, values := range [][]string{va, vb} {
				name := text.Line(d.Name)
				if i == 1 {
					name = strings.Repeat(" ", utf8.RuneCountInString(name))
				}
				wrap(b, "  "+name+"  "+string("AB"[i])+" ", text.Line(strings.Join(values, " | ")), t.Width)
			}
		}
	}
	for _, note := range r.Notes {
		wrap(b, "note: ", text.Line(note), t.Width)
	}
	wrap(b, "interval: ", r.Interval(), t.Width)
}

// row writes the line of a metric and what the user must know about it.
func (t Table) row(b *strings.Builder, row Row) {
	best := unit.Best(math.Max(math.Abs(row.A.Median), math.Abs(row.B.Median)), row.Unit)
	t.line(b, []string{
		text.Line(row.Metric), sample(row.A, row.Unit, best, t.isWide()), sample(row.B, row.Unit, best, t.isWide()),
		percent(row.Change), row.Interval(), points(row.Margin), test(row),
	}, row.Verdict)
	if row.Verdict == Unclear {
		wrap(b, "    ", row.Open(), t.Width)
	}
	if row.Note != "" {
		wrap(b, "    ", text.Line(row.Note), t.Width)
	}
}

func (t Table) isWide() bool { return t.Width >= wide }

// line writes a line of the table: the columns up to the test, and the verdict. A name that
// is too long has a line of its own.
func (t Table) line(b *strings.Builder, columns []string, verdict Verdict) {
	widths := []int{0, medianWidth, medianWidth, changeWidth, intervalWidth}
	if t.isWide() {
		widths = []int{0, sampleWidth, sampleWidth, changeWidth, intervalWidth, marginWidth, testWidth}
	}
	nameWidth := t.Width - verdictWidth - 1
	for _, w := range widths[1:] {
		nameWidth -= w + 1
	}
	nameWidth = max(12, nameWidth)
	name := columns[0]
	if utf8.RuneCountInString(name) > nameWidth {
		b.WriteString(name + "\n")
		name = ""
	}
	line := pad(name, nameWidth)
	for i, w := range widths[1:] {
		line += " " + padLeft(columns[i+1], w)
	}
	b.WriteString(strings.TrimRight(line+" "+t.paint(colors[verdict], string(verdict)), " ") + "\n")
}

// Interval says what the intervals of the report include.
func (r Report) Interval() string {
	text := "for each metric alone"
	switch {
	case r.Per == PerSet && r.Paired:
		text += ", and each set of runs counts once, without the differences between the hosts"
	case r.Per == PerSet:
		text += ", and each set of runs counts once"
	case r.Paired && r.Drift:
		text += ", and each host counts once, B against A on the same host; drift that the hosts have in common is not in this interval"
	case r.Paired:
		text += ", and each host counts once, B against A on the same host"
	case r.Per == PerHost:
		text += ", and each host counts once; A and B have no host in common"
	case r.Drift:
		text += "; drift between sessions is not in this interval"
	}
	if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Shown && row.Interval() == none }) {
		text += "; " + none + ": these runs are too few for an interval"
	}
	return text
}

// Open says what an open verdict needs, or "". For example, it returns "could have seen 9%;
// 5% needs about 14 runs a side" for Unclear, and "5 runs a side could tell" for TooFew.
func (r Row) Open() string {
	switch r.Verdict {
	case Unclear:
	case TooFew:
		return r.enough() + " could tell"
	default:
		return ""
	}
	const large = 10
	seen := points(r.Seen * 100)
	if r.Seen > large {
		seen = "nothing below 1000%"
	}
	return fmt.Sprintf("could have seen %s; %s needs about %s", seen, points(r.Margin), r.enough())
}

const none = "none" // the interval of too few runs

// points returns a percentage with at most two digits, or all digits above 100.
func points(percent float64) string {
	if percent >= 100 {
		return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
	}
	return strconv.FormatFloat(percent, 'g', 2, 64) + "%"
}

// Interval returns the interval as text, such as "-1.5..+0.3%".
func (r Row) Interval() string {
	switch {
	case !r.Measured():
		return "-"
	case math.IsInf(r.Low, 0) || math.IsInf(r.High, 0):
		if math.IsInf(r.Change, 0) {
			return "from 0"
		}
		return none
	}
	return bound(r.Low) + ".." + bound(r.High) + "%"
}

// bound returns a bound of an interval in percent, such as "+1.5".
func bound(v float64) string {
	switch {
	case v == 0:
		return "0.0"
	case math.Abs(v) >= 1:
		return fmt.Sprintf("%+.0f", v*100)
	}
	return fmt.Sprintf("%+.1f", v*100)
}

// withoutCommon replaces by "…" the words at the start and at the end that two texts
// have in common, if there are many. Two command lines, for example, differ in few
// words.
func withoutCommon(a, b string) (string, string) {
	const long = 4 // words
	wa, wb := strings.Fields(a), strings.Fields(b)
	front := 0
	for front < min(len(wa), len(wb)) && wa[front] == wb[front] {
		front++
	}
	end := 0
	for end < min(len(wa), len(wb))-front && wa[len(wa)-1-end] == wb[len(wb)-1-end] {
		end++
	}
	if front+end < long {
		return a, b
	}
	cut := func(words []string) string {
		rest := slices.Clone(words[front : len(words)-end])
		if front > 0 {
			rest = append([]string{"…"}, rest...)
		}
		if end > 0 {
			rest = append(rest, "…")
		}
		return strings.Join(rest, " ")
	}
	return cut(wa), cut(wb)
}

// sample returns the median and, on request, the spread, converted to a unit that both
// sides use.
func sample(s Sample, from, to string, spread bool) string {
	if s.N == 0 {
		return "-"
	}
	median, err := unit.Convert(s.Median, from, to)
	if err != nil {
		median, to = s.Median, from
	}
	value := unit.Digits(median)
	if to != "" {
		value += " " + text.Line(to)
	}
	switch {
	case s.N < 2 || !spread:
		return value
	case s.Spread == 0:
		return value + " ±0%"
	case s.Median == 0:
		return value + " ±" + unit.Digits(s.Spread)
	}
	return value + " ±" + strconv.FormatFloat(math.Abs(s.Spread/s.Median)*100, 'f', 0, 64) + "%"
}

// percent returns a change as text, such as "+1.5%".
func percent(change float64) string {
	switch {
	case math.IsNaN(change):
		return "-"
	case math.IsInf(change, 0):
		return "from 0"
	case math.Abs(change) >= 9.995:
		return fmt.Sprintf("%+.0f%%", change*100)
	case change == 0:
		return "0.0%"
	}
	return fmt.Sprintf("%+.1f%%", change*100)
}

// test returns the P of a row and the number of values, such as "p=0.0012 n=10+9".
func test(r Row) string {
	if !r.Measured() {
		return ""
	}
	return fmt.Sprintf("p=%.3g n=%d+%d", r.P, r.A.N, r.B.N)
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

var colors = map[Verdict]string{Worse: red, Missing: red, Better: green, TooFew: yellow, Unclear: yellow, Changed: yellow}

// paint colours text if t.Color is set.
func (t Table) paint(color, text string) string {
	if !t.Color || color == "" || text == "" {
		return text
	}
	return color + text + reset
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}

// wrap writes text in lines of at most width columns. The first line begins with
// prefix. The others are indented by the width of prefix. wrap does not break words.
func wrap(b *strings.Builder, prefix, text string, width int) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	room := max(20, width-len(indent))
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			b.WriteString(prefix + line + "\n")
			prefix, line = indent, ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	b.WriteString(prefix + line + "\n")
}
