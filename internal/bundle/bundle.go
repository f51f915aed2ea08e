// Package bundle keeps a finished run as a directory, and reads it back: the
// record, the raw output, and the payload as it was resolved, from which
// everything else can be computed again.
//
//	record.json    the record, see docs/record.md
//	stdout stderr  raw output, up to the cap
//	files/NAME     what the payload wrote to its output file NAME
//	payload.yaml   the payload as it was resolved
//
// At any moment, also in a crash, a bundle is absent, or whole without
// extraction, or whole with it.
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

const (
	recordFile  = "record.json"
	payloadFile = "payload.yaml"
	filesDir    = "files"
	staging     = ".staging-" // prefix of a bundle that is not published yet
)

var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^[0-9]{8}T[0-9]{6}Z-.+-[0-9a-f]{8}$`)
})

// IsName reports whether name has exactly the form of those that Raw gives:
// YYYYMMDDTHHMMSSZ-PAYLOAD-XXXXXXXX, the last 8 being hexadecimal.
func IsName(name string) bool {
	return namePattern().MatchString(name) && filepath.Base(name) == name
}

// StreamFile is the path of a stream's raw bytes within a bundle. The names of
// output files are checked by payload.Validate: no separators.
func StreamFile(s ktstr.Stream) string {
	if name, ok := strings.CutPrefix(string(s), string(ktstr.FileStream(""))); ok {
		return filepath.Join(filesDir, name)
	}
	return string(s)
}

// DefaultRoot is where bundles go unless told otherwise:
// $XDG_STATE_HOME/ktstr/runs, by default ~/.local/state/ktstr/runs.
func DefaultRoot() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the specification says to ignore relative ones
		return filepath.Join(dir, "ktstr", "runs"), nil
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("$HOME is %q: want an absolute path", home)
	}
	if err != nil {
		return "", fmt.Errorf("no place for bundles: %w; choose one with --out DIR", err)
	}
	return filepath.Join(home, ".local", "state", "ktstr", "runs"), nil
}
