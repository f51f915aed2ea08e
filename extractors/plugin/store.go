package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/wire"
)

// Prefix begins the file name of every plugin executable.
const Prefix = "ktstr-plugin-"

// Store is the directory of installed plugins. Below it, each executable is at
// NAME/VERSION/SHA256/ktstr-plugin-NAME, and LockFile holds the ones that count.
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

// Installed returns what is installed; nothing where the store does not exist,
// and nothing in the zero Store.
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
	return filepath.Join(s.Dir, d.Name, d.Version, p.SHA256[Platform], Prefix+d.Name)
}

// Config returns how to start the installed plugin p.
func (s Store) Config(p Locked) Config {
	return Config{Name: p.Description.Name, Path: s.path(p), SHA256: p.SHA256[Platform], Interface: p.Interface}
}

// Install copies the executable at c.Path into the store, starts the copy as c
// says, gives it to verify (nil: nothing more is verified), and records it, in
// the place of another build of it, which old is; nil: this platform had none, or
// this very file. What fails leaves nothing behind, and the other build as it was.
func (s Store) Install(ctx context.Context, c Config, verify func(ctx context.Context, d ktstr.Description, path string) error) (_ Locked, old *Locked, err error) {
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
	defer func() { // the copy is gone when somebody reads the error
		if e := (*Error)(nil); errors.As(err, &e) && e.Path == copied {
			e.Path = from
		}
	}()
	c.Path, c.SHA256 = copied, hash
	p, err := Start(ctx, c)
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
		return Locked{}, fmt.Errorf("%s is not installed: want a plugin of `ktstr plugin list`", quote(name))
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
		return Locked{}, fmt.Errorf("%s is not installed: want a plugin of `ktstr plugin list`", quote(name))
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

// Beginnings of the names of what lies in the store only while it is changed.
const (
	stagingPrefix = ".install-"
	newLockPrefix = ".ktstr-lock-"
)

// exclusive keeps other processes from changing the store meanwhile, and deletes
// what one that was killed had begun.
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

// copyExecutable copies a plugin so that nobody writes to the copy, and returns
// the copy's SHA-256.
func copyExecutable(from, to string) (string, error) {
	in, err := openProgram(from)
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
	return hashFile(out)
}

// openProgram opens an executable that nobody but its owner can have put there.
func openProgram(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		to, _ := filepath.EvalSymlinks(path)
		return nil, fmt.Errorf("it is a symbolic link: name the file itself, %s", to)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = errors.New("it is a directory: want an executable file")
	case !info.Mode().IsRegular():
		err = errors.New("it is no regular file: want an executable file")
	case info.Mode()&0o111 == 0:
		err = fmt.Errorf("it is not executable (mode %v): chmod +x it", info.Mode().Perm())
	case info.Mode()&0o002 != 0:
		err = fmt.Errorf("everybody may write to it (mode %v): chmod o-w it", info.Mode().Perm())
	default:
		err = checkOwner(info)
	}
	for dir := filepath.Dir(path); err == nil; dir = filepath.Dir(dir) {
		var d fs.FileInfo
		// In a directory with the sticky bit, others cannot replace what is ours; but
		// right in it they may have put the file before us.
		if d, err = os.Stat(dir); err == nil && d.Mode()&0o002 != 0 && (d.Mode()&fs.ModeSticky == 0 || dir == filepath.Dir(path)) {
			err = fmt.Errorf("everybody may write to the directory %s (mode %v): move it to a directory of your own, or chmod o-w that one", dir, d.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkOwner refuses what another user put there.
func checkOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		return fmt.Errorf("it belongs to user %d: want a file of yours or of root", st.Uid)
	}
	return nil
}

// Candidate is a plugin that a search found.
type Candidate struct {
	Config      Config
	From        string             // "--plugin", "installed", "KTSTR_PLUGIN_PATH"
	Description *ktstr.Description // nil: only executing it would tell
	Err         error              // why it is refused; such a one still hides others of its name
}

// Search is where plugins are looked for, in this order. Never in the working
// directory, and never along PATH.
type Search struct {
	Named []Config // of --plugin: Name and Path
	Store Store
	Path  string // of KTSTR_PLUGIN_PATH: directories, with colons
}

// Candidates returns all plugins that are found, and executes none. The first of
// a name is the one that counts.
func (s Search) Candidates() ([]Candidate, error) {
	var all []Candidate
	add := func(c Candidate) {
		f, err := openProgram(c.Config.Path)
		if err == nil {
			f.Close()
		} else {
			c.Err = &Error{Plugin: c.Config.Name, Path: c.Config.Path, Op: "start", Fault: Refused, Err: err}
		}
		all = append(all, c)
	}
	for _, c := range s.Named {
		if err := wire.CheckName(c.Name); err != nil {
			return nil, fmt.Errorf("--plugin: %w", err)
		}
		add(Candidate{Config: c, From: "--plugin"})
	}
	installed, err := s.Store.Installed()
	if err != nil {
		return nil, err
	}
	for _, p := range installed.Plugins {
		if p.SHA256[Platform] == "" {
			continue // a store shared with another machine
		}
		add(Candidate{Config: s.Store.Config(p), From: "installed", Description: &p.Description})
	}
	for _, dir := range filepath.SplitList(s.Path) {
		if dir == "" {
			continue
		}
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("KTSTR_PLUGIN_PATH: %s: want absolute directories", quote(dir))
		}
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("KTSTR_PLUGIN_PATH: %w", err)
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), Prefix)
			if ok && wire.CheckName(name) == nil {
				add(Candidate{Config: Config{Name: name, Path: filepath.Join(dir, e.Name())}, From: "KTSTR_PLUGIN_PATH"})
			}
		}
	}
	return all, nil
}

// Find returns the candidate of that name that counts; ok is false where there
// is none.
func (s Search) Find(name string) (_ Candidate, ok bool, err error) {
	all, err := s.Candidates()
	i := slices.IndexFunc(all, func(c Candidate) bool { return c.Config.Name == name })
	if err != nil || i < 0 {
		return Candidate{}, false, err
	}
	return all[i], true, nil
}
