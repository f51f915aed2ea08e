package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
)

// one is an extractor that finds one metric in any text.
var one = ktstr.Parser{
	Description: ktstr.Description{Name: "one", Version: "1"},
	Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: float64(len(out.Data))}}}, nil
	},
}

func spec(sinks ...core.Sink) core.Spec {
	return core.Spec{
		Payload: payload.Payload{
			Name: "bench", Summary: "prints", Binary: "/bin/sh",
			Args:    []string{"-c", "echo out; echo err >&2; echo file > {outputs.report}"},
			Outputs: []payload.OutputFile{{Name: "report", Path: "report.txt"}},
			Checks:  []check.Check{check.ExitEquals(0)},
		},
		Extractor: one,
		Sinks:     sinks,
	}
}

func create(t *testing.T, root string) *bundle.Writer {
	t.Helper()
	w, err := bundle.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const nobody = 65534

// plainly calls f without what root may do to files.
func plainly(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and the thread ends with the goroutine
			unix.SetfsuidRetUid(nobody)
		}
		f()
	}()
	<-done
}

// plain is a sink without what root may do to files.
type plain struct{ *bundle.Writer }

func (p plain) Raw(r *core.Result) (err error) {
	plainly(func() { err = p.Writer.Raw(r) })
	return err
}

// A bundle that is there is never said not to be: where only the wait for the
// disk fails, the run does not pass, says where it is, and is kept whole.
func TestPublishedButNotOnTheDisk(t *testing.T) {
	root := filepath.Join(t.TempDir(), "drop")
	// Whoever may write into a directory but not read it cannot wait for it.
	err := errors.Join(os.Chmod(filepath.Dir(filepath.Dir(root)), 0o755), os.Mkdir(root, 0o300))
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chown(root, nobody, nobody))
	}
	if err != nil {
		t.Fatal(err)
	}
	var w *bundle.Writer
	if plainly(func() { w, err = bundle.Create(root) }); err != nil {
		t.Fatal(err)
	}
	s := spec(plain{w})
	s.Scratch = t.TempDir()
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bundle == "" || r.ExitStatus() != core.ExitRun || !strings.Contains(r.Err().Error(), "the run is in "+r.Bundle+", but may be gone") {
		t.Errorf("bundle %q, status %d, %v", r.Bundle, r.ExitStatus(), r.Err())
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := names(t, root); len(got) != 1 || got[0] != filepath.Base(r.Bundle) {
		t.Errorf("in %s: %q, want the bundle alone", root, got)
	}
	back, err := bundle.Load(r.Bundle)
	if err != nil || len(back.Record.Metrics) != 1 || back.Record.Verdict != core.Fail || len(back.Record.Details) != 1 {
		t.Errorf("read back %+v, %v", back.Record, err)
	}
}

// A run is not lost after the fact to the long name of what ran.
func TestLongPayloadNameIsKept(t *testing.T) {
	s := spec(create(t, t.TempDir()))
	s.Payload.Name, s.Payload.Summary = strings.Repeat("a", 300), ""
	for range 12 { // as long as the kernel takes them
		s.Args = append(s.Args, strings.Repeat("é", 60_000))
	}
	r, err := core.Run(context.Background(), s)
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if back, err := bundle.LoadRecord(r.Bundle); err != nil || back.Payload != s.Payload.Name {
		t.Errorf("read back %q, %v", back.Payload, err)
	}
	if _, err := bundle.Load(r.Bundle); err != nil {
		t.Errorf("read back: %.200v", err)
	}
	if name := filepath.Base(r.Bundle); !bundle.IsName(name) {
		t.Errorf("%s is no name of a bundle", name)
	}
}

// C36
func TestBundleRoundTrips(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	s := spec(create(t, root))
	s.Scratch = t.TempDir()
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(r.Bundle) != root || len(names(t, root)) != 1 {
		t.Errorf("bundle %s; want one below %s", r.Bundle, root)
	}
	if got, want := names(t, r.Bundle), []string{"files", "payload.yaml", "record.json", "stderr", "stdout"}; !reflect.DeepEqual(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	b, err := bundle.Load(r.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(b.Streams), 3; got != want {
		t.Fatalf("%d streams, want %d", got, want)
	}
	for i, want := range []string{"out\n", "err\n", "file\n"} {
		if got := b.Streams[i]; string(got.Data) != want || got.Stream != r.Streams[i].Stream || *got.ExitCode != 0 || !reflect.DeepEqual(got.Argv, r.Argv) {
			t.Errorf("stream %d: %+v with %q; want %q", i, got, got.Data, want)
		}
	}
	again := extract.Run(t.Context(), one, b.Streams, b.Payload.MetricHints())
	if !reflect.DeepEqual(again.Metrics, b.Record.Metrics) || !reflect.DeepEqual(again.Metrics, r.Metrics) {
		t.Errorf("extracted again: %+v; want %+v", again.Metrics, r.Metrics)
	}
	if !reflect.DeepEqual(b.Payload.Args, s.Payload.Args) || !reflect.DeepEqual(b.Payload.Checks, s.Payload.Checks) {
		t.Errorf("payload %+v; want that of the run", b.Payload)
	}
}

// stopping is a sink that looks at the bundle between its two states.
type stopping struct {
	check func(dir string)
}

func (s stopping) Raw(r *core.Result) error  { s.check(r.Bundle); return nil }
func (s stopping) Emit(r *core.Result) error { return nil }

func TestRawOutputIsOnDiskBeforeExtraction(t *testing.T) {
	looked := false
	s := spec(create(t, t.TempDir()), stopping{func(dir string) {
		looked = true
		b, err := bundle.Load(dir)
		if err != nil {
			t.Error(err)
			return
		}
		if string(b.Streams[0].Data) != "out\n" || b.Record.Verdict != core.Fail || b.Record.Extraction.Status != extract.Error {
			t.Errorf("verdict %s, extraction %+v, stdout %q", b.Record.Verdict, b.Record.Extraction, b.Streams[0].Data)
		}
	}})
	s.Scratch = t.TempDir()
	if _, err := core.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("the sink was not asked")
	}
}

func TestFullDiskLeavesNothing(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatalf("a small tmpfs cannot be mounted: %v; this test runs as root", err)
	}
	t.Cleanup(func() { unix.Unmount(root, unix.MNT_DETACH) })
	s := spec(create(t, root))
	s.Scratch = t.TempDir()
	s.Payload.Args = []string{"-c", "head -c 200000 /dev/zero; echo file > {outputs.report}"}
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err == nil || r.ExitStatus() != core.ExitRun || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), root) {
		t.Errorf("status %d, %v; want what happened to what", r.ExitStatus(), err)
	}
	if len(r.Metrics) != 1 || r.Bundle != "" {
		t.Errorf("metrics %+v, bundle %q; want the metrics, and no bundle", r.Metrics, r.Bundle)
	}
	if left := names(t, root); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestCreateFindsBadPlacesFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Create(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Create below a file: %v", err)
	}
	root := t.TempDir()
	w := create(t, root)
	if info, err := os.Stat(filepath.Join(root, names(t, root)[0])); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("staging directory: %v, %v; want mode 0700", info.Mode(), err)
	}
	if err := w.Close(); err != nil || len(names(t, root)) != 0 {
		t.Errorf("Close: %v, left %q", err, names(t, root))
	}
}

// What a killed run left goes with the next one; what is in use, or may be soon,
// stays.
func TestCreateSweepsWhatWasKilled(t *testing.T) {
	root := filepath.Join(t.TempDir(), "[a]*")
	held := create(t, root)
	used := names(t, root)[0]
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{".staging-1234567890", ".staging-1234567891"} {
		if err := os.MkdirAll(filepath.Join(root, name, "files"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".staging-1234567890", used} {
		if err := os.Chtimes(filepath.Join(root, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	w := create(t, root)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, root), []string{used, ".staging-1234567891"}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("left %q, want %q", got, want)
	}
	held.Close()
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestLoadRefusesWhatIsNoBundle(t *testing.T) {
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

func TestLoadedStreamsKnowWhatWasCut(t *testing.T) {
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

// What is larger than what the run kept is not read; the files here are sparse.
func TestLoadIsBounded(t *testing.T) {
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

// Records from before it was noted how much was kept, and those with a size that
// no file has, are read all the same.
func TestLoadOfOtherRecords(t *testing.T) {
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

// A bundle may come from elsewhere: what is no regular file in it neither blocks
// nor fills the memory, and a link leads nowhere but to another file of it.
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
