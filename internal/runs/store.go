// Package runs finds stored runs by name, tag, set, commit, host and time, and prepares
// them for a comparison. Several processes may add, tag and list runs at the same time.
package runs

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/text"
)

// The labels of a record that this package reads. See core.Spec.Labels.
const (
	LabelSet        = "set"         // shared by the runs of one payload in one command
	LabelVariant    = "variant"     // the variant, if variants ran in turns
	LabelCommit     = "commit"      // the commit of the working directory's git repository
	LabelCommitTime = "commit_time" // the time of that commit, in RFC 3339
	LabelDirty      = "dirty"       // "true" if the repository had changes
	LabelDefinition = "definition"  // a digest of the payload before flags changed it
	LabelVersion    = "ktstr"       // the version of ktstr
)

// A Run is one stored run.
type Run struct {
	Name   string   // the name of the bundle, unique in its store; empty if there is no bundle
	Dir    string   // the directory of the bundle; empty for a record from a file
	Tags   []string // sorted
	Record core.Record
	Err    error // the reason why the bundle is unreadable; then Record is empty
}

// A Filter selects runs. Each field that is not empty must match.
type Filter struct {
	Payload      string
	Tag          string
	Set          string
	Commit       string // may be abbreviated
	Host         string
	Since, Until time.Time // of the start
}

// A Store holds runs.
type Store interface {
	// List returns the runs that match the filter, the oldest first. If the filter is
	// empty, unreadable bundles are in the list, with Run.Err.
	List(f Filter) ([]Run, error)
	// Find returns the runs of a tag, a set or a bundle. The name of a bundle may be
	// abbreviated if it is unique. If a run is unreadable, Find returns all of them
	// and an *UnreadableError.
	Find(name string) ([]Run, error)
	// Tag adds a tag to bundles.
	Tag(tag string, bundles ...string) error
	// Untag removes a tag from bundles.
	Untag(tag string, bundles ...string) error
	// Remove deletes a bundle and its tags.
	Remove(bundle string) error
	// Sweep finishes each Remove that was killed, and returns the names of the deleted
	// bundles. It leaves directories of other users, and those whose name is not a
	// bundle.IsName.
	Sweep() ([]string, error)
}

// Open returns the store of the bundles below the directory root, which need not exist.
func Open(root string) Store { return dirStore{root} }

var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`) })

// ValidTag returns an error if tag is not a valid tag. A tag must not look like a path
// or a flag.
func ValidTag(tag string) error {
	if !tagPattern().MatchString(tag) || len(tag) > 200 {
		return fmt.Errorf("tag %q: want letters, digits, and . _ - within", tag)
	}
	return nil
}

// ValidLabel returns an error if a user cannot give a run the label. The name has the form of a tag, and ktstr does not write it
// itself. The value is printable text.
func ValidLabel(name, value string) error {
	switch name {
	case LabelSet, LabelVariant, LabelCommit, LabelCommitTime, LabelDirty, LabelDefinition, LabelVersion:
		return fmt.Errorf("label %s: ktstr sets it itself: want another name", name)
	}
	if !tagPattern().MatchString(name) || len(name) > 200 {
		return fmt.Errorf("label %q: want a name of letters, digits, and . _ - within", name)
	}
	if value == "" || len(value) > 1000 || text.Line(value) != value {
		return fmt.Errorf("label %s: %q: want a value of 1 to 1000 bytes on one line", name, value)
	}
	return nil
}

// An UnknownError reports a name for which Find found no run.
type UnknownError struct {
	Name string
	Root string // the directory of the bundles
	Near string // the nearest existing name; may be empty
}

func (e *UnknownError) Error() string {
	if e.Near != "" {
		return fmt.Sprintf("there is no run %q in %s. Did you mean %s?", e.Name, e.Root, e.Near)
	}
	return fmt.Sprintf("there is no run %q in %s: want a tag, set or bundle of ktstr runs list, or a path with a / in it", e.Name, e.Root)
}

// An UnreadableError reports that some of the returned runs have a Run.Err. It wraps the
// first of these errors.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }
