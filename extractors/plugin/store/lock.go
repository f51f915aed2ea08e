package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/wire"
)

// LockFile is the name of a project's lock.
const LockFile = "ktstr.lock"

const (
	lockSchema = "ktstr.lock/v1"
	maxLock    = 16 << 20 // bytes
)

// Platform is the key of this machine's hashes in a lock: "linux/amd64".
const Platform = runtime.GOOS + "/" + runtime.GOARCH

// Lock is a set of plugins, each fixed by its hash. The zero value holds none.
type Lock struct {
	Plugins []Locked // sorted by name
}

// Locked is one plugin of a Lock, with its whole description, so that a reader
// of the lock need not execute the plugin.
type Locked struct {
	Description ktstr.Description
	Interface   plugin.Interface
	SHA256      map[string]string // by platform, in hexadecimal digits
}

type lockJSON struct {
	Schema  string       `json:"schema"`
	Plugins []lockedJSON `json:"plugins"`
}

type lockedJSON struct {
	Name        string            `json:"name"`
	Version     string            `json:"version"`
	SHA256      map[string]string `json:"sha256"`
	Description json.RawMessage   `json:"description"`
}

// ReadLock reads a lock file. A file that is not there is an error that is
// fs.ErrNotExist.
func ReadLock(path string) (Lock, error) {
	return readLock(path, "remove it and "+lockAgain(path)+" again")
}

// readLock says remedy to a file that is damaged.
func readLock(path, remedy string) (Lock, error) {
	// Without waiting: anybody may have put a named pipe there.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if to, lerr := os.Readlink(path); errors.Is(err, fs.ErrNotExist) && lerr == nil {
		return Lock{}, fmt.Errorf("%s: it is a symbolic link to %s, which does not exist: %s", path, to, remedy)
	}
	if err != nil {
		return Lock{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return Lock{}, errors.Join(err, fmt.Errorf("%s: this is no file: %s", path, remedy))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err != nil {
		return Lock{}, err
	}
	if len(text) > maxLock {
		return Lock{}, fmt.Errorf("%s: it has more than %d MiB: %s", path, maxLock>>20, remedy)
	}
	l, err := parseLock(text)
	if err != nil {
		if other := (*otherSchema)(nil); !errors.As(err, &other) {
			err = fmt.Errorf("%w: %s", err, remedy)
		}
		return Lock{}, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// otherSchema is a lock that another version of ktstr wrote: nothing to remove.
type otherSchema struct{ schema string }

func (e *otherSchema) Error() string {
	return fmt.Sprintf("schema %s: want %q, or the version of ktstr that wrote this", wire.Quote(e.schema), lockSchema)
}

func parseLock(text []byte) (Lock, error) {
	var v lockJSON
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return Lock{}, fmt.Errorf("this is no lock as ktstr writes it: %w", err)
	}
	if v.Schema != "" && v.Schema != lockSchema {
		return Lock{}, &otherSchema{v.Schema}
	}
	if v.Schema == "" {
		return Lock{}, fmt.Errorf("it names no schema: want %q", lockSchema)
	}
	var l Lock
	for _, p := range v.Plugins {
		d, i, err := wire.ParseDescription(p.Description)
		if err != nil {
			return Lock{}, fmt.Errorf("plugin %s: %w", wire.Quote(p.Name), err)
		}
		if d.Name != p.Name || d.Version != p.Version {
			return Lock{}, fmt.Errorf("plugin %s %s: its description says %s %s", wire.Quote(p.Name), wire.Quote(p.Version), wire.Quote(d.Name), wire.Quote(d.Version))
		}
		for platform, hash := range p.SHA256 {
			if !isHash(hash) {
				return Lock{}, fmt.Errorf("plugin %s: %s: SHA-256 %s: want 64 hexadecimal digits", wire.Quote(p.Name), wire.Quote(platform), wire.Quote(hash))
			}
		}
		if _, twice := l.Find(p.Name); twice {
			return Lock{}, fmt.Errorf("plugin %s is there twice", wire.Quote(p.Name))
		}
		l.Put(Locked{Description: d, Interface: i, SHA256: p.SHA256})
	}
	return l, nil
}

func isHash(s string) bool {
	ok := len(s) == 64
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
	}
	return ok
}

// Find returns the plugin of that name.
func (l Lock) Find(name string) (Locked, bool) {
	i, ok := l.index(name)
	if !ok {
		return Locked{}, false
	}
	return l.Plugins[i], true
}

func (l Lock) index(name string) (int, bool) {
	return slices.BinarySearchFunc(l.Plugins, name, func(p Locked, name string) int { return strings.Compare(p.Description.Name, name) })
}

// Put adds p, in the place of the plugin of that name if there is one.
func (l *Lock) Put(p Locked) {
	i, ok := l.index(p.Description.Name)
	if ok {
		l.Plugins[i] = p
		return
	}
	l.Plugins = slices.Insert(l.Plugins, i, p)
}

// Merge adds p and keeps the hashes of other platforms if the version is the
// same.
func (l *Lock) Merge(p Locked) {
	if old, ok := l.Find(p.Description.Name); ok && old.Description.Version == p.Description.Version {
		all := map[string]string{}
		for _, from := range []map[string]string{old.SHA256, p.SHA256} {
			for platform, hash := range from {
				all[platform] = hash
			}
		}
		p.SHA256 = all
	}
	l.Put(p)
}

// Drop removes the plugin of that name and reports whether it was there.
func (l *Lock) Drop(name string) bool {
	i, ok := l.index(name)
	if ok {
		l.Plugins = slices.Delete(l.Plugins, i, i+1)
	}
	return ok
}

// Write writes the lock so that path holds the whole old one or the whole new
// one at any moment.
func (l Lock) Write(path string) error {
	v := lockJSON{Schema: lockSchema, Plugins: []lockedJSON{}}
	for _, p := range l.Plugins {
		v.Plugins = append(v.Plugins, lockedJSON{p.Description.Name, p.Description.Version, p.SHA256, wire.DescriptionJSON(p.Description, p.Interface)})
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), newLockPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err = f.Write(append(text, '\n')); err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// want returns the hash that the lock demands of the plugin of that name here.
func (l Lock) want(name, path string) (string, error) {
	p, ok := l.Find(name)
	switch {
	case !ok:
		return "", fmt.Errorf("%s has no plugin %s: install it and %s, or take it out of the run", path, name, lockAgain(path))
	case p.SHA256[Platform] == "":
		return "", fmt.Errorf("%s has plugin %s %s, but not for %s: %s", path, name, p.Description.Version, Platform, lockAgain(path))
	}
	return p.SHA256[Platform], nil
}

// lockAgain says how the lock at path is written anew.
func lockAgain(path string) string {
	if dir := filepath.Dir(path); dir != "." {
		return "run `ktstr plugin lock` in " + shellescape.Quote(dir)
	}
	return "run `ktstr plugin lock`"
}

// Restrict makes c start only the build that the lock at path names for c.Name.
// It does not restrict plugins that the running executable serves itself.
func Restrict(c *plugin.Config, path string) error {
	if c.Self != nil {
		return nil
	}
	l, err := ReadLock(path)
	if err != nil {
		return err
	}
	refuse := func(err error) error {
		return &plugin.Error{Plugin: c.Name, Path: c.Path, Op: "start", Fault: plugin.Refused, Err: err}
	}
	want, err := l.want(c.Name, path)
	if err != nil {
		return refuse(err)
	}
	locked, _ := l.Find(c.Name)
	version := locked.Description.Version
	if c.SHA256 != "" && c.SHA256 != want {
		return refuse(fmt.Errorf("its SHA-256 is %s: %s wants %s: install that one, or %s", c.SHA256, path, want, lockAgain(path)))
	}
	if c.Version != "" && c.Version != version {
		return refuse(fmt.Errorf("its version is %s: %s says %s of the same file: the lock was edited: %s", wire.Quote(c.Version), path, wire.Quote(version), lockAgain(path)))
	}
	c.Version = version
	if c.SHA256 == "" {
		c.SHA256, c.Mismatch = want, fmt.Sprintf("%s wants %s: use that build, or install this one and %s", path, want, lockAgain(path))
	}
	return nil
}
