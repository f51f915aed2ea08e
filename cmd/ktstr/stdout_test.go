package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
)

// A command that prints a verdict or data fails if the output is lost: on a full disk, and if the reader has closed the pipe.
func TestLostOutputIsNoSuccess(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		t.Setenv(name, home)
	}
	bench, saved := filepath.Join(home, "bench"), filepath.Join(home, "saved")
	for path, text := range map[string]string{bench: "#!/bin/sh\necho '{\"iops\": 1234}'\n", saved: `{"iops": 1234}`} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var stdout bytes.Buffer
	if status := command(t, &stdout, "run", bench, "--tag", "t", "--quiet"); status != core.ExitPass {
		t.Fatalf("exit status %d", status)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	gone, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	defer broken.Close()
	for _, line := range []string{
		"run BENCH", "run BENCH -o json", "run BENCH --quiet", "run BENCH --repeat 2", "run BENCH --repeat 2 -o json", "run BENCH --export csv=-",
		"run BENCH --baseline t", "run BENCH --baseline t -o json",
		"extract json --stdout SAVED", "extract json --stdout SAVED -o json", "extract --replay t", "extract --replay t -o json",
		"compare t t", "compare t t -o json", "compare t t --export junit=-",
		"runs list", "runs list -o json", "runs show t", "runs show t -o json", "runs show t --export markdown=-", "runs path t",
		"runs prune --payload bench --tagged",
		"explain t iops", "explain t iops -o json",
		"payload list", "payload list -o json", "payload show noise", "payload show noise -o json",
		"plugin list", "plugin list -o json", "plugin describe fio", "plugin describe fio -o json",
		"doctor", "doctor -o json", "--version", "--help", "help run", "completion bash",
	} {
		args := strings.Fields(strings.NewReplacer("BENCH", bench, "SAVED", saved).Replace(line))
		if args[0] == "explain" {
			args[1] = onlyRun(t, home)
		}
		for name, f := range map[string]*os.File{"a full disk": full, "a broken pipe": broken} {
			var stderr bytes.Buffer
			want := map[*os.File]int{full: core.ExitRun, broken: exitBrokenPipe}[f]
			if got := run(t.Context(), args, bytes.NewReader(nil), f, &stderr); got != want {
				t.Errorf("ktstr %s, stdout %s: exit status %d, want %d\n%s", line, name, got, want, &stderr)
			}
			// A closed pipe is silent, because `| head` closes it on purpose.
			if got, want := strings.Contains(stderr.String(), "standard output: write") || strings.Contains(stderr.String(), "=-: write"), f == full; got != want {
				t.Errorf("ktstr %s, stdout %s: stderr %s", line, name, &stderr)
			}
		}
	}
}

// onlyRun returns the directory of the oldest bundle below home.
func onlyRun(t *testing.T, home string) string {
	t.Helper()
	bundles, err := filepath.Glob(filepath.Join(home, "ktstr", "runs", "*-bench-*"))
	if err != nil || len(bundles) == 0 {
		t.Fatal(bundles, err)
	}
	return bundles[0]
}
