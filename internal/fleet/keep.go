package fleet

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/tempdir"
)

// Limits of what one host can bring. A host that is hostile or broken must not fill the
// disk.
const (
	maxBytes = 16 << 30
	maxFiles = 200_000
)

// keep unpacks a tar with bundles and adds them to the store. A bundle that the store has is
// not added again. If one of the bundles is refused, none is added.
func (c *Client) keep(from io.Reader, at Handle) ([]runs.Run, error) {
	if err := os.MkdirAll(c.Root, 0o700); err != nil {
		return nil, &refusedError{err}
	}
	staging, err := tempdir.Make(c.Root, ".fleet-")
	if err != nil {
		return nil, &refusedError{err}
	}
	defer staging.Remove()
	names, err := unpack(staging.Path, from)
	if err != nil {
		return nil, err
	}
	place := func(r *core.Record) {
		r.Where = &core.Where{Engine: c.Engine, Host: at.Name, Job: at.Job}
		labels := maps.Clone(at.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, r.Labels)
		r.Labels = labels
	}
	set := c.Order.Name
	var kept []runs.Run
	for _, name := range names {
		r, err := bundle.LoadRecord(filepath.Join(staging.Path, name))
		if err == nil {
			_, err = bundle.LoadPayload(filepath.Join(staging.Path, name))
		}
		if got := r.Labels[runs.LabelSet]; err == nil && !strings.HasPrefix(got, set+".") {
			err = fmt.Errorf("its set is %q: want %s", got, set)
		}
		if err != nil {
			return nil, &refusedError{fmt.Errorf("a bundle from there is refused: %w", err)}
		}
	}
	for _, name := range names {
		dir := filepath.Join(c.Root, name)
		r, err := bundle.Adopt(filepath.Join(staging.Path, name), dir, place)
		if err != nil {
			return kept, &refusedError{err}
		}
		kept = append(kept, runs.Run{Name: name, Dir: dir, Record: r})
	}
	return kept, nil
}

// unpack writes the files of a tar below dir and returns the names of the bundles. It accepts
// regular files in bundles only. os.Root keeps every path below dir.
func unpack(dir string, from io.Reader) (names []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	limited := &io.LimitedReader{R: from, N: maxBytes}
	t := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return names, nil
		}
		if limited.N <= 0 || n >= maxFiles {
			return nil, &refusedError{fmt.Errorf("its bundles are larger than %d GiB or have more than %d files", maxBytes>>30, maxFiles)}
		}
		if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrInsecurePath) {
			return nil, &refusedError{fmt.Errorf("its bundles are no tar: %w", err)}
		}
		if err != nil {
			return nil, unexpected(err)
		}
		name, rest, _ := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || sparse(h) || !bundle.IsName(name) || rest == "" || !filepath.IsLocal(h.Name) || strings.Count(rest, "/") > 1 {
			return nil, &refusedError{fmt.Errorf("its bundles have the file %q: want regular files of bundles", h.Name)}
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		if err := unpackFile(root, h.Name, t); err != nil {
			return nil, err
		}
	}
}

// sparse reports whether the file is larger than its data in the tar. The holes would fill the disk past maxBytes.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func unpackFile(root *os.Root, name string, from io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return &refusedError{err}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return &refusedError{err}
	}
	w := &writerErr{w: f}
	_, err = io.Copy(w, from)
	if w.err != nil {
		err = &refusedError{fmt.Errorf("its bundles cannot be kept here: %w", w.err)}
	}
	return errors.Join(err, f.Close())
}

// writerErr keeps the error of its writer, to tell it from an error of the reader.
type writerErr struct {
	w   io.Writer
	err error
}

func (w *writerErr) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.err = err
	return n, err
}

func copyFile(w io.Writer, f File) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyN(w, file, f.Size)
	return err
}
