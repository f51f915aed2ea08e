// Package bundle stores a finished run as a directory, called bundle, and reads it
// back. All other results can be computed again from a bundle.
//
//	record.json    the record, see docs/record.md
//	stdout stderr  the raw output, up to the capture limit
//	files/NAME     the output file NAME of the payload
//	payload.yaml   the payload as it was resolved for the run
//
// At each moment, even after a crash, a bundle is in one of three states: it does not
// exist, it is complete except for the extraction, or it is complete.
package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/ktstr/ktstr"
)

// The files of a bundle.
const (
	recordFile  = "record.json"
	payloadFile = "payload.yaml"
	filesDir    = "files"
	staging     = ".staging-" // the prefix of a bundle that is not complete yet
)

var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^[0-9]{8}T[0-9]{6}Z-.+-[0-9a-f]{8}$`)
})

// IsName reports whether name has the form of the names that Writer.Raw chooses:
// YYYYMMDDTHHMMSSZ-PAYLOAD-XXXXXXXX, with 8 hexadecimal digits at the end. For example,
// "20260102T030405Z-fio-latency-0123abcd" has it.
func IsName(name string) bool {
	return namePattern().MatchString(name) && filepath.Base(name) == name
}

// StreamFile returns the path of a stream's raw output, relative to the bundle. For
// example, it returns "files/json" for the stream "file:json". payload.Validate
// ensures that the names of output files contain no separator.
func StreamFile(s ktstr.Stream) string {
	if name, ok := strings.CutPrefix(string(s), string(ktstr.FileStream(""))); ok {
		return filepath.Join(filesDir, name)
	}
	return string(s)
}

// DefaultRoot returns the directory of bundles without --out: runs below StateDir.
func DefaultRoot() (string, error) {
	state, err := StateDir()
	if err != nil {
		return "", fmt.Errorf("no place for bundles: %w, or choose one with --out DIR", err)
	}
	return filepath.Join(state, "runs"), nil
}

// StateDir returns the directory of the files that ktstr keeps for this user:
// $XDG_STATE_HOME/ktstr. If the variable is not set, it is ~/.local/state/ktstr.
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the specification requires to ignore a relative path
		return filepath.Join(dir, "ktstr"), nil
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("$HOME is %q: want an absolute path", home)
	}
	if err != nil {
		return "", fmt.Errorf("%w: set $HOME or $XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local", "state", "ktstr"), nil
}
