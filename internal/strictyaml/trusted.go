package strictyaml

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"al.essio.dev/pkg/shellescape"
)

// ReadFile returns at most limit bytes of a file that decides what runs. It refuses what Trusted refuses, and files that are
// not regular. Errors call the content what, such as "payloads".
func ReadFile(path, what string, limit int64) ([]byte, error) {
	if err := Trusted(path, what); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a named pipe must not block
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s at %s: %s: want a regular file", what, path, kindOf(info.Mode()))
	}
	// Checks the opened file, so that the path cannot change before the read.
	if err := onlyOurs(path, what, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", what, path, err)
	}
	return text, nil
}

// kindOf names a file's type for a message.
func kindOf(mode os.FileMode) string {
	if mode.IsDir() {
		return "a directory"
	}
	return "mode " + mode.String()
}

// Trusted returns an error if other users can write path or a directory above it, because the file decides what runs. It
// resolves links first. Errors call the content what, such as "payloads".
func Trusted(path, what string) error {
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
			if err := onlyOurs(at, what, info); err != nil {
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
func onlyOurs(path, what string, info os.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s at %s: others can write it (mode %04o): want only you to, else they decide what you execute: chmod go-w %s", what, path, mode, shellescape.Quote(path))
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s at %s: it belongs to uid %d: want it to be yours or root's, else they decide what you execute", what, path, stat.Uid)
	}
	return nil
}
