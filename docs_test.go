package ktstr_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// block is a ```console block of a page: its commands and how they end.
type block struct {
	line     int
	commands []string
	statuses []string // one of which the last command ends with; the others succeed
}

var opening = regexp.MustCompile("^```console(?: exit=([0-9|]+))?$")

// blocks reads the console blocks of a page. Lines that begin with "$ " are
// commands, continued by a backslash; all others show what they print.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	inside, continued := false, false
	for i, line := range strings.Split(string(text), "\n") {
		if m := opening.FindStringSubmatch(line); m != nil {
			all = append(all, block{line: i + 1, statuses: strings.Split(cmp.Or(m[1], "0"), "|")})
			inside = true
			continue
		}
		if !inside {
			continue
		}
		if line == "```" {
			inside = false
			continue
		}
		b := &all[len(all)-1]
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case continued:
			b.commands[len(b.commands)-1] += "\n" + line
		case ok:
			b.commands = append(b.commands, command)
		default:
			continue
		}
		continued = strings.HasSuffix(line, "\\")
	}
	return all
}

// The commands of the README and of the pages for users run as they are
// written: `go run` and `make` in the repository, the others of a page one after
// the other in a directory of their own.
func TestDocumentedCommands(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/ktstr", "./plugins/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	repository, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md") {
		if page == "docs/writing-a-plugin.md" {
			continue // a walk with files to write in between: examples/ runs it
		}
		t.Run(page, func(t *testing.T) {
			dir := t.TempDir()
			home := t.TempDir()
			for _, b := range blocks(t, page) {
				for i, command := range b.commands {
					want := []string{"0"}
					if i == len(b.commands)-1 {
						want = b.statuses
					}
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					cmd := exec.CommandContext(ctx, "sh", "-c", command)
					cmd.Dir = dir
					if strings.HasPrefix(command, "go run ") || strings.HasPrefix(command, "make ") {
						cmd.Dir = repository
					}
					cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home,
						"XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=",
						"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
					out, err := cmd.CombinedOutput()
					cancel()
					if got := cmd.ProcessState.ExitCode(); !slices.Contains(want, strconv.Itoa(got)) {
						t.Errorf("%s:%d: $ %s\nexit status %d (%v), want %v\n%s", page, b.line, command, got, err, want, out)
					}
				}
			}
		})
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
