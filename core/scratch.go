package core

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/tempdir"
)

// scratch is the directory of one run for what its payload writes. The zero
// value is no directory.
type scratch struct {
	dir        *tempdir.Dir
	path       string   // absolute; empty: the payload needs none
	root       *os.Root // the directory itself, whatever the payload puts in its place
	filesystem string
}

// makeScratch makes the directory where the payload wants one: on the working
// directory's filesystem unless parent says otherwise, because a storage
// benchmark measures whatever its files lie on.
func makeScratch(p payload.Payload, parent string) (*scratch, error) {
	if !p.NeedsScratch() {
		return &scratch{}, nil
	}
	if parent == "" {
		parent = "."
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, err
	}
	dir, err := tempdir.Make(parent, "ktstr-scratch-")
	if err != nil {
		return nil, fmt.Errorf("payload %s writes files and gets no scratch directory: %w; choose a place with --scratch DIR", p.Name, err)
	}
	root, err := os.OpenRoot(dir.Path)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	return &scratch{dir: dir, path: dir.Path, root: root, filesystem: filesystem(dir.Path)}, nil
}

// remove removes the directory; a second call does nothing.
func (s *scratch) remove() error {
	if s.dir == nil {
		return nil
	}
	s.root.Close()
	return s.dir.Remove()
}

// output is where the payload writes its output file o; payload.Validate holds
// it below the directory.
func (s *scratch) output(o payload.OutputFile) string { return filepath.Join(s.path, o.Path) }

// read reads at most limit bytes of a regular file that the payload wrote.
// Anything else at that path (a link, also one of a directory on the way that
// leads out; a pipe that would block) is refused: the payload is not trusted.
func (s *scratch) read(o payload.OutputFile, limit int64) ([]byte, Seen, error) {
	path := s.output(o)
	f, err := s.root.OpenFile(o.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, Seen{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, Seen{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, Seen{}, fmt.Errorf("%s: mode %v: want a regular file", path, info.Mode())
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, Seen{}, err
	}
	bytes := max(info.Size(), int64(len(data)))
	return data, Seen{Bytes: bytes, Truncated: bytes > int64(len(data)), Complete: true}, nil
}
