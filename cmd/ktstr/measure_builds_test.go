package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Programs without numbers in their output are measured, compared and gated: an archive at two levels, a C project and a Go
// build. Side B does several times the work of side A, so that a loaded machine changes nothing. // C38
func TestBuildsAndArchivesAreMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		program string
		files   map[string]string
		prepare string // a script of the shell
		a, b    []string
	}{
		"tar": {
			program: "tar",
			prepare: "mkdir src && seq 200000 > src/numbers",
			a:       []string{"-I", "gzip -1", "-cf", "out.tgz", "src"},
			b:       []string{"-I", "gzip -9", "-cf", "out.tgz", "src"},
		},
		"make": {
			program: "make",
			files: map[string]string{
				"Makefile": "all: a\nfull: a b c d\n%: %.c\n\t$(CC) $(CFLAGS) -o $@ $<\n",
				"a.c":      "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n",
			},
			prepare: "for p in b c d; do cp a.c $p.c; done",
			a:       []string{"-B", "CFLAGS=-O0", "all"},
			b:       []string{"-B", "CFLAGS=-O0", "full"},
		},
		"go": {
			program: "./build", // the go command links only what has changed
			files: map[string]string{
				"go.mod":    "module hello\n",
				"a/main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
				"build":     "#!/bin/sh\nrm -f out/*\ngo build -o out \"$@\"\n",
			},
			prepare: "for p in b c d; do mkdir $p && cp a/main.go $p; done; mkdir out; chmod 755 build; ./build ./...",
			a:       []string{"./a"},
			b:       []string{"./a", "./b", "./c", "./d"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := c.program
			if !strings.Contains(path, "/") {
				var err error
				if path, err = exec.LookPath(c.program); err != nil {
					t.Skipf("%s is not installed", c.program)
				}
			}
			dir, state := t.TempDir(), t.TempDir()
			for file, text := range c.files {
				file = filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			prepare := exec.CommandContext(t.Context(), "sh", "-ec", c.prepare)
			prepare.Dir = dir
			if out, err := prepare.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", c.prepare, err, out)
			}
			run := func(args []string, flags ...string) (stdout string, status int) {
				t.Helper()
				cmd := newCommand(t, append(append([]string{"run", path, "--extractor", "exit-code"}, flags...), append([]string{"--"}, args...)...)...)
				cmd.Dir = dir
				cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+state)
				var out, problems bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &problems
				if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
					t.Fatal(err)
				}
				t.Logf("%s\n%s%s", strings.Join(cmd.Args[1:], " "), out.String(), problems.String())
				return out.String(), cmd.ProcessState.ExitCode()
			}
			if out, status := run(c.a, "--repeat", "4", "--tag", "a", "--check", "run.wall <= 600s"); status != 0 || !strings.Contains(out, "run.wall ") || !strings.Contains(out, "run.cpu ") {
				t.Errorf("measure: exit status %d: want 0, run.wall and run.cpu", status)
			}
			worse := regexp.MustCompile(`(?m)^run\.cpu .* worse$`)
			if out, status := run(c.b, "--repeat", "4", "--baseline", "a", "--metric", "run.cpu"); status != 1 || !worse.MatchString(out) {
				t.Errorf("compare: exit status %d: want 1, and run.cpu worse", status)
			}
			if _, status := run(c.b, "--check", "run.cpu <= 1us"); status != 1 {
				t.Errorf("gate: exit status %d: want 1", status)
			}
		})
	}
}
