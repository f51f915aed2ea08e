package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
)

func TestLoadRefusesDirectoriesThatAreNotBundles(t *testing.T) {
	dir := t.TempDir()
	if _, err := bundle.Load(dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty directory: %v", err)
	}
	record := filepath.Join(dir, "record.json")
	for _, text := range []string{"", "{", `{"schema":"ktstr.run/v9"}`, `[]`} {
		if err := os.WriteFile(record, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Load(dir); err == nil || !strings.Contains(err.Error(), record) {
			t.Errorf("record %q: %v", text, err)
		}
	}
}

func TestLoadMarksTruncatedStreams(t *testing.T) {
	s := spec(create(t, t.TempDir()))
	s.Scratch, s.Limit = t.TempDir(), 2
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Load(r.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range b.Streams {
		if !out.Truncated || !bytes.Equal(out.Data, r.Streams[i].Data) || len(out.Data) != 2 {
			t.Errorf("%s: %q truncated %v; want 2 bytes, truncated", out.Stream, out.Data, out.Truncated)
		}
	}
}

// The files are sparse.
func TestLoadRefusesFilesLargerThanTheRunStored(t *testing.T) {
	const byDefault = 16 << 20
	for _, c := range []struct {
		args  string
		limit int64
		most  int64
		kept  int64 // as recorded
	}{
		{"echo out", 0, byDefault, 0},
		{"head -c 20000000 /dev/zero", 32 << 20, 20000000, 0},
		{"head -c 30000000 /dev/zero", 18000000, 18000000, 18000000},
		{"head -c 30000000 /dev/zero", 2, byDefault, 2},
	} {
		s := spec(create(t, t.TempDir()))
		s.Payload.Args, s.Payload.Outputs, s.Limit = []string{"-c", c.args}, nil, c.limit
		r, err := core.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Capture["stdout"].Kept; got != c.kept {
			t.Errorf("%s: the record says %d kept, want %d", c.args, got, c.kept)
		}
		path := filepath.Join(r.Bundle, "stdout")
		load := func(size int64) error {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			_, err := bundle.Load(r.Bundle)
			return err
		}
		if err := load(c.most); err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
		for _, size := range []int64{c.most + 1, 10 << 30} {
			if err, want := load(size), fmt.Sprintf("%s is not a whole bundle: stdout: %d bytes: want at most %d: it is not what the run left there", r.Bundle, size, c.most); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", c.args, err, want)
			}
		}
	}
}

// Older records do not contain how much was kept. Other records may have a size that no
// file can have.
func TestLoadAcceptsRecordsWithoutSizes(t *testing.T) {
	s := spec(create(t, t.TempDir()))
	s.Payload.Args, s.Payload.Outputs, s.Limit = []string{"-c", "head -c 30000000 /dev/zero"}, nil, 18000000
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.Bundle, "record.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bytes := range []string{"30000000", "9223372036854775807"} {
		old := regexp.MustCompile(`"bytes": *30000000`).ReplaceAll(text, []byte(`"bytes": `+bytes))
		old = regexp.MustCompile(`,\s*"kept": *18000000`).ReplaceAll(old, nil)
		if len(old) >= len(text)+len(bytes) || string(old) == string(text) {
			t.Fatalf("nothing was taken out of %s", text)
		}
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Load(r.Bundle)
		if err != nil || len(b.Streams[0].Data) != 18000000 {
			t.Errorf("%s bytes: %v", bytes, err)
		}
	}
}

// A bundle may come from an untrusted place. A pipe must not block, a device must not
// fill the memory, and a link must not lead out of the bundle.
func TestLoadTakesRegularFilesOnly(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	kinds := []struct {
		name, problem string
		make          func(path string) error
	}{
		{"pipe", "a named pipe: want a regular file", func(path string) error { return unix.Mkfifo(path, 0o600) }},
		{"device", "a device: want a regular file", func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) }},
		{"socket", "a socket: want a regular file", func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) }},
		{"directory", "a directory: want a regular file", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"link to a device", "a symbolic link", link("/dev/zero")},
		{"link out", "a symbolic link", link(outside)},
		{"link to itself", "a symbolic link", func(path string) error { return os.Symlink(filepath.Base(path), path) }},
	}
	s := spec(create(t, t.TempDir()))
	s.Scratch = t.TempDir()
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"record.json", "payload.yaml", "stdout", "stderr", "files/report"} {
		path, moved := filepath.Join(r.Bundle, name), filepath.Join(r.Bundle, "moved")
		if err := os.Rename(path, moved); err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			if kind.name == "device" && os.Geteuid() != 0 {
				continue // only root makes them
			}
			if err := kind.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := bundle.Load(r.Bundle)
			if err == nil || !strings.Contains(err.Error(), ": "+name+": "+kind.problem) || errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is a %s: %v", name, kind.name, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		to, err := filepath.Rel(filepath.Dir(path), moved)
		if err == nil {
			err = os.Symlink(to, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Load(r.Bundle); err != nil {
			t.Errorf("%s is a link to a file of the bundle: %v", name, err)
		}
		if err := os.Rename(moved, path); err != nil {
			t.Fatal(err)
		}
	}
	// The directory itself.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Load(pipe); err == nil || !strings.Contains(err.Error(), pipe) {
		t.Errorf("a named pipe as the bundle: %v", err)
	}
	files := filepath.Join(r.Bundle, "files")
	if err := errors.Join(os.RemoveAll(files), os.WriteFile(filepath.Join(filepath.Dir(outside), "report"), nil, 0o600), os.Symlink(filepath.Dir(outside), files)); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Load(r.Bundle); err == nil || !strings.Contains(err.Error(), r.Bundle+" is not a whole bundle: files/report: ") {
		t.Errorf("files is a link out: %v", err)
	}
}
