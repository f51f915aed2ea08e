package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/testenv"
)

// stranger is a user who has the ktstr command and sysbench, and a home directory. This sysbench prints a capture of the real
// one, because a test host may not have sysbench.
type stranger struct {
	home string
	env  []string
}

func newStranger(t *testing.T) stranger {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(command(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "ktstr"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	capture := filepath.Join(root, "examples", corpus, "cpu", "stdout")
	if err := os.WriteFile(filepath.Join(bin, "sysbench"), []byte("#!/bin/sh\nexec cat '"+capture+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(home, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	env := append(testenv.GoEnv(), "HOME="+home, "KTSTR="+root, "PATH="+bin+":"+os.Getenv("PATH"), "GOWORK=off",
		"XDG_DATA_HOME="+home+"/data", "XDG_STATE_HOME="+home+"/state", "XDG_CONFIG_HOME="+home+"/config")
	// Without these variables the go command would find an empty cache and fetch and build all dependencies again.
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE"}
	values := strings.Split(run(t, ".", append([]string{"go", "env"}, names...)...), "\n")
	for i, name := range names {
		env = append(env, name+"="+values[i])
	}
	return stranger{home, env}
}

// command runs text as a shell does, in dir below the stranger's home.
func (s stranger) command(dir, text string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.WaitDelay = time.Second // for a descendant that keeps the output open
	cmd.Dir = filepath.Join(s.home, dir)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s stranger) do(t *testing.T, text string) string {
	t.Helper()
	out, err := s.command("work", text)
	if err != nil {
		t.Fatalf("$ %s\n%s%v", text, out, err)
	}
	return out
}

// block is a fenced block of a page: commands, or a file to be written.
type block struct {
	line int
	info string
	text string
}

func blocksOf(t *testing.T, path string) []block {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	open := false
	for i, line := range strings.SplitAfter(string(page), "\n") {
		switch info, fence := strings.CutPrefix(line, "```"); {
		case fence && !open:
			blocks = append(blocks, block{line: i + 1, info: strings.TrimSpace(info)})
			open = true
		case fence:
			open = false
		case open:
			blocks[len(blocks)-1].text += line
		}
	}
	return blocks
}

// tutorial are the pages that are one walk: each goes on in the directory in
// which the page before it ended.
var tutorial = []string{"../docs/writing-a-plugin.md", "../docs/installing-a-plugin.md", "../docs/script-plugins.md"}

// The test writes the files of the tutorial as shown and runs its commands. Where
// a page shows the output of a command, the command prints that output.
func TestWalk(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	dir := "work"
	commands := 0
	for _, page := range tutorial {
		for _, b := range blocksOf(t, page) {
			language, file, _ := strings.Cut(b.info, " ")
			if language == "json" {
				continue // part of the protocol: TestProtocolPages reads it
			}
			if language != "console" {
				if file == "" {
					t.Fatalf("%s:%d: a block %q: want `console`, or a language and a file's name", page, b.line, b.info)
				}
				path := filepath.Join(s.home, dir, file)
				if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
				text, want, _ := strings.Cut(step, "\n")
				if to, ok := strings.CutPrefix(text, "cd "); ok {
					dir = filepath.Join(dir, to)
					continue
				}
				commands++
				got, err := s.command(dir, text)
				if err != nil {
					t.Fatalf("%s:%d: $ %s\n%s%v", page, b.line, text, got, err)
				}
				if want = strings.TrimSpace(want); want != "" && strings.TrimSpace(got) != want {
					t.Errorf("%s:%d: $ %s\nprints\n%s\nthe page says\n%s", page, b.line, text, got, want)
				}
			}
		}
	}
	if commands < 25 {
		t.Errorf("%d commands were run: want all commands of %v", commands, tutorial)
	}
}

// Each of the three plugins is installed, locked and run. All extract the same metrics. ktstr executes only the locked build.
func TestInstallLockRun(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	captures, err := filepath.Abs(corpus)
	if err != nil {
		t.Fatal(err)
	}
	plugins := []string{goPlugin(t)}
	for _, p := range []string{"plugin-python", "plugin-script"} {
		path, err := filepath.Abs(filepath.Join(p, "ktstr-plugin-sysbench"))
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, path)
	}
	metrics := make([]string, len(plugins))
	for i, path := range plugins {
		// The tests of each plugin run all checks of verify. This test is about the installation.
		s.do(t, "ktstr plugin install "+path+" --sha256 $(sha256sum <"+path+" | cut -d' ' -f1)")
		if i == 1 { // a run refuses a build that is not locked, and names the hash of that build
			out, err := s.command("work", "ktstr run sysbench-cpu")
			if sum := strings.Fields(run(t, ".", "sha256sum", path))[0]; err == nil || !strings.Contains(out, sum) {
				t.Errorf("a run with another build than the locked one: %v\n%swant a refusal that names %s", err, out, sum)
			}
		}
		s.do(t, "rm -f ktstr.lock; ktstr plugin lock")
		metrics[i] = metricsOf(t, s.do(t, "ktstr run sysbench-cpu --check 'latency.p95 <= 1s' -o json 2>/dev/null"))
		for _, c := range []string{"cpu", "memory", "fileio-rndrw", "threads"} {
			metrics[i] += metricsOf(t, s.do(t, fmt.Sprintf("ktstr extract sysbench --stdout %s/%s/stdout --exit-code 0 -o json", captures, c)))
		}
		if metrics[i] != metrics[0] {
			t.Errorf("%s gives\n%s, %s gives\n%s", path, metrics[i], plugins[0], metrics[0])
		}
	}
	if !strings.Contains(metrics[0], `"events.rate"`) || !strings.Contains(metrics[0], `"transfer.rate"`) {
		t.Errorf("metrics %s: want those of the cpu and the memory test", metrics[0])
	}

	s.do(t, "ktstr plugin remove sysbench")
	if left := s.do(t, "find $XDG_DATA_HOME -type f -name 'ktstr-plugin-*'"); left != "" {
		t.Errorf("after the removal there is still %s", left)
	}
	// No process outlives the commands.
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(commands) == 0 {
		t.Fatal("no /proc", err)
	}
	for _, path := range commands {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), s.home) {
			t.Errorf("%s is still there: %q", path, text)
		}
	}
}

// metricsOf returns the metrics of a JSON document as compact JSON.
func metricsOf(t *testing.T, text string) string {
	t.Helper()
	var doc struct{ Metrics []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var b bytes.Buffer
	for _, metric := range doc.Metrics {
		var m ktstr.Metric
		if err := json.Unmarshal(metric, &m); err != nil {
			t.Fatalf("%v in %s", err, metric)
		}
		if m.Stream == ktstr.RunStream {
			continue // the time of the run, for example, differs each time
		}
		if err := json.Compact(&b, metric); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
