package bundle

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/plainjson"
	"github.com/ktstr/ktstr/internal/tempdir"
)

// Writer is the core.Sink that makes one bundle.
type Writer struct {
	root    string       // absolute
	staging *tempdir.Dir // until the bundle is published
}

// Create prepares a bundle below the directory root, which is made where it is
// absent, so that a place that cannot be written to is found before a run.
func Create(root string) (*Writer, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	err = os.MkdirAll(root, 0o700)
	var dir *tempdir.Dir
	if err == nil {
		dir, err = tempdir.Make(root, staging)
	}
	if err != nil {
		if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == root {
			err = at.Err
		}
		return nil, fmt.Errorf("bundles cannot be kept in %s: %w: choose a place with --out DIR", root, err)
	}
	return &Writer{root: root, staging: dir}, nil
}

// Close removes what a run that never finished left behind.
func (w *Writer) Close() error { return w.staging.Remove() }

// Raw publishes the bundle without extraction. With an error and r.Bundle it is
// published, but may not outlive a crash of the machine.
func (w *Writer) Raw(r *core.Result) error {
	name := r.Record.Payload[:min(100, len(r.Record.Payload))] // a file's name has an end
	name = strings.Join([]string{r.Start.UTC().Format("20060102T150405Z"), name, unique()}, "-")
	final := filepath.Join(w.root, name)
	r.Bundle = final
	if err := w.publish(r, final); err != nil {
		r.Bundle = ""
		if at := (*fs.PathError)(nil); errors.As(err, &at) { // else each run would say something else
			err = fmt.Errorf("%s: %w", filepath.Base(at.Path), at.Err)
		}
		return errors.Join(fmt.Errorf("the run could not be kept in %s: %w", w.root, err), w.Close())
	}
	w.staging.Keep()
	if err := syncDir(w.root); err != nil {
		return fmt.Errorf("the run is in %s, but may be gone if this machine stops now: %w", final, err)
	}
	return nil
}

func (w *Writer) publish(r *core.Result, final string) error {
	for _, s := range r.Streams {
		if err := writeFile(filepath.Join(w.staging.Path, StreamFile(s.Stream)), s.Data); err != nil {
			return err
		}
	}
	definition := r.Definition
	if definition.Summary == "" { // an embedding program needs none, a payload file does
		definition.Summary = "The payload " + definition.Name
	}
	text, err := definition.MarshalYAML()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(w.staging.Path, payloadFile), text); err != nil {
		return err
	}
	pending := r.Record
	pending.Verdict = core.Fail
	pending.Extraction.Status = extract.Error
	pending.Extraction.Error = "not done: ktstr ended before extraction; the raw output is whole"
	if err := writeRecord(w.staging.Path, pending); err != nil {
		return err
	}
	if err := os.Chmod(w.staging.Path, 0o755); err != nil {
		return err
	}
	return os.Rename(w.staging.Path, final)
}

// Emit puts the finished record in the place of the one without extraction.
func (w *Writer) Emit(r *core.Result) error {
	if err := writeRecord(r.Bundle, r.Record); err != nil {
		return fmt.Errorf("the record could not be kept: %w; the raw output is whole in %s", err, r.Bundle)
	}
	return nil
}

// unique tells apart bundles of one payload and second.
func unique() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func writeRecord(dir string, r core.Record) error {
	text, err := plainjson.MarshalIndent(r, " ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, recordFile)
	temporary := path + ".new"
	if err := writeFile(temporary, append(text, '\n')); err != nil {
		os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return syncDir(dir)
}

// writeFile writes a whole file and waits until it is on the disk.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) { // left by a crash
		if err = os.Remove(path); err == nil {
			f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir waits until the names in dir are on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Add keeps another record of the same run beside those that are there, as
// record-2.json, record-3.json and so on, and returns its path. Nothing is ever
// written over; several processes may add at once.
func (b Bundle) Add(r core.Record) (path string, err error) {
	text, err := plainjson.MarshalIndent(r, " ")
	if err != nil {
		return "", err
	}
	temporary := filepath.Join(b.Dir, "."+recordFile+"-"+unique())
	defer os.Remove(temporary)
	if err := writeFile(temporary, append(text, '\n')); err != nil {
		return "", fmt.Errorf("the record could not be kept: %w", err)
	}
	for n := 2; ; n++ {
		path := filepath.Join(b.Dir, fmt.Sprintf("record-%d.json", n))
		// A link is there whole or not at all, and never in the place of another.
		err := os.Link(temporary, path)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("the record could not be kept: %w", err)
		}
		return path, syncDir(b.Dir)
	}
}
