package payload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"al.essio.dev/pkg/shellescape"
)

// LoadDir reads each "*.yaml" file of a directory, in the order of their names.
// Payloads decide which programs are executed. LoadDir therefore refuses a
// directory or a file that users other than the caller and root can write or
// replace. If the directory does not exist, errors.Is(err, fs.ErrNotExist) holds.
//
// An invalid file does not hide the valid ones. LoadDir returns the valid
// payloads together with a FileErrors that lists the invalid files.
func LoadDir(dir string) ([]Payload, error) {
	if err := trusted(dir); err != nil {
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
	if err := trusted(path); err != nil {
		return Payload{}, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a named pipe must not block
	if err != nil {
		return Payload{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Payload{}, err
	}
	if !info.Mode().IsRegular() {
		return Payload{}, fmt.Errorf("payload file %s: %s: want a regular file", path, kindOf(info.Mode()))
	}
	// Checks the opened file, so that the path cannot change before the read.
	if err := onlyOurs(path, info); err != nil {
		return Payload{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Payload{}, fmt.Errorf("payload file %s: %w", path, err)
	}
	return Parse(path, text)
}

// kindOf names a file's type for a message.
func kindOf(mode os.FileMode) string {
	if mode.IsDir() {
		return "a directory"
	}
	return "mode " + mode.String()
}

// trusted returns an error if other users can write path or a directory above it.
// It resolves links first.
func trusted(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		// In a sticky directory such as /tmp, only the owner can replace a file.
		if sticky := at != real && info.Mode()&os.ModeSticky != 0; !sticky {
			if err := onlyOurs(at, info); err != nil {
				return err
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// onlyOurs returns an error if other users can write the file, or if it belongs
// to a user other than the caller and root.
func onlyOurs(path string, info os.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("payloads at %s: others can write it (mode %04o): want only you to, else they decide what you execute: chmod go-w %s", path, mode, shellescape.Quote(path))
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("payloads at %s: it belongs to uid %d: want it to be yours or root's, else they decide what you execute", path, stat.Uid)
	}
	return nil
}
