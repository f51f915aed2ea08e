package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/ktstr/ktstr"
)

// Case is one folder of a corpus: the output of one run of the tool, and the
// document that the extractor must make of it.
type Case struct {
	Name    string         // the folder's
	Dir     string         // its path
	Streams []ktstr.Output // stdout, stderr, then files by name
	Want    []byte         // extract.json, nil if there is none yet
}

// meta holds the keys of a case's meta.json that the checks use. Other keys are free.
type meta struct {
	Argv      []string          `json:"argv"`
	ExitCode  *int              `json:"exit_code"` // negative: killed by that signal
	Truncated bool              `json:"truncated"` // the capture of stdout stopped at its cap
	Options   map[string]string `json:"options"`   // of the extractor
}

// LoadCorpus reads the cases of a directory: every folder in it that holds a
// file stdout, stderr or file-NAME. meta.json (argv, exit_code, truncated, options) and
// extract.json may be absent.
func LoadCorpus(dir string) ([]Case, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	var cases []Case
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		k, err := loadCase(path)
		if err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
		if k.Streams != nil {
			cases = append(cases, k)
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("corpus %s: no case in it: want folders that hold a file stdout, stderr or file-NAME", dir)
	}
	return cases, nil
}

func loadCase(dir string) (Case, error) {
	k := Case{Name: filepath.Base(dir), Dir: dir}
	var m meta
	text, err := readOptional(filepath.Join(dir, "meta.json"))
	if err != nil {
		return k, err
	}
	if text != nil {
		if err := json.Unmarshal(text, &m); err != nil {
			return k, fmt.Errorf("%s: %w", filepath.Join(dir, "meta.json"), err)
		}
	}
	if m.ExitCode != nil && *m.ExitCode < 0 {
		*m.ExitCode = -1 // as the engine reports a death by a signal
	}
	names, err := filepath.Glob(filepath.Join(dir, "file-*"))
	if err != nil {
		return k, err
	}
	sort.Strings(names)
	for _, path := range append([]string{filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")}, names...) {
		data, err := readOptional(path)
		if err != nil {
			return k, err
		}
		if data == nil {
			continue
		}
		stream := ktstr.Stream(filepath.Base(path))
		if name, ok := strings.CutPrefix(string(stream), "file-"); ok {
			stream = ktstr.FileStream(name)
		}
		k.Streams = append(k.Streams, ktstr.Output{
			Stream: stream, Data: data, Truncated: m.Truncated && stream == ktstr.Stdout,
			ExitCode: m.ExitCode, Argv: m.Argv, Options: m.Options,
		})
	}
	k.Want, err = readOptional(filepath.Join(dir, "extract.json"))
	return k, err
}

// readOptional returns nil for a file that is not there.
func readOptional(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}
