package payload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ktstr/ktstr/internal/strictyaml"
)

// LoadDir reads each "*.yaml" file of a directory, in the order of their names.
// Payloads decide which programs are executed. LoadDir therefore refuses a
// directory or a file that users other than the caller and root can write or
// replace. If the directory does not exist, errors.Is(err, fs.ErrNotExist) holds.
//
// An invalid file does not hide the valid ones. LoadDir returns the valid
// payloads together with a FileErrors that lists the invalid files.
func LoadDir(dir string) ([]Payload, error) {
	if err := strictyaml.Trusted(dir, "payloads"); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var payloads []Payload
	var broken FileErrors
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, ".yml") {
			broken = append(broken, FileError{path, fmt.Errorf("payload file %s: the name ends in .yml: want .yaml", path)})
		}
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		p, err := LoadFile(path)
		if err != nil {
			broken = append(broken, FileError{path, err})
			continue
		}
		payloads = append(payloads, p)
	}
	if len(broken) > 0 {
		return payloads, broken
	}
	return payloads, nil
}

// A FileError is the error of one invalid file. Its message contains the path.
type FileError struct {
	Path string
	Err  error
}

func (e FileError) Error() string { return e.Err.Error() }
func (e FileError) Unwrap() error { return e.Err }

// FileErrors lists the invalid files of a directory, in the order of their names.
type FileErrors []FileError

func (e FileErrors) Error() string { return errors.Join(e.Unwrap()...).Error() }
func (e FileErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// LoadFile reads one payload file. It refuses the same files as LoadDir.
func LoadFile(path string) (Payload, error) {
	text, err := strictyaml.ReadFile(path, "payloads", maxFile+1)
	if err != nil {
		return Payload{}, err
	}
	return Parse(path, text)
}
