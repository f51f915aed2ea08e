// Package opensslspeed reads the output of openssl speed: its tables, and the lines of -mr.
package opensslspeed

import (
	"bytes"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

const newest = "3.5"

// New returns the extractor "openssl-speed".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "openssl-speed",
		Summary: "openssl speed measures the rate of ciphers, hashes and signatures.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "openssl", Versions: []string{"0.9.8zh", "1.1.1", "3.0.19", "3.5"}}},
		Hints: []ktstr.Hint{
			{Name: "*.*.bw", Unit: "kB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.bw", Unit: "kB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.*.rate", Unit: "ops/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.*.time", Unit: "s", Polarity: ktstr.Lower},
		},
	}}
}

// reading is the state of a parse.
type reading struct {
	*report.Report
	sizes      []string // of the blocks, from the line type or +H
	symmetric  bool     // the line type came, and no other heading since
	got        []string // the sizes that a child of -multi printed
	operations []string // of the table of a public-key algorithm, from its heading
	prefix     string   // of the names in that table: "kem_", "sig_" or ""
	headed     int      // the line of a heading that has no row yet, 0: none
	rows       int      // algorithms that were read
	unsized    bool     // a row has a bandwidth whose block size is not known
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("openssl speed", out)}
	for number, line := range r.Lines() {
		if len(line) > 0 {
			r.line(number, line)
		}
	}
	r.endTable()
	if wanted := algorithms(out.Argv); r.rows > 0 && r.rows < wanted {
		r.Note(ktstr.MissingHeadline, 0, "%s in the report: want %d, as the command line says", text.Count(r.rows, "algorithm"), wanted)
	}
	if r.unsized {
		r.Note(ktstr.MissingHeadline, 0, "the size of the blocks is not known: no line begins with type or +H")
	}
	return r.End("a table with the heading type or sign, or a line that begins with +F")
}

// algorithms returns how many algorithms a command line names. Each has at least one row.
func algorithms(argv []string) (n int) {
	takeValue := []string{"-seconds", "-bytes", "-multi", "-evp", "-hmac", "-cmac", "-engine", "-primes", "-rand", "-writerand", "-async_jobs",
		"-misalign", "-config", "-provider", "-provider-path", "-propquery"}
	for i, arg := range argv {
		if i > 1 && !strings.HasPrefix(arg, "-") && !slices.Contains(takeValue, argv[i-1]) {
			n++
		}
	}
	return n
}

// endTable reports a heading without a row.
func (r *reading) endTable() {
	if r.headed > 0 {
		r.Note(ktstr.MissingHeadline, r.headed, "the table below this heading has no row")
	}
	r.headed = 0
}

func (r *reading) line(number int, line []byte) {
	switch c := line[0]; {
	case c == '+':
		if len(line) > 1 && (line[1] == 'F' || line[1] == 'H') { // the others are progress
			r.machine(number, line)
		}
	case bytes.HasPrefix(line, []byte("type ")) && bytes.HasSuffix(bytes.TrimSpace(line), []byte(" bytes")):
		r.endTable()
		r.Ours, r.symmetric, r.operations, r.sizes, r.headed = true, true, nil, nil, number
		for i, f := range bytes.Fields(line) {
			if i%2 == 1 {
				r.sizes = append(r.sizes, string(f))
			}
		}
	case bytes.HasPrefix(line, []byte("version: ")), bytes.HasPrefix(line, []byte("OpenSSL ")):
		r.Ours = true
		_, version, _ := strings.Cut(string(line), " ")
		if v := text.Version(version); len(v) > 0 && text.CompareVersions(newest+".99999", version) < 0 {
			r.Note(ktstr.UnsupportedVersion, number, "openssl %s is newer than %s, which this parser was tried on", text.Line(version), newest)
		}
	case bytes.HasPrefix(line, []byte("Got: +H:")):
		sizes, _, _ := strings.Cut(string(line[len("Got: +H:"):]), " ")
		r.got = strings.Split(sizes, ":")
	case bytes.HasPrefix(line, []byte("speed: ")), bytes.HasPrefix(line, []byte("Error: ")), bytes.Contains(line, []byte("unknown cipher or digest")):
		r.Note(ktstr.ToolFailed, number, "%s", line)
	default:
		r.table(number, line)
	}
}

// table reads a heading or a row of a table. Other lines end in words.
func (r *reading) table(number int, line []byte) {
	last := bytes.TrimRight(line, " ")
	switch end := last[max(0, len(last)-1):]; {
	case bytes.HasSuffix(last, []byte("/s")):
		r.heading(number, bytes.Fields(last))
	case len(end) > 0 && (end[0] == 'k' || end[0]-'0' <= 9):
		fields := bytes.Fields(last)
		switch {
		case r.operations != nil:
			r.asymmetricRow(number, fields)
		case r.symmetric, end[0] == 'k':
			r.symmetricRow(number, fields)
		case len(fields) > 3 && bytes.HasSuffix(fields[len(fields)/2], []byte("s")) && bytes.Contains(line, []byte(" bits ")):
			r.Note(ktstr.Malformed, number, "a row without the heading of its columns: left out")
		}
	}
}

// heading reads "sign verify sign/s verify/s": times in the first half, rates in the second.
func (r *reading) heading(number int, fields [][]byte) {
	names := map[string]string{"sign": "sign", "signs": "sign", "verify": "verify", "encrypt": "encrypt", "decrypt": "decrypt",
		"op": "op", "keygen": "keygen", "encaps": "encaps", "decaps": "decaps"}
	var operations []string
	for _, f := range fields[:len(fields)/2] {
		name := names[string(f)]
		if name == "" {
			return
		}
		operations = append(operations, name)
	}
	r.endTable()
	r.Ours, r.symmetric, r.operations, r.prefix, r.headed = true, false, operations, "", number
	if slices.Contains(operations, "keygen") {
		r.prefix = "sig_"
		if slices.Contains(operations, "encaps") {
			r.prefix = "kem_"
		}
	}
}

// symmetricRow reads "aes-256 cbc  105249.81k  110157.17k": a name that may have blanks, and
// the bandwidth for each size. Without the line type only values with a k are read.
func (r *reading) symmetricRow(number int, fields [][]byte) {
	first := len(fields)
	for first > 0 && isBandwidth(fields[first-1], r.symmetric) && (!r.symmetric || len(fields)-first < len(r.sizes)) {
		first--
	}
	values := fields[first:]
	if first == 0 || len(values) == 0 || strings.HasSuffix(string(fields[0]), ":") {
		return
	}
	sizes := r.sizes
	if !r.symmetric {
		sizes = nil
	}
	if r.symmetric && len(values) != len(sizes) {
		r.Note(ktstr.Malformed, number, "%s in this row: want %d, one for each size", text.Count(len(values), "bandwidth"), len(sizes))
		return
	}
	r.Ours, r.headed = true, 0
	r.bandwidths(number, string(bytes.Join(fields[:first], []byte{' '})), values, sizes, "B/s")
}

// isBandwidth reports whether a field is a number of openssl with two decimals. Without a k
// it is in bytes.
func isBandwidth(field []byte, bytesToo bool) bool {
	number, kilo := bytes.CutSuffix(field, []byte{'k'})
	_, ok := text.ParseDecimal(number)
	return ok && bytes.Contains(number, []byte{'.'}) && (kilo || bytesToo)
}

// bandwidths adds the values of an algorithm.
func (r *reading) bandwidths(number int, algorithm string, values [][]byte, sizes []string, unit string) {
	r.rows++
	name := text.Segment(algorithm)
	if sizes == nil && len(values) > 1 {
		sizes = r.got // -multi names the sizes only there
	}
	if len(sizes) != len(values) {
		r.unsized = true
		if len(values) > 1 {
			r.Note(ktstr.Malformed, number, "%s of %s, and %s: left out", text.Count(len(values), "bandwidth"), name, text.Count(len(sizes), "size"))
			return
		}
		sizes = nil
	}
	for i, value := range values {
		metric := name + ".bw"
		if sizes != nil {
			metric = name + "." + text.Segment(sizes[i]) + ".bw"
		}
		own := unit
		if v, kilo := bytes.CutSuffix(value, []byte{'k'}); kilo {
			value, own = v, "kB/s"
		}
		r.figure(metric, value, own, ktstr.Higher, number)
	}
}

// figure adds a number that is not 0. A 0 means that the algorithm was not measured, or
// that the number is too small for its decimals.
func (r *reading) figure(name string, value []byte, unit string, polarity ktstr.Polarity, number int) {
	if v, ok := text.ParseDecimal(value); ok && v == 0 {
		r.Note(ktstr.NotMeasured, number, "%s is %s: left out", name, value)
		return
	}
	r.AddText(name, value, unit, polarity, number)
}

// asymmetricRow reads "rsa 2048 bits 0.000245s 0.000016s 4077.0 61821.0".
func (r *reading) asymmetricRow(number int, fields [][]byte) {
	if !slices.ContainsFunc(fields, isTime) {
		return
	}
	n := len(r.operations)
	first := len(fields) - 2*n
	fits := first > 0 && !isTime(fields[first-1])
	for i := 0; fits && i < 2*n; i++ {
		fits = isTime(fields[first+i]) == (i < n)
	}
	if !fits {
		r.Note(ktstr.Malformed, number, "this row does not fit its heading: want %s and as many rates", text.Count(n, "time"))
		return
	}
	r.rows, r.headed = r.rows+1, 0
	name := r.prefix + keyName(fields[:first])
	for i, operation := range r.operations {
		r.figure(name+"."+operation+".time", bytes.TrimSuffix(fields[first+i], []byte{'s'}), "s", ktstr.Lower, number)
		r.figure(name+"."+operation+".rate", fields[first+n+i], "ops/s", ktstr.Higher, number)
	}
}

func isTime(field []byte) bool {
	number, ok := bytes.CutSuffix(field, []byte{'s'})
	_, isNumber := text.ParseDecimal(number)
	return ok && isNumber
}

// keyName returns rsa2048 for "rsa 2048 bits", and ecdsa_nistp256 for "256 bits ecdsa (nistp256)".
func keyName(words [][]byte) string {
	w := strings.Fields(string(bytes.Join(words, []byte{' '})))
	switch {
	case len(w) == 3 && w[2] == "bits":
		return text.Segment(w[0] + w[1])
	case len(w) == 3 && w[1] == "bits": // 2048 bits ffdh
		return text.Segment(w[2] + w[0])
	case len(w) == 4 && w[1] == "bits":
		return text.Segment(strings.ToLower(w[2]) + "_" + strings.Trim(w[3], "()"))
	}
	return text.Segment(strings.Join(w, " "))
}

// machine reads a line of -mr.
func (r *reading) machine(number int, line []byte) {
	fields := strings.Split(string(line), ":")
	kind, rest := fields[0], fields[1:]
	if kind == "+H" {
		r.Ours, r.sizes = true, rest
		return
	}
	if !strings.HasPrefix(kind, "+F") || len(rest) < 3 {
		return
	}
	r.Ours = true
	rest = rest[1:] // without the index
	if kind == "+F" {
		var values [][]byte
		for _, v := range rest[1:] {
			values = append(values, []byte(v))
		}
		r.bandwidths(number, rest[0], values, r.sizes, "B/s")
		return
	}
	r.rows++
	name, values := rest[0], rest[1:]
	var operations []string
	switch kind {
	case "+F2":
		name, operations = "rsa"+name, []string{"sign", "verify", "encrypt", "decrypt"}
	case "+F3":
		name, operations = "dsa"+name, []string{"sign", "verify"}
	case "+F4":
		name, operations = "ecdsa_"+name, []string{"sign", "verify"}
	case "+F5", "+F8":
		r.operation(number, map[string]string{"+F5": "ecdh_", "+F8": "ffdh"}[kind]+name, values)
		return
	case "+F6", "+F7": // the number of bits, then the name of the curve
		name, values = map[string]string{"+F6": "eddsa_", "+F7": "sm2_"}[kind]+values[0], values[1:]
		operations = []string{"sign", "verify"}
	case "+F9", "+F10":
		operations = []string{"keygen", "encaps", "decaps"}
		if kind == "+F10" {
			operations = []string{"keygen", "sign", "verify"}
		}
		if len(values) == len(operations)-1 { // no name, only the index
			name, values = fields[1], rest
		}
		name = map[string]string{"+F9": "kem_", "+F10": "sig_"}[kind] + name
	}
	if len(values) > len(operations) || len(values) < min(2, len(operations)) || operations == nil {
		r.Note(ktstr.UnsupportedVersion, number, "%s with %s: this parser knows no such line", text.Line(kind), text.Count(len(values), "number"))
		return
	}
	r.rates(number, text.Segment(name), operations, values)
}

// operation reads the rate and the time of +F5 and +F8.
func (r *reading) operation(number int, name string, values []string) {
	if len(values) != 2 {
		r.Note(ktstr.Malformed, number, "%s after %s: want the rate and the time", text.Count(len(values), "number"), text.Line(name))
		return
	}
	name = text.Segment(name)
	r.figure(name+".op.rate", []byte(values[0]), "ops/s", ktstr.Higher, number)
	r.figure(name+".op.time", []byte(values[1]), "s", ktstr.Lower, number)
}

// rates adds operations per second. Before 1.1.1, -mr printed seconds: all its numbers are
// below 1, and no machine does less than one operation of each kind per second.
func (r *reading) rates(number int, name string, operations, values []string) {
	seconds := true
	for _, value := range values {
		v, ok := text.ParseDecimal(value)
		seconds = seconds && ok && v < 1
	}
	for i, value := range values {
		if seconds {
			r.figure(name+"."+operations[i]+".time", []byte(value), "s", ktstr.Lower, number)
		} else {
			r.figure(name+"."+operations[i]+".rate", []byte(value), "ops/s", ktstr.Higher, number)
		}
	}
}
