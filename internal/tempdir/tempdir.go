// Package tempdir makes directories that end with their maker: each is locked
// while its process lives, and where that was killed the next Make in the same
// place removes it.
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

// Dir is a directory of mode 0700.
type Dir struct {
	Path string
	lock *os.File // nil: kept or removed
}

// Make makes a directory below parent whose name begins with prefix, after
// removing those of that prefix that killed processes of this user left there.
// Where the filesystem has no locks nothing is taken for left behind.
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

// young is how long a directory may be without its lock: between its making
// and its locking.
const young = time.Minute

func sweep(parent, prefix string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // Make will say why
	}
	for _, e := range entries {
		// os.MkdirTemp appends a number; what has another name may be somebody's own.
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

// Keep makes the directory one like others, which nobody removes.
func (d *Dir) Keep() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// Remove removes the directory and all that is in it; after Keep, or a second
// time, it does nothing.
func (d *Dir) Remove() error {
	if d.lock == nil {
		return nil
	}
	err := removeAll(d.Path)
	d.Keep()
	return err
}

func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	// Payloads leave directories that their owner cannot write (a cache of Go
	// modules is made of them).
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
