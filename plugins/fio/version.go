package fio

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// proven are the versions of fio whose output this package was tried on,
// oldest first.
var proven = []string{"2.21", "3.16", "3.33", "3.42"}

// A version is fio's own, as in "fio-3.42" or "fio-3.36-77-gdeadbee-dirty".
// The zero value is one that the text does not tell.
type version struct {
	text         string // without "fio-"
	major, minor int
}

func parseVersion(text string) version {
	text = printable(strings.TrimPrefix(strings.TrimSpace(text), "fio-"))
	v := version{text: text}
	major, rest := digits(text)
	if major == "" || !strings.HasPrefix(rest, ".") {
		return v
	}
	minor, _ := digits(rest[1:])
	v.major, _ = strconv.Atoi(major)
	v.minor, _ = strconv.Atoi(minor)
	return v
}

// before says that the version is known and older than major.minor.
func (v version) before(major, minor int) bool {
	return v.major != 0 && (v.major < major || v.major == major && v.minor < minor)
}

// check returns the diagnostic for a version that was not tried.
func (v version) check(line int) (ktstr.Diagnostic, bool) {
	if v.text == "" {
		return ktstr.Diagnostic{}, false
	}
	known := strings.TrimSuffix(v.text, "-dirty")
	for _, p := range proven {
		if known == p {
			return ktstr.Diagnostic{}, false
		}
	}
	newest := parseVersion(proven[len(proven)-1])
	d := ktstr.Diagnostic{Code: ktstr.UnsupportedVersion, Line: line}
	switch oldest := parseVersion(proven[0]); {
	case v.major == 0:
		d.Message = fmt.Sprintf("fio version %q is not one this plugin was proven on (%s)", v.text, strings.Join(proven, ", "))
	case newest.before(v.major, v.minor):
		d.Message = fmt.Sprintf("fio %s is newer than any this plugin was proven on (%s)", v.text, newest.text)
	case v.before(oldest.major, oldest.minor):
		d.Message = fmt.Sprintf("fio %s is older than any this plugin was proven on (%s)", v.text, oldest.text)
	default:
		d.Message = fmt.Sprintf("fio %s lies between the versions this plugin was proven on (%s)", v.text, strings.Join(proven, ", "))
	}
	return d, true
}
