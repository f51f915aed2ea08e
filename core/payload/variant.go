package payload

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ktstr/ktstr/internal/text"
)

// Found describes an installed program. A text is empty if the program was not
// asked for it or did not print it.
type Found struct {
	Version string // see Need.VersionIn
	Help    string // the output of the program with Need.HelpArgs
	Problem string // explains to the user why the version or the help is missing
}

// defaultVersion matches the first number with a dot, such as 3.36.
var defaultVersion = lazy(`(\d+(?:\.\d+)+)`)

// VersionIn returns the version that the program printed when it was run with
// VersionArgs, "" if the output has none.
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

// AsksHelp reports whether Resolve needs Found.Help.
func (p Payload) AsksHelp() bool {
	for _, v := range p.Variants {
		if v.When.Supports != "" {
			return true
		}
	}
	return false
}

// Resolve returns p for the installed program that found describes, which is the
// first of p.Needs. The first variant whose condition holds replaces the fields
// that it sets. The result has no variants. The note, which may be empty, tells
// the user how the result differs from p. A program older than MinVersion is an
// error with the command that installs a newer one.
func Resolve(p Payload, found Found) (resolved Payload, note string, err error) {
	resolved = p
	resolved.Variants = nil
	add := func(part string) {
		if part != "" {
			note = strings.TrimPrefix(note+"; "+part, "; ")
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

// Enough returns an error if version is older than MinVersion. An unknown
// version ("") is accepted.
func (n Need) Enough(version string) error {
	if n.MinVersion == "" || version == "" || text.CompareVersions(version, n.MinVersion) >= 0 {
		return nil
	}
	err := fmt.Errorf("%s %s is installed: want %s or newer", n.Binary, version, n.MinVersion)
	if n.Install != "" {
		err = fmt.Errorf("%w; install it with: %s", err, n.Install)
	}
	return err
}

// holds reports whether each given condition holds. An unknown version fulfils
// no condition.
func (w When) holds(found Found) bool {
	if w.Version != "" {
		constraint, err := parseConstraint(w.Version)
		if err != nil || text.Version(found.Version) == nil || !constraint(found.Version) {
			return false
		}
	}
	return w.Supports == "" || hasWord(found.Help, w.Supports)
}

// hasWord reports whether help contains word as a whole option. For example,
// "--json" is not in "--json-pretty".
func hasWord(help, word string) bool {
	part := func(c byte) bool {
		return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(help[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || !part(help[i-1])) && (end == len(help) || !part(help[end])) {
			return true
		}
		from = i + 1
	}
}

// parseConstraint reads comparisons separated by commas, such as ">= 1, < 2". The
// constraint holds if all comparisons hold.
func parseConstraint(constraint string) (holds func(version string) bool, err error) {
	type comparison struct{ op, version string }
	var all []comparison
	for _, part := range strings.Split(constraint, ",") {
		part = strings.TrimSpace(part)
		version := strings.TrimLeft(part, "<>=")
		op := part[:len(part)-len(version)]
		version = strings.TrimSpace(version)
		switch op {
		case "<", "<=", ">", ">=", "==":
		default:
			return nil, fmt.Errorf(`%q: want <, <=, >, >= or == and a version, such as ">= 0.15.8"`, constraint)
		}
		if text.Version(version) == nil {
			return nil, fmt.Errorf(`%q: %q is no version: want numbers with dots, such as ">= 0.15.8"`, constraint, version)
		}
		all = append(all, comparison{op, version})
	}
	return func(version string) bool {
		for _, c := range all {
			order := text.CompareVersions(version, c.version)
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
