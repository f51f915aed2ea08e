package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A #! line makes nothing readable but the libraries of its interpreter.
func TestFindInterpreter(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	do := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"venv", "linked", "outside", "open", "cfg", "secret", "links", "plain"} {
		do(os.MkdirAll(at(name+"/bin"), 0o755), os.WriteFile(at(name+"/bin/python3"), nil, 0o755))
	}
	do(os.Mkdir(at("venv/lib"), 0o755), os.WriteFile(at("venv/pyvenv.cfg"), nil, 0o644))
	do(os.Mkdir(at("linked/lib64"), 0o755), os.Symlink("lib64", at("linked/lib")))
	do(os.Symlink("/", at("outside/lib")))
	do(os.Mkdir(at("open/lib"), 0o755), os.Chmod(at("open/lib"), 0o777))
	do(os.WriteFile(at("secret/key"), nil, 0o600), os.Symlink(at("secret/key"), at("cfg/pyvenv.cfg")))
	do(os.Symlink(at("venv/bin"), at("links/venv-bin")))
	type want struct {
		read []string
		err  string
	}
	tests := map[string]want{
		"/bin/sh":                              {},
		"/usr/bin/env":                         {},
		"/var/run/../bin/sh":                   {}, // is /bin/sh and not /var/bin/sh
		at("venv/bin"):                         {err: "is no program"},
		"/nowhere/bin/sh":                      {},
		at("venv/bin/python3"):                 {read: []string{at("venv/lib"), at("venv/pyvenv.cfg")}},
		at("links/venv-bin/python3"):           {read: []string{at("venv/lib"), at("venv/pyvenv.cfg")}},
		at("links/venv-bin/../../plain/bin/x"): {}, // ".." follows the link
		at("linked/bin/python3"):               {read: []string{at("linked/lib64")}},
		at("outside/bin/python3"):              {err: "leads to /: want a path below " + at("outside")},
		at("open/bin/python3"):                 {err: "can be written by others (mode 0777)"},
		at("cfg/bin/python3"):                  {err: "leads to " + at("secret/key")},
		at("venv/sh"):                          {}, // not in a directory bin
	}
	if os.Geteuid() == 0 {
		do(os.MkdirAll(at("theirs/bin"), 0o755), os.Mkdir(at("theirs/lib"), 0o755), os.Chown(at("theirs/lib"), 12345, 12345))
		tests[at("theirs/bin/python3")] = want{err: "belongs to another user"}
	}
	for path, w := range tests {
		script := at("script")
		do(os.WriteFile(script, []byte("#!"+path+" -u\n"), 0o755))
		f, err := os.Open(script)
		do(err)
		got, err := FindInterpreter(f)
		f.Close()
		if w.err != "" {
			if err == nil || !strings.Contains(err.Error(), w.err) {
				t.Errorf("%s: got %+v, %v; want an error with %q", path, got, err, w.err)
			}
			continue
		}
		if err != nil || got.Path != path || !slices.Equal(got.Read, w.read) {
			t.Errorf("%s: got %+v, %v; want %q", path, got, err, w.read)
		}
	}
}
