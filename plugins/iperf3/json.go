package iperf3

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

// maxResults is the longest member "end" that is read, in bytes. That of 128 streams has
// 100 kB.
const maxResults = 4 << 20

// documents reads the documents of -J and the events of --json-stream. A later test
// replaces an earlier one. The intervals, which can be long, are passed over.
func (r *reading) documents(data []byte) {
	scan := jsonscan.Reader{Data: data}
	tests := 0
	for {
		if scan.Pos > 0 || data[0] != '{' {
			from := max(scan.Pos-1, 0) // the line end before a document was passed over
			next := bytes.Index(data[from:], []byte("\n{"))
			if next < 0 {
				break
			}
			scan.Pos = from + next + 1
		}
		begin := scan.Pos
		members := map[string][]byte{}
		line := 0 // of the results
		err := scan.Object(func(key []byte) error {
			from := scan.Pos
			err := scan.Skip()
			switch string(key) {
			case "event", "data", "start", "end", "error":
				members[string(key)] = data[from:scan.Pos]
				if key[0] == 'd' || string(key) == "end" {
					line = scan.LineAt(from)
				}
			}
			return err
		})
		if err != nil {
			r.Ours = r.Ours || bytes.Contains(data[begin:scan.Pos], []byte(`"start"`))
			r.Note(ktstr.Malformed, scan.LineAt(begin), "the JSON document that begins here is not complete or not valid: line %d: %v", scan.LineAt(scan.Pos), err)
			break // another attempt would read parts of this document as documents
		}
		if c := scan.Space(); c == '}' || c == ',' { // a line is missing inside
			r.Note(ktstr.Malformed, scan.LineAt(scan.Pos), "the JSON document ends before its last brace: a part of it may be missing")
		}
		if r.document(members, line) {
			tests++
		}
	}
	if tests > 1 {
		r.Note(ktstr.SeveralReports, 0, "the text has the results of %d tests: the last one counts", tests)
	}
}

// document reads the members of a document or an event. It reports whether they have the
// results of another test.
func (r *reading) document(members map[string][]byte, line int) bool {
	switch string(members["event"]) {
	case `"start"`:
		r.Ours = true
		r.version(r.value(members["data"], line), line)
		return false
	case `"error"`:
		r.Ours = true
		r.failure = cmp.Or(string(r.value(members["data"], line).GetStringBytes()), "iperf3 gives no reason")
		return false
	case `"end"`:
		r.Ours, r.events = true, true
		r.Drop()
		r.end(r.value(members["data"], line), line)
		return true
	}
	if members["start"] == nil || members["end"] == nil {
		return false
	}
	sameTest := r.events // of --json-stream-full
	r.Ours, r.events = true, false
	r.Drop()
	r.version(r.value(members["start"], line), line)
	r.failure = string(r.value(members["error"], line).GetStringBytes())
	r.end(r.value(members["end"], line), line)
	return !sameTest
}

// value parses a member. It returns nil for a member that is missing or not valid.
func (r *reading) value(member []byte, line int) *fastjson.Value {
	if member == nil {
		return nil
	}
	if len(member) > maxResults {
		r.Note(ktstr.TooMany, line, "the results have %d bytes, where iperf3 prints some thousand: left out", len(member))
		return nil
	}
	v, err := fastjson.ParseBytes(member)
	if err != nil {
		r.Note(ktstr.Malformed, line, "the JSON that begins here is not valid: left out")
		return nil
	}
	return v
}

func (r *reading) version(start *fastjson.Value, line int) {
	if version := string(start.GetStringBytes("version")); version != "" && !strings.HasPrefix(version, "iperf 3.") {
		r.Note(ktstr.UnsupportedVersion, line, "the document is of %q: this parser was tested with iperf 3", version)
	}
}

// end reads the results of a test.
func (r *reading) end(end *fastjson.Value, line int) {
	r.direction("", "", end, line)
	r.direction("reverse.", "_bidir_reverse", end, line)
	if len(r.Metrics) == 0 {
		return
	}
	streams := end.GetArray("streams")
	for i, s := range streams {
		name := fmt.Sprintf("stream.%d.", i+1)
		sender, receiver := s.Get("sender"), s.Get("receiver")
		if udp := s.Get("udp"); udp != nil {
			sender = udp
		}
		if mean, ok := number(sender.Get("mean_rtt")); ok && mean > 0 {
			for _, part := range []string{"min", "mean", "max"} {
				r.member(name+"rtt."+part, sender, part+"_rtt", "us", ktstr.Lower, line)
			}
		}
		if len(streams) == 1 {
			continue
		}
		if transferred(sender) {
			r.member(name+"sent.bw", sender, "bits_per_second", "bit/s", ktstr.Higher, line)
			r.member(name+"retransmits", sender, "retransmits", "count", ktstr.Lower, line)
		}
		if transferred(receiver) {
			r.member(name+"received.bw", receiver, "bits_per_second", "bit/s", ktstr.Higher, line)
		}
	}
	cpu := end.Get("cpu_utilization_percent")
	for _, side := range []string{"host", "remote"} {
		total, _ := number(cpu.Get(side + "_total"))
		user, _ := number(cpu.Get(side + "_user"))
		system, _ := number(cpu.Get(side + "_system"))
		if side == "remote" && total == 0 && user == 0 && system == 0 {
			continue // the other side did not send its results
		}
		for _, part := range []string{"total", "user", "system"} {
			r.member("cpu."+side+"."+part, cpu, side+"_"+part, "%", ktstr.Unknown, line)
		}
	}
}

// direction reads the sums of one direction. suffix ends the keys of the sums.
func (r *reading) direction(prefix, suffix string, end *fastjson.Value, line int) {
	sent, received, sum := end.Get("sum_sent"+suffix), end.Get("sum_received"+suffix), end.Get("sum"+suffix)
	if sent == nil && received == nil {
		sent = sum // UDP up to 3.6: bytes of the sender, losses that the receiver counted
	}
	for _, side := range []struct {
		name string
		sum  *fastjson.Value
	}{{prefix + "sent.", sent}, {prefix + "received.", received}} {
		if side.sum == nil {
			if (sent != nil || received != nil) && sent != sum {
				r.Note(ktstr.MissingHeadline, line, "%sbw is missing: the document has no sum of that side", side.name)
			}
			continue
		}
		if n, ok := number(side.sum.Get("bytes")); ok && n == 0 {
			r.Note(ktstr.NotMeasured, line, "%sbw is 0: that side did not send its results", side.name)
			continue
		}
		if !r.member(side.name+"bw", side.sum, "bits_per_second", "bit/s", ktstr.Higher, line) {
			r.Note(ktstr.MissingHeadline, line, "%sbw is missing", side.name)
		}
		r.member(side.name+"bytes", side.sum, "bytes", "B", ktstr.Unknown, line)
		r.member(side.name+"time", side.sum, "seconds", "s", ktstr.Unknown, line)
		if side.sum == sent {
			r.member(prefix+"retransmits", sent, "retransmits", "count", ktstr.Lower, line)
		}
	}
	udp := received
	if udp.Get("packets") == nil {
		udp = sum
	}
	packets, counted := number(udp.Get("packets"))
	jitter, _ := number(udp.Get("jitter_ms"))
	lost, _ := number(udp.Get("lost_packets"))
	switch {
	case !counted && sum == nil && udp.Get("jitter_ms") == nil: // TCP
		return
	case !counted:
		r.Note(ktstr.MissingHeadline, line, "%spackets is missing", prefix)
		return
	case packets == 0 || r.failure != "" && jitter == 0 && lost == 0:
		r.Note(ktstr.NotMeasured, line, "%slost.percent and jitter are missing: the receiver did not send its results", prefix)
		return
	}
	if lost < packets && !r.member(prefix+"jitter", udp, "jitter_ms", "ms", ktstr.Lower, line) {
		r.Note(ktstr.MissingHeadline, line, "%sjitter is missing", prefix)
	}
	r.member(prefix+"lost.packets", udp, "lost_packets", "count", ktstr.Lower, line)
	if !r.member(prefix+"lost.percent", udp, "lost_percent", "%", ktstr.Lower, line) {
		r.Note(ktstr.MissingHeadline, line, "%slost.percent is missing", prefix)
	}
	r.member(prefix+"packets", udp, "packets", "count", ktstr.Unknown, line)
}

// transferred reports whether a side of a stream has bytes.
func transferred(side *fastjson.Value) bool {
	n, ok := number(side.Get("bytes"))
	return ok && n > 0
}

// member adds the number of a member, if there is one.
func (r *reading) member(name string, v *fastjson.Value, key, unit string, polarity ktstr.Polarity, line int) bool {
	n, ok := number(v.Get(key))
	if ok {
		r.Add(name, n, unit, polarity, line)
	}
	return ok
}
