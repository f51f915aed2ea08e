package runs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/nearest"
)

// A dirStore holds bundles in one directory. A tag is a directory of empty files, each
// with the name of a bundle. Creating and removing such a file is atomic, so no lock is
// needed.
type dirStore struct{ root string }

const (
	tagsDir  = ".tags"
	deleting = ".deleting-" // the prefix of a bundle whose files are being deleted
)

// bundles returns the names of all bundles.
func (s dirStore) bundles() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// tags maps each tag to its bundles, of which some may be gone.
func (s dirStore) tags() (map[string][]string, error) {
	dirs, err := os.ReadDir(filepath.Join(s.root, tagsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tags := map[string][]string{}
	for _, d := range dirs {
		files, err := os.ReadDir(filepath.Join(s.root, tagsDir, d.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in the meantime
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			tags[d.Name()] = append(tags[d.Name()], f.Name())
		}
	}
	return tags, nil
}

// tagsOf returns the tags of each bundle, given the bundles of each tag.
func tagsOf(tags map[string][]string) map[string][]string {
	of := map[string][]string{}
	for tag, bundles := range tags {
		for _, b := range bundles {
			of[b] = append(of[b], tag)
		}
	}
	for _, list := range of {
		slices.Sort(list)
	}
	return of
}

// load reads bundles. It leaves out bundles that another process deleted in the
// meantime.
func (s dirStore) load(names []string, tags map[string][]string) []Run {
	of := tagsOf(tags)
	var list []Run
	for _, name := range names {
		r := Run{Name: name, Dir: filepath.Join(s.root, name), Tags: of[name]}
		r.Record, r.Err = bundle.LoadRecord(r.Dir)
		if r.Err != nil {
			if _, err := os.Stat(r.Dir); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		list = append(list, r)
	}
	byStart(list)
	return list
}

func byStart(list []Run) {
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i].Record.Start, list[j].Record.Start
		if a.Equal(b) {
			return list[i].Name < list[j].Name
		}
		return a.Before(b)
	})
}

// List implements Store.
func (s dirStore) List(f Filter) ([]Run, error) {
	tags, err := s.tags()
	if err != nil {
		return nil, err
	}
	names, err := s.bundles()
	if err != nil {
		return nil, err
	}
	if f.Tag != "" {
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(tags[f.Tag], n) })
	}
	all := s.load(names, tags)
	return slices.DeleteFunc(all, func(r Run) bool { return !f.chooses(r) }), nil
}

func (f Filter) chooses(r Run) bool {
	if r.Err != nil {
		return f == Filter{}
	}
	rec := r.Record
	return (f.Payload == "" || rec.Payload == f.Payload) &&
		(f.Set == "" || rec.Labels[LabelSet] == f.Set) &&
		strings.HasPrefix(rec.Labels[LabelCommit], f.Commit) &&
		(f.Host == "" || Host(rec) == f.Host) &&
		(f.Since.IsZero() || !rec.Start.Before(f.Since)) &&
		(f.Until.IsZero() || !rec.Start.After(f.Until))
}

// Find implements Store.
func (s dirStore) Find(name string) ([]Run, error) {
	tags, err := s.tags()
	if err != nil {
		return nil, err
	}
	names, err := s.bundles()
	if err != nil {
		return nil, err
	}
	if tagged, ok := tags[name]; ok {
		found := s.load(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(tagged, n) }), tags)
		if len(found) == 0 {
			return nil, fmt.Errorf("tag %q: its runs are gone", name)
		}
		return found, broken(found)
	}
	var begins []string
	for _, n := range names {
		if n == name {
			begins = []string{n}
			break
		}
		if strings.HasPrefix(n, name) {
			begins = append(begins, n)
		}
	}
	if len(begins) == 1 && name != "" {
		found := s.load(begins, tags)
		return found, broken(found)
	}
	all := s.load(names, tags)
	sets := map[string]bool{}
	var found []Run
	for _, r := range all {
		if set := r.Record.Labels[LabelSet]; set != "" {
			sets[set] = true
			if set == name {
				found = append(found, r)
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if len(begins) > 1 {
		return nil, fmt.Errorf("run %q: %d bundles begin with it: want more of the name", name, len(begins))
	}
	known := slices.Clone(names)
	for tag := range tags {
		known = append(known, tag)
	}
	for set := range sets {
		known = append(known, set)
	}
	slices.Sort(known)
	return nil, &UnknownError{Name: name, Root: s.root, Near: nearest.Of(name, known)}
}

func broken(found []Run) error {
	for _, r := range found {
		if r.Err != nil {
			return &UnreadableError{r.Err}
		}
	}
	return nil
}

// Tag implements Store.
func (s dirStore) Tag(tag string, bundles ...string) error {
	if err := ValidTag(tag); err != nil {
		return err
	}
	dir := filepath.Join(s.root, tagsDir, tag)
	for _, b := range bundles {
		if _, err := os.Stat(filepath.Join(s.root, b)); err != nil || b == "" || filepath.Base(b) != b {
			return fmt.Errorf("run %q: not a bundle in %s", b, s.root)
		}
		// Another process may remove the last bundle of the tag, and with it the
		// directory, between MkdirAll and OpenFile. MkdirAll itself can also fail
		// then, with ErrExist.
		for {
			if err := os.MkdirAll(dir, 0o755); errors.Is(err, fs.ErrExist) {
				continue
			} else if err != nil {
				return err
			}
			f, err := os.OpenFile(filepath.Join(dir, b), os.O_WRONLY|os.O_CREATE, 0o644)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// Untag implements Store.
func (s dirStore) Untag(tag string, bundles ...string) error {
	if err := ValidTag(tag); err != nil {
		return err
	}
	dir := filepath.Join(s.root, tagsDir, tag)
	for _, b := range bundles {
		if err := os.Remove(filepath.Join(dir, filepath.Base(b))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(dir) // fails unless the directory is empty
	return nil
}

// Remove implements Store. It renames the bundle, then deletes its files, so that other
// processes never see an incomplete bundle.
func (s dirStore) Remove(name string) error {
	if !removable(name) {
		return fmt.Errorf("run %q: not the name of a bundle", name)
	}
	if err := os.Rename(filepath.Join(s.root, name), filepath.Join(s.root, deleting+name)); err != nil {
		return err
	}
	return s.delete(name)
}

// removable reports whether name can be the name of a bundle.
func removable(name string) bool {
	return name != "" && filepath.Base(name) == name && !strings.HasPrefix(name, ".")
}

// Sweep implements Store. It may run at the same time as a Remove of the same bundle.
// The directory may also contain other files, as with "--out .". So Sweep deletes only
// directories of this user whose names Remove chose.
func (s dirStore) Sweep() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var gone []string
	var failed []error
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), deleting)
		if !ok || !bundle.IsName(name) {
			continue
		}
		info, err := e.Info() // does not follow a link
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process deleted it
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(s.Uid) != os.Geteuid() {
			continue
		}
		if err := s.delete(name); err != nil {
			failed = append(failed, err)
			continue
		}
		gone = append(gone, name)
	}
	return gone, errors.Join(failed...)
}

// delete removes the tags of a renamed bundle, then its files. It keeps the tags if a
// bundle with the original name exists again.
func (s dirStore) delete(name string) error {
	tags, err := s.tags()
	if err != nil {
		return err
	}
	_, err = os.Lstat(filepath.Join(s.root, name))
	restored := err == nil
	for tag, bundles := range tags {
		if slices.Contains(bundles, name) && !restored {
			if err := s.Untag(tag, name); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(filepath.Join(s.root, deleting+name))
}
