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

	"github.com/ktstr/ktstr/internal/testenv"
)

// block is a ```console block of a page.
type block struct {
	line     int
	commands []string
	// statuses are the exit statuses with which the last command may end. The commands before it must succeed.
	statuses []string
}

var opening = regexp.MustCompile("^```console(?: exit=([0-9|]+))?$")

// blocks returns the console blocks of a page. A line that begins with "$ " is a command, and a backslash at its end
// continues it. The other lines are the output, which this test does not compare.
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

// commandLimit is the deadline of a documented command. It is generous because the machine may be busy, and because `go run` of a
// clean clone compiles everything.
const commandLimit = 15 * time.Minute

// The commands of the README and of the pages for users run as they are written. `go run` and `make` run in the repository.
// The other commands of a page run one after the other in a directory of their own. The pages run in parallel, because most
// of their time is waiting for benchmarks.
func TestDocumentedCommands(t *testing.T) {
	bin := testenv.Build(t, "./cmd/ktstr", "./plugins/fio/ktstr-plugin-fio", "./plugins/schbench/ktstr-plugin-schbench", "./plugins/stressng/ktstr-plugin-stressng")
	repository, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	// Each page has a home of its own, but not a Go cache of its own.
	env := append(os.Environ(), "PATH="+shortBenchmarks(t)+":"+bin+":"+os.Getenv("PATH"), "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=",
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	for _, page := range append(pages, "README.md") {
		switch page {
		case "docs/writing-a-plugin.md", "docs/installing-a-plugin.md", "docs/script-plugins.md", "docs/table-plugins.md":
			continue // a tutorial with files to write in between: the tests TestWalk… in examples/ run it
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			if page == "docs/hosts.md" && os.Geteuid() != 0 {
				t.Skip("its commands make several hosts of one by unshare --uts, which takes root")
			}
			dir := t.TempDir()
			env := append(slices.Clone(env), "HOME="+t.TempDir())
			for _, b := range blocks(t, page) {
				for i, command := range b.commands {
					want := []string{"0"}
					if i == len(b.commands)-1 {
						want = b.statuses
					}
					ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
					cmd := exec.CommandContext(ctx, "sh", "-c", command)
					cmd.WaitDelay = time.Second // for a descendant that keeps the output open
					cmd.Dir = dir
					if strings.HasPrefix(command, "go run ") || strings.HasPrefix(command, "make ") {
						cmd.Dir = repository
					}
					cmd.Env = env
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

// shortBenchmarks returns a directory with a fio and a stress-ng that are the real ones with options that end them after a
// fraction of a second, on a smaller file. A test learns nothing from the seconds and the 256 MiB of the pages.
func shortBenchmarks(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for tool, script := range map[string]string{
		"fio":       `case " $* " in *" --time_based "*) exec REAL "$@" --ramp_time=0 --runtime=200ms --size=16m ;; esac`,
		"stress-ng": `case " $* " in *" --cpu "*) exec REAL "$@" --cpu-ops 50 ;; esac`,
	} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatalf("%v: the documented commands need it: run `make deps`", err)
		}
		script = "#!/bin/sh\n" + strings.ReplaceAll(script, "REAL", path) + "\nexec " + path + ` "$@"` + "\n"
		if err := os.WriteFile(filepath.Join(dir, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var (
	source  = regexp.MustCompile("`([a-z0-9/_-]+/[a-z0-9_-]+\\.go)`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced  = regexp.MustCompile("(?s)```.*?\n```")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// A link in a page leads to a file and a heading that exist, a Go file that a page
// names exists, and no page is longer than 150 lines.
func TestPages(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/metrics/*.md", "bench/*/README.md", "examples/README.md"} {
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
		for _, m := range source.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
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
