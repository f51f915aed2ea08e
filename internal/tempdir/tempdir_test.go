package tempdir_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/tempdir"
)

// With makeIn in its environment, the test binary makes a directory there, prints its
// path, and waits to be killed.
const makeIn = "KTSTR_TEST_MAKE_IN"

func TestMain(m *testing.M) {
	if parent := os.Getenv(makeIn); parent != "" {
		d, err := tempdir.Make(parent, "x-")
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(d.Path + "\n")
		os.Stdout.Close()
		select {}
	}
	os.Exit(m.Run())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	parent := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), makeIn+"="+parent)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(parent, "x-*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v: want one directory", left, err)
	}
	old := time.Now().Add(-time.Hour)
	age := func() {
		if err := os.Chtimes(left[0], old, old); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, want bool) {
		t.Helper()
		d, err := tempdir.Make(parent, "x-")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Remove()
		if exists(left[0]) != want {
			t.Errorf("%s: there %v, want %v", when, !want, want)
		}
	}
	age()
	check("its process lives", true)
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	if err := os.WriteFile(filepath.Join(left[0], "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("it is young", true)
	age()
	check("its process was killed", false)
}

func TestOthersAreLeftAlone(t *testing.T) {
	parent, target := t.TempDir(), t.TempDir()
	if err := os.Symlink(target, filepath.Join(parent, "x-1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "x-2"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(parent, "x-3")
	if err := os.Mkdir(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 65534, 65534); err != nil || os.Geteuid() == 65534 {
		t.Skip("to give a directory to another user takes root")
	}
	mine := filepath.Join(parent, "x-mine") // of a name that Make gives to none
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, path := range []string{target, theirs, mine} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	d, err := tempdir.Make(parent, "x-")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(parent, "x-1"), filepath.Join(parent, "x-2"), theirs, mine, target} {
		if !exists(path) {
			t.Errorf("%s was removed", path)
		}
	}
	if info, err := os.Stat(d.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
	if err := d.Remove(); err != nil || exists(d.Path) {
		t.Errorf("Remove: %v", err)
	}
}

func TestKeptDirectoriesStay(t *testing.T) {
	parent := t.TempDir()
	d, err := tempdir.Make(parent, "x-")
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(parent, "kept")
	if err := os.Rename(d.Path, kept); err != nil {
		t.Fatal(err)
	}
	d.Keep()
	if err := d.Remove(); err != nil || !exists(kept) {
		t.Errorf("Remove after Keep: %v, there %v", err, exists(kept))
	}
}

func TestUnwritableDirectoriesAreRemoved(t *testing.T) {
	d, err := tempdir.Make(t.TempDir(), "x-")
	if err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(d.Path, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(d.Path, "a"), 0o500); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil || exists(d.Path) {
		t.Errorf("Remove: %v", err)
	}
}
