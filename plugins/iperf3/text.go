package iperf3

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
)

// row is a line of a summary, such as
// "[  5]   0.00-2.00   sec  5.54 GBytes  23.8 Gbits/sec   23             sender".
type row struct {
	line    int
	id      string // "5", or "SUM"
	reverse bool   // of the other direction of --bidir
	side    string // sender, receiver; empty: UDP up to 3.6 has one row for both
	bytes   quantity
	bw      quantity
	retr    string   // empty: not printed
	udp     []string // jitter, lost, packets, lost percent; nil: TCP
}

type quantity struct {
	value float64
	unit  string
}

// The units of iperf3. Its bytes are multiples of 1024, its bits multiples of 1000.
var units = map[string]string{
	"Bytes": "B", "KBytes": "KiB", "MBytes": "MiB", "GBytes": "GiB", "TBytes": "TiB",
	"bits/sec": "bit/s", "Kbits/sec": "kbit/s", "Mbits/sec": "Mbit/s", "Gbits/sec": "Gbit/s", "Tbits/sec": "Tbit/s",
	"Bytes/sec": "B/s", "KBytes/sec": "KiB/s", "MBytes/sec": "MiB/s", "GBytes/sec": "GiB/s", "TBytes/sec": "TiB/s",
}

// test is what is known of the test that is being read.
type test struct {
	streams int // lines "[  5] local … connected to …"
	sums    bool
	roles   bool
	client  bool
	done    bool // "iperf Done."
	summary []byte
	line    int // of the start of summary
}

// text reads the summary: the rows after the last line of dashes.
func (r *reading) text(data []byte) {
	var t test
	rest := data
	tests := 0
	for n := 1; len(rest) > 0; n++ {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if len(line) == 0 {
			continue
		}
		switch line[0] {
		case '-':
			if bytes.HasPrefix(line, []byte("- - - ")) {
				t.summary, t.line = rest, n+1
			}
			continue
		case 'C', 'A', 'i', 'S':
			switch {
			case bytes.HasPrefix(line, []byte("Connecting to host")), bytes.HasPrefix(line, []byte("Accepted connection from")):
				tests++
				t = test{client: line[0] == 'C'}
				r.Ours = true
			case bytes.HasPrefix(line, []byte("iperf Done.")):
				t.done = true
			case bytes.HasPrefix(line, []byte("iperf3: ")):
				r.Ours = true
				r.failure = string(bytes.TrimSpace(line[len("iperf3: "):]))
			case bytes.HasPrefix(line, []byte("Server output:")): // of --get-server-output: a second report
				rest = nil
				t.done = true
			case bytes.HasPrefix(line, []byte("Server listening on ")):
				r.Ours = true
			}
			continue
		}
		at := bytes.IndexByte(line, '[')
		if at < 0 {
			if at = bytes.Index(line, []byte("iperf3: ")); at >= 0 {
				r.Ours = true
				r.failure = string(bytes.TrimSpace(line[at+len("iperf3: "):]))
			}
			continue
		}
		switch rest := line[at:]; {
		case bytes.HasPrefix(rest, []byte("[SUM]")):
			t.sums = true
		case bytes.HasPrefix(rest, []byte("[ ID]")):
			r.Ours = true
			t.roles = t.roles || bytes.HasPrefix(rest, []byte("[ ID][Role]"))
		case bytes.Contains(rest[:min(len(rest), 16)], []byte("] local ")):
			t.streams++
		}
	}
	if t.summary == nil {
		return
	}
	r.summary(t)
	if t.client && !t.done && r.failure == "" {
		r.Note(ktstr.Truncated, 0, `the report has no line "iperf Done.": it may be cut`)
	}
	if tests > 1 {
		r.Note(ktstr.SeveralReports, 0, "the text has %d tests: the last one counts", tests)
	}
}

// summary reads the rows of the summary.
func (r *reading) summary(t test) {
	var rows []row
	var streams []string // ids in the order printed
	rest := t.summary
	for n := t.line; len(rest) > 0; n++ {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if bytes.HasPrefix(line, []byte("Server output:")) {
			break
		}
		r.cpu(string(line), n)
		got, ok := parseRow(string(line), ended)
		if !ok {
			continue
		}
		got.line = n
		rows = append(rows, got)
		if got.id != "SUM" && !slices.Contains(streams, got.id) && len(streams) < 1000 {
			streams = append(streams, got.id)
		}
	}
	directions := 1
	if t.roles {
		directions = 2
	}
	several := t.sums || max(t.streams, len(streams)) > directions
	for _, w := range rows {
		switch {
		case w.id == "SUM" || !several:
			r.total(w)
		default:
			r.stream(fmt.Sprintf("stream.%d.", 1+slices.Index(streams, w.id)), w)
		}
	}
	if len(rows) == 0 {
		return
	}
	for _, prefix := range []string{"", "reverse."}[:directions] {
		for _, side := range []string{"sent", "received"} {
			told := func(w row) bool {
				return (w.id == "SUM") == several && w.reverse == (prefix != "") && (w.side == "" || (w.side == "sender") == (side == "sent"))
			}
			if !slices.ContainsFunc(rows, told) {
				r.Note(ktstr.MissingHeadline, t.line, "%s%s.bw is missing: the summary has no row of it", prefix, side)
			}
		}
	}
}

// total adds the metrics of a row that stands for all streams of a direction.
func (r *reading) total(w row) {
	prefix := ""
	if w.reverse {
		prefix = "reverse."
	}
	name := prefix + "sent."
	if w.side == "receiver" {
		name = prefix + "received."
	}
	if w.udp != nil && w.side != "sender" {
		packets, _ := decimal(w.udp[2])
		lost, _ := decimal(w.udp[1])
		if packets == 0 {
			r.Note(ktstr.NotMeasured, w.line, "no datagram was counted")
		} else {
			if lost < packets {
				r.add(prefix+"jitter", w.udp[0], "ms", ktstr.Lower, w.line)
			}
			r.add(prefix+"lost.packets", w.udp[1], "count", ktstr.Lower, w.line)
			r.add(prefix+"packets", w.udp[2], "count", ktstr.Unknown, w.line)
			r.add(prefix+"lost.percent", w.udp[3], "%", ktstr.Lower, w.line)
		}
	}
	if w.bytes.value == 0 {
		r.Note(ktstr.NotMeasured, w.line, "%sbw is 0: that side did not send its results", name)
		return
	}
	r.Add(name+"bw", w.bw.value, w.bw.unit, ktstr.Higher, w.line)
	r.Add(name+"bytes", w.bytes.value, w.bytes.unit, ktstr.Unknown, w.line)
	r.add(prefix+"retransmits", w.retr, "count", ktstr.Lower, w.line)
}

// stream adds the metrics of a row of one of several streams.
func (r *reading) stream(name string, w row) {
	if w.bytes.value == 0 {
		return
	}
	if w.side == "receiver" {
		r.Add(name+"received.bw", w.bw.value, w.bw.unit, ktstr.Higher, w.line)
		return
	}
	r.Add(name+"sent.bw", w.bw.value, w.bw.unit, ktstr.Higher, w.line)
	r.add(name+"retransmits", w.retr, "count", ktstr.Lower, w.line)
}

func (r *reading) add(name, number, unit string, polarity ktstr.Polarity, line int) {
	if v, ok := decimal(number); ok {
		r.Add(name, v, unit, polarity, line)
	}
}

// cpu reads the line of -V, such as "CPU Utilization: local/sender 2.2% (0.1%u/2.1%s),
// remote/receiver 0.9% (0.0%u/0.9%s)".
func (r *reading) cpu(line string, n int) {
	_, rest, ok := strings.Cut(line, "CPU Utilization: ")
	if !ok {
		return
	}
	for part := range strings.SplitSeq(rest, ", ") {
		var numbers []string
		side, _, _ := strings.Cut(part, "/")
		for f := range strings.FieldsFuncSeq(part, func(r rune) bool { return r == ' ' || r == '%' || r == '(' || r == '/' }) {
			if _, ok := decimal(f); ok {
				numbers = append(numbers, f)
			}
		}
		side, ok := map[string]string{"local": "host", "remote": "remote"}[side]
		if !ok || len(numbers) != 3 || side == "remote" && strings.Trim(strings.Join(numbers, ""), "0.") == "" {
			continue
		}
		for i, name := range []string{"total", "user", "system"} {
			r.add("cpu."+side+"."+name, numbers[i], "%", ktstr.Unknown, n)
		}
	}
}

// parseRow reads a row. ended tells whether a line end follows: without one, the row
// may be cut.
func parseRow(line string, ended bool) (w row, ok bool) {
	at := strings.IndexByte(line, '[')
	if at < 0 {
		return w, false
	}
	id, rest, ok := strings.Cut(line[at+1:], "]")
	w.id = strings.TrimSpace(id)
	if role, after, found := strings.Cut(rest, "]"); found && strings.HasPrefix(role, "[") {
		w.reverse = role == "[RX-C" || role == "[TX-S"
		rest = after
	}
	f := strings.Fields(rest)
	if !ok || len(f) < 6 || f[1] != "sec" {
		return w, false
	}
	w.bytes.value, ok = decimal(f[2])
	w.bytes.unit = units[f[3]]
	bw, ok2 := decimal(f[4])
	w.bw = quantity{bw, units[f[5]]}
	if !ok || !ok2 || w.bytes.unit == "" || w.bw.unit == "" {
		return w, false
	}
	f = f[6:]
	if n := len(f); n > 0 && (f[n-1] == "sender" || f[n-1] == "receiver") {
		w.side, f = f[n-1], f[:n-1]
	} else if !ended {
		return w, false
	}
	switch {
	case len(f) == 4 && f[1] == "ms": // 0.014 ms  0/58 (0%)
		lost, packets, slash := strings.Cut(f[2], "/")
		percent, _ := strings.CutSuffix(strings.TrimPrefix(f[3], "("), "%)")
		if !slash {
			return w, false
		}
		w.udp = []string{f[0], lost, packets, percent}
	case len(f) == 1 && w.side != "":
		w.retr = f[0]
	case len(f) > 0 || w.side == "":
		return w, false // a row of an interval
	}
	return w, true
}
