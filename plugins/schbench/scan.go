package schbench

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// A line is one line of the text, without its end, and where it stands.
type line struct {
	text   []byte
	number int // 1-based, or 0 if there is no such line
}

func (l line) given() bool { return l.number != 0 }

// A table is one of schbench's distributions: its header, its rows, and the
// line with the extremes that ends it.
type table struct {
	kind     kind
	head     line
	from, to int // where in the text its rows and extremes are
	rows     int
	complete bool // the line of the extremes was there
}

type kind byte

const (
	unknownTable kind = iota
	wakeup
	request
	rps
)

// A block is one report of schbench: after each interval, or at the end.
type block struct {
	tables  []table
	single  bool // the revision has one table only ("Latency percentiles")
	damaged line // first row that stands under no header
	current line // "current rps": an interval
	average line // "average rps": the end
	goal    line // "final rps goal was", "final rps was"
	delay   line // "sched delay"
	pipe    line // "avg worker transfer", "avg loops per second"
}

func (b *block) has(k kind) bool {
	for i := range b.tables {
		if b.tables[i].kind == k {
			return true
		}
	}
	return false
}

// past says whether a table of kind k comes too late for the block: their
// order is always wakeup, request, rps.
func (b *block) past(k kind) bool {
	for i := range b.tables {
		if b.tables[i].kind >= k {
			return true
		}
	}
	return false
}

func (b *block) ended() bool {
	return b.current.given() || b.average.given() || b.delay.given() || b.pipe.given()
}

// A document is a JSON object that starts like one of schbench's.
type document struct {
	text  []byte
	line  int
	whole bool // its closing brace was found
}

// scanned is the text taken apart, the numbers not yet read: only those of the
// last block are wanted, and a long run may have thousands.
type scanned struct {
	data     []byte
	pos, end int    // the next byte, and the end of the line at hand
	open     *table // whose rows follow
	unclosed int    // documents without a closing brace

	ours     bool // something of schbench's was there
	prose    int  // first line that schbench does not print, or 0
	blocks   int
	last     block
	previous block
	inTable  bool // the text ended inside a table of the last block
	cut      bool // the last line has no end and cannot be shown to be whole

	rates      line     // last plain "rps: N"
	rateCount  int      // how many of them
	current    line     // last "current rps", wherever
	ratesFinal line     // last "rps: N p95 (usec) …"
	average    line     // last "average rps", wherever
	goal       line     // "final rps was N" ahead of the last block
	rounds     line     // last "cputime N threads N p99 N"
	loose      line     // "avg worker transfer" on a stream without tables
	failure    line     // first line in which schbench says that it failed
	strange    line     // first header of a table that is not known
	columns    line     // first line that has two headers side by side
	valid      int      // JSON documents that are valid
	document   document // the last of them
	broken     document // the first that is not valid
}

// maxOpenDocuments bounds how often the text is searched to its end for a
// closing brace that is not there.
const maxOpenDocuments = 4

// maxDocument is the longest document that is read, in bytes. schbench's have a
// few thousand. A tree of values takes a hundred times the memory of its text.
const maxDocument = 1 << 20

// scan takes a text apart.
func scan(data []byte) *scanned {
	s := &scanned{data: data, end: -1}
	for n := 1; s.pos < len(data); n++ {
		l, start, ok := s.nextLine(n)
		switch {
		case !ok:
			return s
		case len(l.text) == 0:
		case l.text[0] == '{' && startsDocument(data[start:]):
			n = s.jsonDocument(l, start)
		case !s.tableLine(l, start):
			s.otherLine(l)
		}
	}
	s.inTable = s.open != nil
	return s
}

// nextLine returns the line at pos without the white space around it, and
// where it starts. ok is false for a last line of which digits may be missing.
func (s *scanned) nextLine(n int) (l line, start int, ok bool) {
	start = s.pos
	if s.end < s.pos { // several documents may stand in one line
		if s.end = bytes.IndexByte(s.data[s.pos:], '\n'); s.end < 0 {
			s.end = len(s.data)
		} else {
			s.end += s.pos
		}
	}
	s.pos = min(s.end+1, len(s.data))
	text := bytes.TrimLeft(bytes.TrimSuffix(s.data[start:s.end], []byte{'\r'}), "\t ")
	if len(text) > 0 && s.end == len(s.data) && !whole(text) {
		s.cut = true
		if s.prose == 0 {
			s.prose = n
		}
		return line{}, start, false
	}
	return line{text, n}, start, true
}

// tableLine reads a row of a table, or the line of its extremes, and reports
// whether the line is one.
func (s *scanned) tableLine(l line, start int) bool {
	t := s.open
	switch c := l.text[0]; {
	case (c == '*' || c >= '0' && c <= '9') && isRow(l.text):
		if t == nil {
			s.orphan(l)
			return true
		}
		t.rows++
	case (c == 'm' || c == 'O') && isExtremes(l.text):
		if t == nil {
			return true
		}
		t.complete = true
		s.open = nil
	default:
		return false
	}
	if t.to == 0 {
		t.from = start
	}
	t.to = s.end
	return true
}

// otherLine reads the header of a table, a line of a rate, or a remark.
func (s *scanned) otherLine(l line) {
	k, single, isHeader := header(l.text)
	switch {
	case isHeader && bytes.Count(l.text, []byte(" percentiles (")) > 1:
		s.ours = true
		if !s.columns.given() {
			s.columns = l
		}
	case isHeader && k == unknownTable:
		s.ours = true
		if !s.strange.given() {
			s.strange = l
		}
		s.open = nil
	case isHeader:
		s.ours = true
		if s.blocks == 0 || s.last.ended() || s.last.past(k) {
			s.begin()
		}
		s.last.single = single
		s.last.tables = append(s.last.tables, table{kind: k, head: l})
		s.open = &s.last.tables[len(s.last.tables)-1]
	case s.rateLine(l):
		s.ours = true
		s.open = nil
	default:
		s.other(l)
	}
}

// jsonDocument reads the document that starts in a line, and returns the number
// of the line in which it ends. Text may follow right after its brace.
func (s *scanned) jsonDocument(l line, start int) int {
	s.ours = true
	data, n := s.data, l.number
	from := start + bytes.IndexByte(data[start:], '{')
	size := 0
	if s.unclosed < maxOpenDocuments {
		size = balanced(data[from:])
	}
	if size == 0 {
		s.unclosed++
		s.broke(document{l.text, n, false})
		return n
	}
	if doc := data[from : from+size]; size <= maxDocument && fastjson.ValidateBytes(doc) == nil {
		s.valid++
		s.document = document{doc, n, true}
	} else {
		s.broke(document{doc, n, true})
	}
	n += bytes.Count(data[start:from+size], []byte("\n")) - 1
	s.pos = from + size
	if s.pos < len(data) && (data[s.pos] == '\n' || data[s.pos] == '\r') {
		n++
		if i := bytes.IndexByte(data[s.pos:], '\n'); i >= 0 {
			s.pos += i + 1
		}
	}
	return n
}

// begin starts a new block.
func (s *scanned) begin() {
	spare := s.previous.tables[:0]
	if s.blocks > 0 {
		s.previous = s.last
	}
	s.blocks++
	s.last = block{tables: spare}
}

func (s *scanned) broke(d document) {
	if s.broken.line == 0 {
		s.broken = d
	}
}

// orphan takes note of a row that stands under no header. Its header was lost:
// either that of the next table of the same block, or that of the first table
// of a new block, which must then not be mistaken for the block before it.
func (s *scanned) orphan(l line) {
	s.ours = true
	b := &s.last
	if b.damaged.given() && len(b.tables) == 0 {
		return
	}
	lower := bytes.HasPrefix(bytes.TrimLeft(l.text, "* "), []byte("20."))
	same := s.blocks > 0 && !b.ended() && !b.single && len(b.tables) > 0 &&
		(!b.has(request) || !b.has(rps) && lower)
	if !same && !(b.damaged.given() && !b.ended() && b.damaged.number == l.number-1) {
		s.begin()
		b = &s.last
	}
	b.damaged = l
}

// rateLine sorts the lines that are neither headers nor rows.
func (s *scanned) rateLine(l line) bool {
	switch l.text[0] {
	case 'a':
		if _, ok := after(l.text, "average rps: "); ok {
			s.average = l
			if s.blocks > 0 {
				s.last.average = l
			}
			return true
		}
		_, transfer := after(l.text, "avg worker transfer: ")
		_, loops := after(l.text, "avg loops per second: ")
		if transfer || loops {
			s.loose = l
			if s.blocks > 0 {
				s.last.pipe = l
			}
			return true
		}
		_, ok := after(l.text, "autobench rps ")
		return ok
	case 'c':
		if _, ok := after(l.text, "current rps: "); ok {
			s.current = l
			if s.blocks > 0 {
				s.last.current = l
			}
			return true
		}
		if _, ok := after(l.text, "cputime "); ok && bytes.Contains(l.text, []byte(" threads ")) {
			s.rounds = l
			return true
		}
	case 'f':
		_, was := after(l.text, "final rps was ")
		_, goal := after(l.text, "final rps goal was ")
		if was || goal {
			s.goal = l
			if s.blocks > 0 {
				s.last.goal = l
			}
			return true
		}
	case 'r':
		if rest, ok := after(l.text, "rps: "); ok {
			if bytes.Contains(rest, []byte(" p95 ")) {
				s.ratesFinal = l
			} else {
				s.rates = l
				s.rateCount++
			}
			return true
		}
	case 's':
		if _, ok := after(l.text, "sched delay: "); ok {
			if s.blocks > 0 {
				s.last.delay = l
			}
			return true
		}
	}
	return false
}

// other takes note of remarks of schbench, and of lines that schbench does not
// print.
func (s *scanned) other(l line) {
	for _, p := range remarks {
		if _, ok := after(l.text, p); ok {
			s.ours = true
			return
		}
	}
	if !s.failure.given() && isFailure(l.text) {
		s.failure = l
		return
	}
	if s.prose == 0 {
		s.prose = l.number
	}
}

// remarks start the lines that schbench prints beside its results.
var remarks = []string{
	"setting worker threads to ", "split mode: ", "matrix sizes: ", "pipe size too big", "auto pinning ",
	"Pinning to message thread ", "warmup done", "message threads ", "worker threads ",
}

// failures start the lines in which schbench says that something failed.
var failures = []string{
	"schbench usage:", "schbench: ", "failed to ", "Failed to ", "unable to ", "error ", "Error ", "mutex init failed", "FUTEX_WAKE",
	"sched_getcpu failed", "Unknown pin mode", "escape_string failed", "idx ", "lat_fs: ", "strdup: ", "malloc: ",
}

func isFailure(text []byte) bool {
	for _, p := range failures {
		if _, ok := after(text, p); ok {
			return true
		}
	}
	return false
}

// titles are the tables by the words before "percentiles", in any case.
var titles = []struct {
	name   []byte
	kind   kind
	single bool // the revision has no other table
}{
	{[]byte("wakeup latencies"), wakeup, false}, {[]byte("request latencies"), request, false}, {[]byte("rps"), rps, false},
	{[]byte("wakeup latency"), wakeup, false}, {[]byte("request latency"), request, false},
	{[]byte("latencies"), wakeup, true}, {[]byte("latency"), wakeup, true},
}

// header reads "Wakeup Latencies percentiles (usec) …" in its spellings.
func header(text []byte) (k kind, single, ok bool) {
	name, rest, found := bytes.Cut(text, []byte(" percentiles ("))
	if !found || len(name) > 40 || bytes.IndexByte(rest, ')') < 0 {
		return 0, false, false
	}
	for _, t := range titles {
		if bytes.EqualFold(name, t.name) {
			return t.kind, t.single, true
		}
	}
	return unknownTable, false, true
}

func isRow(text []byte) bool {
	if text[0] == '*' {
		text = bytes.TrimLeft(text[1:], " ")
	}
	_, rest, ok := cutNumber(text)
	if !ok {
		return false
	}
	_, ok = after(rest, "th: ")
	return ok
}

func isExtremes(text []byte) bool {
	if _, ok := after(text, "min="); ok {
		return true
	}
	_, ok := after(text, "Over=")
	return ok
}

// whole says whether a line without a line end can be shown to be whole: every
// line of schbench's ends with a newline, so that a number at the end of the
// text may lack digits.
func whole(text []byte) bool {
	if text[0] == '{' {
		return true
	}
	text = bytes.TrimRight(text, " ")
	if bytes.HasSuffix(text, []byte(")")) || bytes.HasSuffix(text, []byte("B/s")) || bytes.HasSuffix(text, []byte("%")) {
		return true
	}
	dot := bytes.LastIndexByte(text, '.')
	return bytes.Contains(text, []byte("rps: ")) && dot >= 0 && len(text)-dot == len(".00")
}

// startsDocument says whether text starts with a brace and one of the keys of
// schbench's documents.
func startsDocument(text []byte) bool {
	const longest = 64
	if len(text) > longest {
		text = text[:longest]
	}
	text = bytes.TrimLeft(bytes.TrimLeft(text, " \t\r\n")[1:], " \t\r\n")
	for _, key := range []string{`"normal"`, `"int"`, `"schbench"`} {
		if _, ok := after(text, key); ok {
			return true
		}
	}
	return false
}

// balanced is the length of the JSON object that text starts with, or 0 if its
// end is not there.
func balanced(text []byte) int {
	depth := 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
