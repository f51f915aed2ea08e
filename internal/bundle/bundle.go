// Package bundle keeps a finished run as a directory, and reads it back: the
// record, the raw output, and the payload as it was resolved, from which
// everything else can be computed again.
//
//	record.json    the record, see docs/record.md
//	stdout stderr  raw output, up to the cap
//	files/NAME     what the payload wrote to its output file NAME
//	payload.yaml   the payload as it was resolved
//
// At any moment, also in a crash, a bundle is absent, or whole without
// extraction, or whole with it.
package bundle

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/plainjson"
	"github.com/ktstr/ktstr/internal/tempdir"
)

const (
	recordFile  = "record.json"
	payloadFile = "payload.yaml"
	filesDir    = "files"
	staging     = ".staging-" // prefix of a bundle that is not published yet
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

var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^[0-9]{8}T[0-9]{6}Z-.+-[0-9a-f]{8}$`)
})

// IsName reports whether name has exactly the form of those that Raw gives:
// YYYYMMDDTHHMMSSZ-PAYLOAD-XXXXXXXX, the last 8 being hexadecimal.
func IsName(name string) bool {
	return namePattern().MatchString(name) && filepath.Base(name) == name
}

// unique tells apart bundles of one payload and second.
func unique() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// StreamFile is the path of a stream's raw bytes within a bundle. The names of
// output files are checked by payload.Validate: no separators.
func StreamFile(s ktstr.Stream) string {
	if name, ok := strings.CutPrefix(string(s), string(ktstr.FileStream(""))); ok {
		return filepath.Join(filesDir, name)
	}
	return string(s)
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

// Bundle is a run read back.
type Bundle struct {
	Dir     string
	Record  core.Record
	Payload payload.Payload
	Streams []ktstr.Output // stdout, stderr, then the payload's files
}

// maxRecord bounds what Load takes as a record or a payload, in bytes.
const maxRecord = 1 << 30

// kept bounds what Load takes as a stream of which seen is recorded, in bytes. It
// leaves room for an edited one, as a run keeps as much by default.
func kept(seen core.Seen) int64 {
	n := seen.Bytes
	if seen.Truncated && seen.Kept > 0 { // 0: in a record from before that was noted
		n = seen.Kept
	}
	return min(max(n, 16<<20), math.MaxInt64-1) // one byte more is asked for
}

// Load reads the bundle in dir.
func Load(dir string) (Bundle, error) {
	b := Bundle{Dir: dir}
	r, err := LoadRecord(dir)
	if err != nil {
		return b, err
	}
	b.Record = r
	if b.Payload, err = LoadPayload(dir); err != nil {
		return b, err
	}
	streams := []ktstr.Stream{ktstr.Stdout, ktstr.Stderr}
	for _, o := range b.Payload.Outputs {
		streams = append(streams, ktstr.FileStream(o.Name))
	}
	for _, s := range streams {
		data, err := readFile(dir, StreamFile(s), kept(r.Capture[string(s)]))
		if errors.Is(err, os.ErrNotExist) && s != ktstr.Stdout && s != ktstr.Stderr {
			continue // the payload did not write it
		}
		if err != nil {
			return b, fmt.Errorf("%s is not a whole bundle: %w", dir, err)
		}
		b.Streams = append(b.Streams, ktstr.Output{
			Stream: s, Data: data, Truncated: r.Capture[string(s)].Truncated,
			ExitCode: &b.Record.ExitCode, Argv: r.Argv, Options: b.Payload.Options,
		})
	}
	return b, nil
}

// LoadRecord reads the record of the bundle in dir.
func LoadRecord(dir string) (core.Record, error) {
	text, err := readFile(dir, recordFile, maxRecord)
	if err != nil {
		return core.Record{}, fmt.Errorf("%s is not a bundle: %w", dir, err)
	}
	path := filepath.Join(dir, recordFile)
	var r core.Record
	if err := json.Unmarshal(text, &r); err != nil {
		return core.Record{}, fmt.Errorf("%s: not a record: %w", path, err)
	}
	if r.Schema != core.Schema {
		return core.Record{}, fmt.Errorf("%s: schema %q: want %q", path, r.Schema, core.Schema)
	}
	return r, nil
}

// LoadPayload reads the payload of the bundle in dir.
func LoadPayload(dir string) (payload.Payload, error) {
	text, err := readFile(dir, payloadFile, maxRecord)
	if err != nil {
		return payload.Payload{}, fmt.Errorf("%s is not a whole bundle: %w", dir, err)
	}
	return payload.Parse(filepath.Join(dir, payloadFile), text)
}

// readFile reads a file of the bundle in dir, of at most limit bytes; its errors
// name the file alone. A bundle may come from elsewhere (an archive, a CI
// artifact), so what is no regular file is refused, and so is a link that leads out
// of the bundle: no pipe blocks, no device is read to its end, and no file of the
// reader's is taken for one of the run's.
func readFile(dir, name string, limit int64) ([]byte, error) {
	// The dot makes the kernel refuse what is no directory before it is opened.
	root, err := os.OpenRoot(filepath.Clean(dir) + "/.")
	if err != nil {
		return nil, at(name, err)
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		info, lerr := root.Lstat(name)
		switch {
		case lerr != nil:
			return nil, at(name, err)
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%s: a symbolic link that leads to no file of the bundle: want a regular file", name)
		case errors.Is(err, unix.ENXIO): // as sockets answer
			return nil, notRegular(name, info.Mode())
		}
		return nil, at(name, err)
	}
	defer f.Close()
	info, err := f.Stat() // of the opened file, so that nothing can change between looking and reading
	if err != nil {
		return nil, at(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(name, info.Mode())
	}
	tooMuch := func(size int64) error {
		return fmt.Errorf("%s: %d bytes: want at most %d: it is not what the run left there", name, size, limit)
	}
	if info.Size() > limit {
		return nil, tooMuch(info.Size())
	}
	// A sparse file says any size; what goes beyond this grows as it is read.
	text := bytes.NewBuffer(make([]byte, 0, min(info.Size(), maxRecord)+bytes.MinRead))
	if _, err := text.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, at(name, err)
	}
	if size := int64(text.Len()); size > limit { // it has grown meanwhile
		return nil, tooMuch(size)
	}
	return text.Bytes(), nil
}

// at is err about the file of that name in the bundle.
func at(name string, err error) error {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

func notRegular(name string, mode fs.FileMode) error {
	kind := "a device"
	switch mode.Type() {
	case fs.ModeNamedPipe:
		kind = "a named pipe"
	case fs.ModeSocket:
		kind = "a socket"
	case fs.ModeDir:
		kind = "a directory"
	}
	return fmt.Errorf("%s: %s: want a regular file", name, kind)
}

// DefaultRoot is where bundles go unless told otherwise:
// $XDG_STATE_HOME/ktstr/runs, by default ~/.local/state/ktstr/runs.
func DefaultRoot() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the specification says to ignore relative ones
		return filepath.Join(dir, "ktstr", "runs"), nil
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("$HOME is %q: want an absolute path", home)
	}
	if err != nil {
		return "", fmt.Errorf("no place for bundles: %w; choose one with --out DIR", err)
	}
	return filepath.Join(home, ".local", "state", "ktstr", "runs"), nil
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
