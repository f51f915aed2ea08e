package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/extractors/table"
	"github.com/ktstr/ktstr/internal/wire"
)

// Prefix begins the file name of every plugin executable.
const Prefix = "ktstr-plugin-"

// Store is the directory of installed plugins. Below it, each executable is at
// NAME/VERSION/SHA256/ktstr-plugin-NAME, each table at NAME/VERSION/SHA256/NAME.ktstr.yaml, and LockFile holds the ones that count.
type Store struct {
	Dir string
}

// DefaultStore is $XDG_DATA_HOME/ktstr/plugins.
func DefaultStore() (Store, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // as its specification says: also if it is empty
		home, err := os.UserHomeDir()
		if err == nil && !filepath.IsAbs(home) {
			err = fmt.Errorf("$HOME is %q: want an absolute path", home)
		}
		if err != nil {
			return Store{}, fmt.Errorf("no directory for installed plugins: %w: set HOME or XDG_DATA_HOME", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return Store{filepath.Join(data, "ktstr", "plugins")}, nil
}

// Installed returns the installed plugins. A store that does not exist, and the
// zero Store, hold none.
func (s Store) Installed() (Lock, error) {
	if s.Dir == "" { // not the working directory
		return Lock{}, nil
	}
	l, err := readLock(filepath.Join(s.Dir, LockFile), "remove it and install the plugins again")
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	return l, err
}

// path returns where the plugin's executable is.
func (s Store) path(p Locked) string {
	d := p.Description
	file := Prefix + d.Name
	if p.Interface == plugin.Table {
		file = d.Name + table.Suffix
	}
	return filepath.Join(s.Dir, d.Name, d.Version, p.SHA256[Platform], file)
}

// Config returns how to start the installed plugin p.
func (s Store) Config(p Locked) plugin.Config {
	return plugin.Config{Name: p.Description.Name, Version: p.Description.Version, Path: s.path(p), SHA256: p.SHA256[Platform], Interface: p.Interface}
}

// Install copies the executable at c.Path into the store, starts the copy with
// the other settings of c, calls verify with it (unless verify is nil), and
// records it. It replaces another build of the plugin and returns that as old.
// old is nil if this platform had no build, or the same one. A failed Install
// changes nothing.
func (s Store) Install(ctx context.Context, c plugin.Config, verify func(ctx context.Context, d ktstr.Description, path string) error) (_ Locked, old *Locked, err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return Locked{}, nil, err
	}
	unlock, err := s.exclusive()
	if err != nil {
		return Locked{}, nil, err
	}
	defer unlock()
	installed, err := s.Installed()
	if err != nil {
		return Locked{}, nil, err
	}
	staging, err := os.MkdirTemp(s.Dir, stagingPrefix)
	if err != nil {
		return Locked{}, nil, err
	}
	defer os.RemoveAll(staging)
	if err := os.Chmod(staging, 0o755); err != nil {
		return Locked{}, nil, err
	}
	copied := filepath.Join(staging, filepath.Base(c.Path))
	hash, err := copyExecutable(c.Path, copied)
	if err != nil {
		return Locked{}, nil, err
	}
	if c.SHA256 != "" && !strings.EqualFold(c.SHA256, hash) {
		return Locked{}, nil, fmt.Errorf("its SHA-256 is %s: want %s", hash, c.SHA256)
	}
	from := c.Path
	defer func() { // the copy is removed, so that its path in an error would be useless
		if e := (*plugin.Error)(nil); errors.As(err, &e) && e.Path == copied {
			e.Path = from
		}
	}()
	c.Path, c.SHA256 = copied, hash
	p, err := plugin.Start(ctx, c)
	if err != nil {
		return Locked{}, nil, err
	}
	locked := Locked{Description: p.Describe(), Interface: p.Interface(), SHA256: map[string]string{Platform: hash}}
	p.Close()
	if verify != nil {
		if err := verify(ctx, locked.Description, copied); err != nil {
			return Locked{}, nil, err
		}
	}
	final := s.path(locked)
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(final)), 0o755); err != nil {
		return Locked{}, nil, err
	}
	if err := os.Rename(copied, filepath.Join(staging, filepath.Base(final))); err != nil {
		return Locked{}, nil, err
	}
	// The same build, installed again, is moved over the old copy.
	if err := os.RemoveAll(filepath.Dir(final)); err != nil {
		return Locked{}, nil, err
	}
	if err := os.Rename(staging, filepath.Dir(final)); err != nil {
		return Locked{}, nil, err
	}
	if err := syncDir(filepath.Dir(filepath.Dir(final))); err != nil {
		return Locked{}, nil, err
	}
	before, ok := installed.Find(locked.Description.Name)
	installed.Merge(locked)
	if err := installed.Write(filepath.Join(s.Dir, LockFile)); err != nil {
		return Locked{}, nil, err
	}
	if !ok || before.SHA256[Platform] == "" || before.SHA256[Platform] == hash && before.Description.Version == locked.Description.Version {
		return locked, nil, nil
	}
	s.removeFiles(before)
	return locked, &before, nil
}

// Remove removes the plugin of that name.
func (s Store) Remove(name string) (Locked, error) {
	unlock, err := s.exclusive()
	if errors.Is(err, fs.ErrNotExist) {
		return Locked{}, fmt.Errorf("%s is not installed: want a plugin of `ktstr plugin list`", wire.Quote(name))
	}
	if err != nil {
		return Locked{}, err
	}
	defer unlock()
	installed, err := s.Installed()
	if err != nil {
		return Locked{}, err
	}
	p, ok := installed.Find(name)
	if !ok {
		return Locked{}, fmt.Errorf("%s is not installed: want a plugin of `ktstr plugin list`", wire.Quote(name))
	}
	installed.Drop(name)
	if err := installed.Write(filepath.Join(s.Dir, LockFile)); err != nil {
		return Locked{}, err
	}
	return p, s.removeFiles(p)
}

// removeFiles removes p's executable, and the directories that are empty then.
func (s Store) removeFiles(p Locked) error {
	if p.SHA256[Platform] == "" {
		return nil // it is another machine's that shares the store
	}
	dir := filepath.Dir(s.path(p))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for range 2 {
		dir = filepath.Dir(dir)
		if os.Remove(dir) != nil {
			return nil // another build is in it
		}
	}
	return nil
}

// Prefixes of temporary files in the store.
const (
	stagingPrefix = ".install-"
	newLockPrefix = ".ktstr-lock-"
)

// exclusive locks the store against changes by other processes. It also deletes
// the temporary files of a process that was killed.
func (s Store) exclusive() (unlock func(), err error) {
	d, err := os.Open(s.Dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: lock: %w", s.Dir, err)
	}
	entries, err := d.ReadDir(-1)
	if err != nil {
		d.Close()
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagingPrefix) && e.IsDir() || strings.HasPrefix(e.Name(), newLockPrefix) && e.Type().IsRegular() {
			os.RemoveAll(filepath.Join(s.Dir, e.Name()))
		}
	}
	return func() { d.Close() }, nil
}

// copyExecutable makes a read-only copy of a plugin and returns the copy's
// SHA-256.
func copyExecutable(from, to string) (string, error) {
	in, err := program.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return "", err
	}
	// Every user may execute it, because as root plugins run as a user of their own.
	if err := out.Chmod(0o555); err != nil {
		return "", err
	}
	if err := out.Sync(); err != nil {
		return "", err
	}
	return program.Hash(out)
}
