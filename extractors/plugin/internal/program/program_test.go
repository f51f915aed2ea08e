package program

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a private directory with an executable in it and returns both.
func tree(t *testing.T) (dir, path string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "a", "ktstr-plugin-x")
	do(t, os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))
	return dir, path
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A file that other users can have put there or changed is not opened.
func TestOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		path func(t *testing.T) string
		want string // of the error; empty: none
		root bool   // only root can make it
	}{
		{"own file", func(t *testing.T) string { _, path := tree(t); return path }, "", false},
		{"linked directory", func(t *testing.T) string {
			dir, _ := tree(t)
			do(t, os.Symlink("a", filepath.Join(dir, "link")))
			return filepath.Join(dir, "link", "ktstr-plugin-x")
		}, "", false},
		{"symlink", func(t *testing.T) string {
			dir, path := tree(t)
			link := filepath.Join(dir, "link")
			do(t, os.Symlink(path, link))
			return link
		}, "it is a symbolic link: name the file itself, /", false},
		{"dangling symlink", func(t *testing.T) string {
			dir, _ := tree(t)
			link := filepath.Join(dir, "link")
			do(t, os.Symlink("/nowhere/ktstr-plugin-x", link))
			return link
		}, "it is a symbolic link to /nowhere/ktstr-plugin-x, which does not exist: name the plugin's file itself", false},
		{"world-writable file", func(t *testing.T) string {
			_, path := tree(t)
			do(t, os.Chmod(path, 0o777))
			return path
		}, "everybody may write to it", false},
		{"world-writable directory, although sticky", func(t *testing.T) string {
			_, path := tree(t)
			do(t, os.Chmod(filepath.Dir(path), 0o777|fs.ModeSticky))
			return path
		}, "everybody may write to the directory", false},
		{"world-writable directory above", func(t *testing.T) string {
			dir, path := tree(t)
			do(t, os.Chmod(dir, 0o777))
			return path
		}, "everybody may write to the directory", false},
		{"link to a directory whose parent others can write", func(t *testing.T) string {
			dir, _ := tree(t)
			shared, path := tree(t)
			do(t, os.Chmod(shared, 0o777), os.Symlink(filepath.Dir(path), filepath.Join(dir, "link")))
			return filepath.Join(dir, "link", "ktstr-plugin-x")
		}, "everybody may write to the directory", false},
		{"link through a directory that others can write", func(t *testing.T) string {
			dir, path := tree(t)
			shared, _ := tree(t)
			do(t, os.Symlink(filepath.Dir(path), filepath.Join(shared, "hop")), os.Chmod(shared, 0o777), os.Symlink(filepath.Join(shared, "hop"), filepath.Join(dir, "link")))
			return filepath.Join(dir, "link", "ktstr-plugin-x")
		}, "everybody may write to the directory", false},
		{"not executable", func(t *testing.T) string {
			_, path := tree(t)
			do(t, os.Chmod(path, 0o644))
			return path
		}, "chmod +x", false},
		{"device", func(*testing.T) string { return "/dev/null" }, "no regular file", false},
		{"directory", func(*testing.T) string { return "/dev" }, "is a directory", false},
		{"missing", func(*testing.T) string { return "/nowhere/x" }, "no such file", false},
		{"file of another user", func(t *testing.T) string {
			_, path := tree(t)
			do(t, os.Chown(path, 12345, 12345))
			return path
		}, "it belongs to user 12345: want a file of yours or of root", true},
		{"directory of another user", func(t *testing.T) string {
			_, path := tree(t)
			do(t, os.Chown(filepath.Dir(path), 12345, 12345))
			return path
		}, "belongs to user 12345, who can replace it", true},
		{"link of another user", func(t *testing.T) string {
			dir, _ := tree(t)
			link := filepath.Join(dir, "link")
			do(t, os.Symlink("a", link), os.Lchown(link, 12345, 12345))
			return filepath.Join(link, "ktstr-plugin-x")
		}, "which belongs to user 12345: name the file by its real path", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			f, err := Open(c.path(t))
			if err == nil {
				f.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
