package bundle_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
)

// If only the wait for the disk fails, the bundle is complete. The run fails, and its
// error contains the path.
func TestPublishedBundleIsReportedIfTheDiskFails(t *testing.T) {
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
	if err != nil || len(back.Record.Printed()) != 1 || back.Record.Verdict != core.Fail || len(back.Record.Details) != 1 {
		t.Errorf("read back %+v, %v", back.Record, err)
	}
}

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
	if !reflect.DeepEqual(again.Metrics, b.Record.Printed()) || !reflect.DeepEqual(b.Record.Metrics, r.Metrics) {
		t.Errorf("extracted again: %+v; want %+v", again.Metrics, r.Metrics)
	}
	if !reflect.DeepEqual(b.Payload.Args, s.Payload.Args) || !reflect.DeepEqual(b.Payload.Checks, s.Payload.Checks) {
		t.Errorf("payload %+v; want that of the run", b.Payload)
	}
}

// stopping is a sink that checks the bundle before the extraction.
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
	if os.Geteuid() != 0 {
		t.Skip("to mount a small filesystem takes root")
	}
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatalf("a small tmpfs cannot be mounted: %v", err)
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
	if len(r.Printed()) != 1 || r.Bundle != "" {
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

// Create keeps directories that a process uses or has just created.
func TestCreateRemovesWhatAKilledRunLeft(t *testing.T) {
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

// removing is an extractor during which another process removes files of the bundle.
type removing struct{ remove func() }

func (x removing) Describe() ktstr.Description {
	return ktstr.Description{Name: "removing", NoMetrics: true}
}

func (x removing) Extract(context.Context, ktstr.Output) (ktstr.Extraction, error) {
	x.remove()
	return ktstr.Extraction{}, nil
}

func TestRemovedBundleIsNotCalledWhole(t *testing.T) {
	for name, files := range map[string][]string{
		"the bundle": {"."}, "its stdout": {"stdout", "record.json"},
	} {
		root := t.TempDir()
		s := spec(create(t, root))
		var dir string
		s.Extractor = removing{func() {
			for _, name := range names(t, root) {
				dir = filepath.Join(root, name)
			}
			for _, file := range files {
				os.RemoveAll(filepath.Join(dir, file))
			}
			if len(files) > 1 { // an empty directory, which the rename of the record cannot replace
				if err := os.MkdirAll(filepath.Join(dir, "record.json", "x"), 0o700); err != nil {
					t.Error(err)
				}
			}
		}}
		r, err := core.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		want := "the run could not be kept: " + dir + " was removed or changed during the run, for example by ktstr runs prune"
		if r.Bundle != "" || r.ExitStatus() != core.ExitRun || len(r.Details) != 1 || r.Details[0].Message != want {
			t.Errorf("%s: bundle %q, details %+v, want %q", name, r.Bundle, r.Details, want)
		}
	}
}
