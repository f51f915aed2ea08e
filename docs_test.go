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
		switch page {
		case "docs/writing-a-plugin.md", "docs/installing-a-plugin.md", "docs/script-plugins.md":
			continue // a tutorial with files to write in between: TestWalk in examples/ runs it
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

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced  = regexp.MustCompile("(?s)```.*?\n```")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Links in the pages lead to files that exist and to headings that exist, and no
// page is longer than 150 lines.
func TestPages(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "bench/*/README.md", "examples/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	read := func(page string) string {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// anchors are the names by which GitHub links to the headings of a page.
	anchors := func(page string) map[string]bool {
		names := map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(read(page), ""), -1) {
			names[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
		}
		return names
	}
	for _, page := range pages {
		text := read(page)
		if n := strings.Count(text, "\n"); n > 150 && page != "CHANGELOG.md" {
			t.Errorf("%s has %d lines: want at most 150; split it by subject", page, n)
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if anchor != "" && !anchors(target)[anchor] {
				t.Errorf("%s links to %s: %s has no heading for #%s", page, m[1], target, anchor)
			}
		}
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
