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
	sampleWidth  = 17 // "1234.5 kiops ±12%"
	changeWidth  = 8
	verdictWidth = 7
	testWidth    = 18 // "p=0.0012 n=10+9", only on wide screens
	wide         = 100
)

// Format returns the report as text: the sides, their differences, the notes, one line
// per metric, and the summary.
func (t Table) Format(r Report) string {
	width := t.Width
	if width <= 0 {
		width = 80
	}
	rest := 2*(1+sampleWidth) + 1 + changeWidth + 1 + verdictWidth
	if width >= wide {
		rest += 1 + testWidth
	}
	nameWidth := max(12, width-rest)
	var b strings.Builder
	for _, side := range []struct {
		letter string
		Counted
	}{{"A", r.A}, {"B", r.B}} {
		fmt.Fprintf(&b, "%s  %s, %s", side.letter, text.Line(side.Name), text.Count(side.Runs, "run"))
		if side.Broken > 0 {
			fmt.Fprintf(&b, ", %d failed (not in the medians)", side.Broken)
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
				wrap(&b, "  "+name+"  "+string("AB"[i])+" ", text.Line(strings.Join(values, " | ")), width)
			}
		}
	}
	for _, note := range r.Notes {
		wrap(&b, "note: ", text.Line(note), width)
	}
	b.WriteByte('\n')

	line := func(name, a, bb, change string, verdict Verdict, test string) {
		columns := pad(name, nameWidth) + " " + padLeft(a, sampleWidth) + " " + padLeft(bb, sampleWidth) + " " + padLeft(change, changeWidth)
		if width >= wide {
			columns += " " + padLeft(test, testWidth)
		}
		columns += " " + t.paint(colors[verdict], string(verdict))
		b.WriteString(strings.TrimRight(columns, " ") + "\n")
	}
	line("metric", "A", "B", "change", "verdict", "test")
	more := r.LeftOut
	need := 0 // runs per side, for the metrics that do not decide
	for _, row := range r.Rows {
		if !row.Decides && !t.All {
			if !row.Own {
				more++
			}
			continue
		}
		name := text.Line(row.Metric)
		if utf8.RuneCountInString(name) > nameWidth {
			b.WriteString(name + "\n")
			name = ""
		}
		best := unit.Best(math.Max(math.Abs(row.A.Median), math.Abs(row.B.Median)), row.Unit)
		line(name, sample(row.A, row.Unit, best), sample(row.B, row.Unit, best), percent(row.Change), row.Verdict, test(row))
		if row.Verdict == TooFew && !row.Decides && !row.Own {
			need = max(need, row.Need)
		}
		if row.Note != "" {
			wrap(&b, "    ", text.Line(row.Note), width)
		}
	}
	if need > 0 {
		wrap(&b, "", fmt.Sprintf("the metrics that do not decide: %s a side could tell", text.Count(need, "run")), width)
	}
	if more > 0 {
		fmt.Fprintf(&b, "%d more do not decide (--all shows them)\n", more)
	}
	wrap(&b, "", r.Summary(), width)
	return b.String()
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

// sample returns the median and the spread, converted to a unit that both sides use.
func sample(s Sample, from, to string) string {
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
	if s.N < 2 {
		return value
	}
	spread := "±0%"
	if s.Spread != 0 {
		spread = "±" + strconv.FormatFloat(math.Abs(s.Spread/s.Median)*100, 'f', 0, 64) + "%"
		if s.Median == 0 {
			spread = "±" + unit.Digits(s.Spread)
		}
	}
	return value + " " + spread
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

var colors = map[Verdict]string{Worse: red, Missing: red, Better: green, TooFew: yellow, Changed: yellow}

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
