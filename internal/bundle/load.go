package bundle

import (
	"bytes"
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

// A Bundle is a run that was read back.
type Bundle struct {
	Dir     string
	Record  core.Record
	Payload payload.Payload
	Streams []ktstr.Output // stdout, stderr, then the payload's files
}

// maxRecord is the size limit of a record and of a payload file, in bytes.
const maxRecord = 1 << 30

// kept returns the size limit of a stream's file, in bytes, given the sizes in the
// record. It is at least the default limit of a capture, so that a user may edit a
// file.
func kept(seen core.Seen) int64 {
	n := seen.Bytes
	if seen.Truncated && seen.Kept > 0 { // older records have no Kept
		n = seen.Kept
	}
	return min(max(n, 16<<20), math.MaxInt64-1) // readFile reads one byte more
}

// Load reads the bundle in dir. It returns an error if a file is missing or larger than
// the run can have left it. Output files that the payload did not write are left out.
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
	r, err := ParseRecord(text)
	if err != nil {
		return core.Record{}, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
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

// LoadStream reads a stream of the bundle in dir. It returns an error if the stream has more
// than limit bytes.
func LoadStream(dir string, s ktstr.Stream, limit int64) ([]byte, error) {
	return readFile(dir, StreamFile(s), limit)
}

// readFile reads a file of the bundle in dir. It returns an error if the file has more
// than limit bytes. Errors contain the name of the file without dir.
//
// A bundle may come from an untrusted place, such as a CI artifact. So readFile refuses
// files that are not regular, because a pipe could block and a device has no end. It
// also refuses a link to a file outside the bundle.
func readFile(dir, name string, limit int64) ([]byte, error) {
	// With the dot, the kernel refuses a path that is not a directory without opening
	// it.
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
		case errors.Is(err, unix.ENXIO): // from a socket
			return nil, notRegular(name, info.Mode())
		}
		return nil, at(name, err)
	}
	defer f.Close()
	info, err := f.Stat() // of the opened file, so that the path cannot change before the read
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
	// A sparse file can have any size, so the allocation is limited. The buffer grows
	// with the data.
	text := bytes.NewBuffer(make([]byte, 0, min(info.Size(), maxRecord)+bytes.MinRead))
	if _, err := text.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, at(name, err)
	}
	if size := int64(text.Len()); size > limit { // the file has grown
		return nil, tooMuch(size)
	}
	return text.Bytes(), nil
}

// at returns err with the name of a file instead of its path.
func at(name string, err error) error {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// notRegular returns the error for a file that is not regular.
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
