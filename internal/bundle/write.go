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

// A Writer is the core.Sink that writes one bundle.
type Writer struct {
	root    string       // absolute
	staging *tempdir.Dir // the bundle before its rename to its final name
}

// Create prepares a bundle below the directory root. It creates root if necessary. It
// returns an error if root is not writable, so that the error comes before the run.
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

// Close removes the bundle if Raw has not published it. Otherwise it does nothing.
func (w *Writer) Close() error { return w.staging.Remove() }

// Raw publishes the bundle without the extraction, and sets r.Bundle. If Raw returns an
// error and r.Bundle is set, the bundle is published, but a crash of the machine could
// lose it.
func (w *Writer) Raw(r *core.Result) error {
	name := r.Record.Payload[:min(100, len(r.Record.Payload))] // the length of a file name is limited
	name = strings.Join([]string{r.Start.UTC().Format("20060102T150405Z"), name, unique()}, "-")
	final := filepath.Join(w.root, name)
	r.Bundle = final
	if err := w.publish(r, final); err != nil {
		r.Bundle = ""
		if at := (*fs.PathError)(nil); errors.As(err, &at) { // without the random name, so that several runs give the same message
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

// publish writes all files and renames the staging directory to final.
func (w *Writer) publish(r *core.Result, final string) error {
	for _, s := range r.Streams {
		path := filepath.Join(w.staging.Path, StreamFile(s.Stream))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := writeFile(path, s.Data); err != nil {
			return err
		}
	}
	definition := r.Definition
	if definition.Summary == "" { // required in a payload file, but not in Go
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

// Emit replaces the record without the extraction by the finished record. If another
// process removed the bundle, Emit returns an error and clears r.Bundle.
func (w *Writer) Emit(r *core.Result) error {
	err := writeRecord(r.Bundle, r.Record)
	if err == nil {
		return nil
	}
	for _, s := range r.Streams {
		info, statErr := os.Stat(filepath.Join(r.Bundle, StreamFile(s.Stream)))
		if statErr != nil || info.Size() != int64(len(s.Data)) {
			gone := r.Bundle
			r.Bundle = ""
			return fmt.Errorf("the run could not be kept: %s was removed or changed during the run, for example by ktstr runs prune", gone)
		}
	}
	return fmt.Errorf("the record could not be kept: %w; the raw output is whole in %s", err, r.Bundle)
}

// Adopt moves the bundle in the directory from, which came from another host, to the
// directory dir of the same filesystem, and returns its record. change may change the
// record, whose Bundle is dir then. If dir has the same run already, Adopt only returns its
// record.
func Adopt(from, dir string, change func(*core.Record)) (core.Record, error) {
	r, err := LoadRecord(from)
	if err != nil {
		return r, err
	}
	if has, err := LoadRecord(dir); err == nil && has.ID == r.ID && r.ID != "" {
		return has, nil
	}
	r.Bundle = dir
	change(&r)
	if err := writeRecord(from, r); err != nil {
		return r, err
	}
	if err := os.Rename(from, dir); err != nil {
		return r, err
	}
	return r, syncDir(filepath.Dir(dir))
}

// unique returns random digits, because two runs may have the same payload and start
// in the same second.
func unique() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// writeRecord writes record.json of a bundle by an atomic rename.
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

// writeFile writes a file and waits until the data is on the disk. It does not create the
// directory, so that a removed bundle stays removed.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) { // a crash left it
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

// syncDir waits until the directory entries of dir are on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Add stores another record of the same run, for example of a later extraction. It
// returns the path, which is record-2.json, record-3.json and so on. Add never
// overwrites a record. Several processes may call it at the same time.
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
		// A hard link is atomic and, unlike a rename, never replaces a file.
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
