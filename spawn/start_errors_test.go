package spawn

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStartErrors(t *testing.T) { // C17
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	advice := []string{"install", "check the path", "correct the line", "link it", "want a directory"}
	for _, tt := range []struct {
		name    string
		c       Command
		reason  Reason
		missing string
		advised bool
	}{
		{"not on PATH", Command{Path: "ktstr-no-such-tool"}, NotFound, "", true},
		{"no file", Command{Path: dir + "/absent"}, NotFound, "", true},
		{"below a file", Command{Path: file("plain", "x", 0o644) + "/x"}, NotFound, "", true},
		{"interpreter", Command{Path: file("script", "#!/no/such/perl -w\nprint 1\n", 0o755)}, NoInterpreter, "/no/such/perl", true},
		{"interpreter with a carriage return", Command{Path: file("dos", "#!/bin/sh\r\necho\r\n", 0o755)}, NoInterpreter, "/bin/sh\r", true},
		{"script run by a script", Command{Path: file("outer", "#!"+dir+"/script\n", 0o755)}, NoInterpreter, "/no/such/perl", true},
		{"loader", Command{Path: file("elf", string(elfWithLoader("/lib/no-such-ld.so")), 0o755)}, NoLoader, "/lib/no-such-ld.so", true},
		{"directory absent", Command{Path: "/bin/true", Dir: dir + "/nowhere"}, BadDir, dir + "/nowhere", true},
		{"directory is a file", Command{Path: "/bin/true", Dir: dir + "/plain"}, BadDir, dir + "/plain", true},
		{"not executable", Command{Path: dir + "/plain"}, NotExecutable, "", false},
		{"a directory", Command{Path: dir}, NotExecutable, "", false},
		{"no format", Command{Path: file("text", "echo\n", 0o755)}, NotExecutable, "", false},
		{"empty", Command{}, NotFound, "", true},
	} {
		for _, c := range []Command{tt.c, func() Command { c := tt.c; c.NoCgroup = true; return c }()} {
			_, err := Run(context.Background(), c)
			e, ok := errors.AsType[*StartError](err)
			if !ok {
				t.Errorf("%s: error %v, want a StartError", tt.name, err)
				continue
			}
			if e.Reason != tt.reason || e.Missing != tt.missing {
				t.Errorf("%s: reason %q, missing %q, want %q, %q", tt.name, e.Reason, e.Missing, tt.reason, tt.missing)
			}
			if !strings.Contains(err.Error(), c.Path) {
				t.Errorf("%s: %q does not name the binary", tt.name, err)
			}
			advised := false
			for _, a := range advice {
				advised = advised || strings.Contains(err.Error(), a)
			}
			if advised != tt.advised {
				t.Errorf("%s: %q: advice %v, want %v", tt.name, err, advised, tt.advised)
			}
		}
	}
	// None of the failed starts left a cgroup.
	if left := leaves(t, os.Getpid()); len(left) != 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func TestRefusedPrograms(t *testing.T) { // C17
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644), os.Chmod(filepath.Join(dir, "plain"), 0o644)); err != nil {
		t.Fatal(err)
	}
	noexec := filepath.Join(dir, "noexec")
	if err := os.Mkdir(noexec, 0o755); err != nil {
		t.Fatal(err)
	}
	check := func(path, want string) {
		t.Helper()
		_, err := Run(context.Background(), Command{Path: path})
		if e, ok := errors.AsType[*StartError](err); !ok || e.Reason != NotExecutable || !strings.HasSuffix(err.Error(), want) || !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: got %v, want it to end in %q", path, err, want)
		}
	}
	check(filepath.Join(dir, "plain"), "permission denied: it is not executable (mode -rw-r--r--): chmod +x it")
	check(dir, "permission denied: it is a directory")
	t.Setenv("PATH", dir)
	check("plain", "permission denied: it is not executable (mode -rw-r--r--): chmod +x it")
	if err := unix.Mount("ktstr-test", noexec, "tmpfs", unix.MS_NOEXEC, "size=64k"); errors.Is(err, fs.ErrPermission) {
		t.Skip("only root may mount what the rest needs")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(noexec, unix.MNT_DETACH) })
	for name, text := range map[string]string{"script": "#!/bin/sh\n", "elf": string(elfWithLoader("/lib64/ld"))} {
		if err := os.WriteFile(filepath.Join(noexec, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		check(filepath.Join(noexec, name), "permission denied: its filesystem is mounted noexec: want it on another one")
	}
}

func TestPathEntries(t *testing.T) { // C17
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/tool", []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", ".:"+os.Getenv("PATH"))
	if _, err := Run(context.Background(), Command{Path: "tool"}); err == nil {
		t.Error("a relative entry of PATH was used")
	}
	if res := mustRun(t, Command{Path: "./tool", Dir: "/"}); string(res.Stdout.Data) != "found\n" {
		t.Errorf("a relative path with another working directory: printed %q", res.Stdout.Data)
	}
	t.Setenv("PATH", dir+"/tool:"+dir)
	if res := mustRun(t, Command{Path: "tool"}); string(res.Stdout.Data) != "found\n" {
		t.Errorf("found on PATH: printed %q", res.Stdout.Data)
	}
}

// elfWithLoader is the smallest ELF file with a dynamic loader.
func elfWithLoader(loader string) []byte {
	le := binary.LittleEndian
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)  // executable
	le.PutUint16(b[18:], 62) // x86-64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	ph := b[64:]
	le.PutUint32(ph[0:], 3) // PT_INTERP
	le.PutUint32(ph[4:], 4)
	le.PutUint64(ph[8:], uint64(len(b)))
	le.PutUint64(ph[32:], uint64(len(loader)+1))
	le.PutUint64(ph[40:], uint64(len(loader)+1))
	return append(b, loader+"\x00"...)
}

// The search of PATH skips directories, missing files, and files without execute
// permission, as a shell does.
func TestPathSearch(t *testing.T) { // C17
	var entries []string
	for _, name := range []string{"plain", "directory", "missing", "good"} {
		entries = append(entries, filepath.Join(t.TempDir(), name))
	}
	tool := func(i int, mode os.FileMode) {
		if err := os.MkdirAll(entries[i], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(entries[i]+"/ktstr-tool", []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	tool(0, 0o644)
	if err := os.MkdirAll(entries[1]+"/ktstr-tool", 0o755); err != nil {
		t.Fatal(err)
	}
	tool(3, 0o755)
	t.Setenv("PATH", strings.Join(entries, ":"))
	if got, err := lookPath("ktstr-tool"); err != nil || got != entries[3]+"/ktstr-tool" {
		t.Errorf("found %q, %v, want the executable of the last entry", got, err)
	}
}
