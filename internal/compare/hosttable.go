package compare

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
)

// ByHost returns the changes on each host, one table for each metric that is shown. It returns
// a sentence if the sides have fewer than two hosts in common.
func (t Table) ByHost(r Report) string {
	var b strings.Builder
	for _, row := range r.Rows {
		if !row.Shown && !t.All || len(row.Hosts) == 0 {
			continue
		}
		best := unit.Best(math.Max(math.Abs(row.A.Median), math.Abs(row.B.Median)), row.Unit)
		lines := [][]string{{"host", "A", "B", "change", intervalTitle(r.Alpha), "runs", ""}}
		var odd []string
		for _, h := range row.Hosts {
			word := ""
			if h.Odd {
				word = t.paint(yellow, "odd")
				odd = append(odd, hostName(h.Host))
			}
			on := h.on
			on.Change, on.Low, on.High = h.Change, h.Low, h.High
			lines = append(lines, []string{hostName(h.Host), sample(h.A, row.Unit, best, t.isWide()), sample(h.B, row.Unit, best, t.isWide()),
				percent(h.Change), on.Interval(), fmt.Sprintf("%d+%d", h.A.N, h.B.N), word})
		}
		fmt.Fprintf(&b, "\n%s by host\n", text.Line(row.Metric))
		columns(&b, lines)
		wrap(&b, "", oddText(odd, len(row.Hosts), row.OddFrom, "the change"), t.width())
	}
	if b.Len() == 0 {
		return "\nby host: no metric has values of both sides on two or more hosts\n"
	}
	return b.String()
}

// Hosts returns the values of each host, one table for each metric.
func (t Table) Hosts(tables []HostTable) string {
	var b strings.Builder
	for i, table := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		most, measured := 0.0, 0
		for _, h := range table.Hosts {
			most = max(most, math.Abs(h.Sample.Median))
		}
		best := unit.Best(most, table.Unit)
		lines := [][]string{{"host", "runs", "median", "from the median", intervalTitle(DefaultAlpha), ""}}
		var odd []string
		for _, h := range table.Hosts {
			var words []string
			if h.Odd {
				words = append(words, t.paint(yellow, "odd"))
				odd = append(odd, hostName(h.Host))
			}
			if h.Broken > 0 {
				words = append(words, t.paint(red, fmt.Sprintf("%d failed", h.Broken)))
			}
			interval, distance := "-", "-"
			if h.Sample.N > 0 {
				measured++
				distance, interval = percent(h.Distance), none
				if !math.IsInf(h.Low, 0) && !math.IsInf(h.High, 0) {
					interval = bound(h.Low) + ".." + bound(h.High) + "%"
				}
			}
			lines = append(lines, []string{hostName(h.Host), strconv.Itoa(h.Runs), sample(h.Sample, table.Unit, best, true), distance, interval, strings.Join(words, ", ")})
		}
		fmt.Fprintf(&b, "%s\n", text.Line(table.Metric))
		columns(&b, lines)
		what := "its median"
		if measured > 1 {
			fmt.Fprintf(&b, "the hosts differ by %s (standard deviation)\n", points(table.Spread*100))
		}
		wrap(&b, "", oddText(odd, measured, table.OddFrom, what), t.width())
	}
	return b.String()
}

// hostName returns the name of a host for a table.
func hostName(host string) string {
	const longest = 64 // HOST_NAME_MAX
	return text.Shorten(text.Line(cmp.Or(host, "unknown")), longest)
}

// oddText says which hosts are odd, and how large a difference would have been.
func oddText(odd []string, hosts int, from float64, what string) string {
	switch {
	case hosts < 3:
		return fmt.Sprintf("%s cannot show which one is odd: that takes 3 or more", text.Count(hosts, "host"))
	case len(odd) > 0:
		return "odd: " + strings.Join(odd, ", ")
	case from > 10:
		return fmt.Sprintf("no host is odd; of these %d hosts, none could have been", hosts)
	}
	return fmt.Sprintf("no host is odd; of these %d hosts, one would be if %s were about %s from the others", hosts, what, points(from*100))
}

func intervalTitle(alpha float64) string {
	return strconv.FormatFloat(100-200*alpha, 'g', 3, 64) + "% interval"
}

func (t Table) width() int {
	if t.Width <= 0 {
		return 80
	}
	return t.Width
}

// columns writes lines of equal length. The first and the last column are on the left of
// their place, the others on the right.
func columns(b *strings.Builder, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		last := len(line) - 1
		out := pad(line[0], widths[0])
		for i, cell := range line[1:last] {
			out += "  " + padLeft(cell, widths[i+1])
		}
		b.WriteString(strings.TrimRight(out+"  "+line[last], " ") + "\n")
	}
}
