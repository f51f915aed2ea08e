package payload

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Found is what asking an installed program told. Empty texts mean that it was
// not asked or gave nothing.
type Found struct {
	Version string // from Need.VersionIn
	Help    string // all that the help command printed
	Problem string // why something is missing, for a person; empty: nothing to say
}

// defaultVersion finds the first number with a dot.
var defaultVersion = lazy(`(\d+(?:\.\d+)+)`)

// VersionIn finds the version in what the program printed when it was run with
// VersionArgs; "" where it is not there.
func (n Need) VersionIn(output string) string {
	re := defaultVersion()
	if n.VersionPattern != "" {
		var err error
		if re, err = regexp.Compile(n.VersionPattern); err != nil || re.NumSubexp() < 1 {
			return "" // Validate refuses such a pattern
		}
	}
	if m := re.FindStringSubmatch(output); m != nil {
		return m[1]
	}
	return ""
}

// AsksVersion reports whether Resolve needs Found.Version.
func (p Payload) AsksVersion() bool {
	for _, v := range p.Variants {
		if v.When.Version != "" {
			return true
		}
	}
	return len(p.Needs) > 0 && p.Needs[0].MinVersion != ""
}

// AsksHelp reports whether Resolve needs Found.Help.
func (p Payload) AsksHelp() bool {
	for _, v := range p.Variants {
		if v.When.Supports != "" {
			return true
		}
	}
	return false
}

// Resolve is p as it is for the program found, the first of p.Needs: without
// variants, the first that holds having taken the place of what it replaces.
// The note, which may be empty, says how that differs. A program older than
// MinVersion is an error that says what to do.
func Resolve(p Payload, found Found) (resolved Payload, note string, err error) {
	resolved = p
	resolved.Variants = nil
	add := func(text string) {
		if text != "" {
			note = strings.TrimPrefix(note+"; "+text, "; ")
		}
	}
	add(found.Problem)
	if len(p.Needs) > 0 {
		if err := p.Needs[0].Enough(found.Version); err != nil {
			return p, "", err
		}
		if p.Needs[0].MinVersion != "" && found.Version == "" {
			add(fmt.Sprintf("%s does not tell its version; the payload wants %s or newer", p.Needs[0].Binary, p.Needs[0].MinVersion))
		}
	}
	for _, v := range p.Variants {
		if !v.When.holds(found) {
			continue
		}
		if v.Args != nil {
			resolved.Args = v.Args
		}
		if v.Checks != nil {
			resolved.Checks = v.Checks
		}
		if v.Outputs != nil {
			resolved.Outputs = v.Outputs
		}
		add(v.Note)
		break
	}
	return resolved, note, nil
}

// Enough refuses a version that is older than MinVersion. One that is not
// known passes.
func (n Need) Enough(version string) error {
	if n.MinVersion == "" || version == "" || compareVersions(version, n.MinVersion) >= 0 {
		return nil
	}
	err := fmt.Errorf("%s %s is installed: want %s or newer", n.Binary, version, n.MinVersion)
	if n.Install != "" {
		err = fmt.Errorf("%w; install it with: %s", err, n.Install)
	}
	return err
}

func (w When) holds(found Found) bool {
	if w.Version != "" {
		constraint, err := parseConstraint(w.Version)
		if err != nil || parseVersion(found.Version) == nil || !constraint(found.Version) {
			return false
		}
	}
	return w.Supports == "" || hasWord(found.Help, w.Supports)
}

// hasWord reports whether word stands in text with nothing of a longer option
// around it: "--json" is not in "--json-pretty".
func hasWord(text, word string) bool {
	part := func(c byte) bool {
		return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || !part(text[i-1])) && (end == len(text) || !part(text[end])) {
			return true
		}
		from = i + 1
	}
}

// parseConstraint reads comparisons separated by commas, all of which must hold.
func parseConstraint(text string) (holds func(version string) bool, err error) {
	type comparison struct{ op, version string }
	var all []comparison
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		version := strings.TrimLeft(part, "<>=")
		op := part[:len(part)-len(version)]
		version = strings.TrimSpace(version)
		switch op {
		case "<", "<=", ">", ">=", "==":
		default:
			return nil, fmt.Errorf(`%q: want <, <=, >, >= or == and a version, such as ">= 0.15.8"`, text)
		}
		if parseVersion(version) == nil {
			return nil, fmt.Errorf(`%q: %q is no version: want numbers with dots, such as ">= 0.15.8"`, text, version)
		}
		all = append(all, comparison{op, version})
	}
	return func(version string) bool {
		for _, c := range all {
			order := compareVersions(version, c.version)
			ok := false
			switch c.op {
			case "<":
				ok = order < 0
			case "<=":
				ok = order <= 0
			case ">":
				ok = order > 0
			case ">=":
				ok = order >= 0
			case "==":
				ok = order == 0
			}
			if !ok {
				return false
			}
		}
		return true
	}, nil
}

// parseVersion takes the dotted numbers off the front; what follows them does
// not count. It is nil where there is none.
func parseVersion(text string) []uint64 {
	text = strings.TrimPrefix(strings.TrimSpace(text), "v")
	var numbers []uint64
	for {
		end := 0
		for end < len(text) && '0' <= text[end] && text[end] <= '9' {
			end++
		}
		n, err := strconv.ParseUint(text[:end], 10, 64)
		if err != nil {
			return numbers
		}
		numbers = append(numbers, n)
		if end == len(text) || text[end] != '.' {
			return numbers
		}
		text = text[end+1:]
	}
}

// compareVersions orders by number after number; a missing one is 0.
func compareVersions(a, b string) int {
	va, vb := parseVersion(a), parseVersion(b)
	for i := range max(len(va), len(vb)) {
		var na, nb uint64
		if i < len(va) {
			na = va[i]
		}
		if i < len(vb) {
			nb = vb[i]
		}
		if c := cmp.Compare(na, nb); c != 0 {
			return c
		}
	}
	return 0
}
