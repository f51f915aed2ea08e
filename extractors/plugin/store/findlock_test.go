package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindLock(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	dir := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	put("p/ktstr.lock", 0o644)
	dir("p/a/b", 0o755)
	put("p/nested/ktstr.lock", 0o644)
	dir("p/nested/x", 0o755)
	put("p/module/.git", 0o644) // of a submodule
	dir("p/module/x", 0o755)
	put("p/module2/ktstr.lock", 0o644)
	dir("p/module2/.git", 0o755)
	dir("p/module2/x", 0o755)
	dir("p/shared/.git", 0o755) // which anybody may have put there
	dir("p/shared/x", 0o755)
	dir("p/shared", 0o777|os.ModeSticky)
	put("p/open/ktstr.lock", 0o644)
	dir("p/open/x", 0o755)
	dir("p/open", 0o777|os.ModeSticky)
	put("p/loose/ktstr.lock", 0o666)
	dir("p/loose/x", 0o755)
	dir("p/linked/x", 0o755)
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "p/linked/ktstr.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "p/a/b"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, want, ignored string
	}{
		{"p", "p/ktstr.lock", ""},
		{"p/a/b", "p/ktstr.lock", ""},
		{"link", "p/ktstr.lock", ""}, // where the directory is, not how one came to it
		{"p/nested", "p/nested/ktstr.lock", ""},
		{"p/nested/x", "p/nested/ktstr.lock", ""},
		{"p/module", "", ""},
		{"p/module/x", "", ""},
		{"p/module2/x", "p/module2/ktstr.lock", ""},
		{"p/shared", "", ""},
		{"p/shared/x", "p/ktstr.lock", ""},
		{"p/open", "p/open/ktstr.lock", ""}, // who works there has chosen it
		{"p/open/x", "p/ktstr.lock", "p/open/ktstr.lock does not count below its directory: its directory can be written by others (mode 0777): want what only you or root can write"},
		{"p/loose/x", "p/ktstr.lock", "p/loose/ktstr.lock does not count below its directory: can be written by others (mode 0666)"},
		{"p/linked/x", "p/ktstr.lock", "is no regular file"},
	} {
		f := FindLock(filepath.Join(root, c.dir))
		want := ""
		if c.want != "" {
			want = filepath.Join(root, c.want)
		}
		if f.Path != want || (c.ignored != "") != (len(f.Ignored) == 1) || !strings.Contains(strings.Join(f.Ignored, ""), c.ignored) {
			t.Errorf("%s: got %+v; want %q, and ignored %q", c.dir, f, want, c.ignored)
		}
	}
	t.Chdir(filepath.Join(root, "p"))
	if f := FindLock("."); f.Path != LockFile {
		t.Errorf("in the working directory: got %+v", f)
	}
}

func TestReadLockOfNamedPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "ktstr.lock")
	if err := unix.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLock(pipe); err == nil || !strings.Contains(err.Error(), "this is no file: remove it") {
		t.Errorf("a named pipe: got %v", err)
	}
}

func TestFindLockStaysOnTheFilesystem(t *testing.T) {
	t.Parallel()
	if f := FindLock("/proc/self"); f.Path != "" || len(f.Ignored) > 0 {
		t.Errorf("/proc: got %+v", f)
	}
}

func TestFindLockInRemovedDirectory(t *testing.T) {
	gone := t.TempDir()
	t.Chdir(gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if f := FindLock("."); f.Path != "" || len(f.Ignored) != 1 || !strings.Contains(f.Ignored[0], "cannot be seen") {
		t.Errorf("in a directory that is gone: got %+v", f)
	}
}

// Root uses no lock of another user or a group that is above its directory.
func TestFindLockAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may change owners")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "p/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "p/ktstr.lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "p"), 0o775); err != nil {
		t.Fatal(err)
	}
	if f := FindLock(filepath.Join(root, "p/a")); f.Path != "" || len(f.Ignored) != 1 {
		t.Errorf("a group's: got %+v", f)
	}
	if err := os.Chmod(filepath.Join(root, "p"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "p/ktstr.lock"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if f := FindLock(filepath.Join(root, "p/a")); f.Path != "" || !strings.Contains(strings.Join(f.Ignored, ""), "belongs to another user") {
		t.Errorf("another user's: got %+v", f)
	}
}
