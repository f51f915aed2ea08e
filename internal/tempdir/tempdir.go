// Package tempdir makes temporary directories that do not outlive their process for
// long. Each process locks its directories. If it is killed, the next Make in the same
// place removes them, because they are not locked any more.
package tempdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Dir is a temporary directory of mode 0700.
type Dir struct {
	Path string
	lock *os.File // nil after Keep and Remove
}

// Make creates a directory below parent whose name is prefix and a random number. First
// it removes stale directories with that prefix, which killed processes of this user
// left. On a filesystem without locks, it removes none.
func Make(parent, prefix string) (*Dir, error) {
	sweep(parent, prefix)
	path, err := os.MkdirTemp(parent, prefix) // 0700
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path}
	if d.lock, err = os.Open(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return d, nil
}

// young is the age up to which sweep keeps a directory without a lock. Its process may
// be between creating and locking it.
const young = time.Minute

// sweep removes stale directories.
func sweep(parent, prefix string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // Make returns the error
	}
	for _, e := range entries {
		// os.MkdirTemp appends a number. A directory with another name may belong to the
		// user.
		suffix, ok := strings.CutPrefix(e.Name(), prefix)
		if _, err := strconv.ParseUint(suffix, 10, 64); err != nil || !ok || !e.IsDir() {
			continue
		}
		path := filepath.Join(parent, e.Name())
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		var s unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &s); err == nil && int(s.Uid) == os.Geteuid() &&
			time.Since(time.Unix(s.Mtim.Unix())) > young && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			removeAll(path)
		}
		f.Close()
	}
}

// Keep unlocks the directory and keeps it. The caller must rename it, or the next Make
// removes it.
func (d *Dir) Keep() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// Remove removes the directory with its contents. It does nothing after Keep or Remove.
func (d *Dir) Remove() error {
	if d.lock == nil {
		return nil
	}
	err := removeAll(d.Path)
	d.Keep()
	return err
}

// removeAll removes a directory even if it contains directories without write
// permission.
func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	// Payloads leave directories that their owner cannot write, for example a cache of
	// Go modules.
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("the temporary directory could not be removed: %w", err)
	}
	return nil
}
