package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
)

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
