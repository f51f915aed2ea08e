// Package runs finds the bundles that runs left: by name, tag, set, commit,
// host and time. Several processes may add, tag and list at once; nothing is
// deleted but by Remove.
package runs

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/ktstr/ktstr/core"
)

// Labels of a record that this package knows; see core.Spec.Labels.
const (
	LabelSet        = "set"        // the runs that one command made of one payload
	LabelVariant    = "variant"    // which of several that were run against each other
	LabelCommit     = "commit"     // of the working directory's git repository
	LabelDirty      = "dirty"      // "true" where that had changes
	LabelDefinition = "definition" // digest of the payload before flags changed it
	LabelVersion    = "ktstr"      // the program's version
)

// Run is one run that was kept.
type Run struct {
	Name   string   // the bundle's, unique in its store; empty for a run that was not kept
	Dir    string   // the bundle's; empty for a record from a file
	Tags   []string // sorted
	Record core.Record
	Err    error // why the bundle could not be read; then Record is empty
}

// Filter chooses runs; empty fields choose all.
type Filter struct {
	Payload      string
	Tag          string
	Set          string
	Commit       string // or the first digits of it
	Host         string
	Since, Until time.Time // of the start
}

// Store is where runs are kept. An indexed one can come in the place of the
// directory that Open gives.
type Store interface {
	// List gives the runs that the filter chooses, the oldest first. A bundle
	// that cannot be read is a Run with Err where the filter is empty.
	List(f Filter) ([]Run, error)
	// Find gives the runs that a name means: a tag, a set, a bundle, or what
	// a bundle's name begins with if it is the only one. Where one of them
	// cannot be read all are given with an *UnreadableError.
	Find(name string) ([]Run, error)
	// Tag adds a tag to bundles; Untag takes it off.
	Tag(tag string, bundles ...string) error
	Untag(tag string, bundles ...string) error
	// Remove deletes a bundle and its tags.
	Remove(bundle string) error
	// Sweep ends what a killed Remove of this user began, and returns the names
	// of the bundles that are wholly gone now. One that a person renamed (not a
	// bundle.IsName) stays half deleted.
	Sweep() ([]string, error)
}

// Open is the store of the bundles below the directory root, which need not
// exist yet.
func Open(root string) Store { return dirStore{root} }

var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`) })

// ValidTag refuses what cannot be a tag: it would be taken for a path or a flag.
func ValidTag(tag string) error {
	if !tagPattern().MatchString(tag) || len(tag) > 200 {
		return fmt.Errorf("tag %q: want letters, digits, and . _ - within", tag)
	}
	return nil
}

// UnknownError says that there is no run of a name.
type UnknownError struct {
	Name string
	Root string // the directory of the bundles
	Near string // the nearest name that there is; empty: none is near
}

func (e *UnknownError) Error() string {
	hint := "want a tag, a set or a bundle of ktstr runs list, or a path with a / in it"
	if e.Near != "" {
		hint = "did you mean " + e.Near + "?"
	}
	return fmt.Sprintf("run %q: nothing of that name in %s: %s", e.Name, e.Root, hint)
}

// UnreadableError says that some of the runs that were found cannot be read; for
// those, Run.Err says why.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }
