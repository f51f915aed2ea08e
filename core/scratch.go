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

// scratch is the directory of one run for the files that the payload writes. The zero
// value means that the run has none.
type scratch struct {
	dir        *tempdir.Dir
	path       string   // absolute; empty: the payload needs none
	root       *os.Root // the directory itself, also if the payload puts something else in its place
	filesystem string
}

// makeScratch makes the directory if the payload wants one. It is on the working
// directory's filesystem unless parent is given, because a storage benchmark measures
// the filesystem that holds its files. The directory belongs to the user of the payload.
func makeScratch(p payload.Payload, parent string, as account) (*scratch, error) {
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
	if as.credential != nil {
		if err := root.Chown(".", int(as.credential.Uid), int(as.credential.Gid)); err != nil {
			root.Close()
			return nil, errors.Join(fmt.Errorf("payload %s: give the scratch directory to user %s: %w", p.Name, p.User, err), dir.Remove())
		}
	}
	return &scratch{dir: dir, path: dir.Path, root: root, filesystem: filesystem(dir.Path)}, nil
}

// remove removes the directory. A second call does nothing.
func (s *scratch) remove() error {
	if s.dir == nil {
		return nil
	}
	s.root.Close()
	return s.dir.Remove()
}

// output returns the path of the payload's output file o. payload.Validate makes sure
// that it is below the directory.
func (s *scratch) output(o payload.OutputFile) string { return filepath.Join(s.path, o.Path) }

// read reads at most limit bytes of a regular file that the payload wrote. It refuses
// everything else, because the payload is not trusted: for example a link, a directory
// on the way that is a link to another place, or a pipe that would block.
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
