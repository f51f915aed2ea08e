package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// ended waits for the end of an interrupted run and returns its record.
func ended(t *testing.T, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) core.Record {
	t.Helper()
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != core.ExitInterrupted {
		t.Errorf("exit status %d, want %d\n%s", got, core.ExitInterrupted, stderr)
	}
	var r core.Record
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if _, err := os.Stat(filepath.Join(r.Bundle, "record.json")); err != nil {
		t.Errorf("no bundle: %v", err)
	}
	if !r.Interrupted || r.Verdict != core.Fail {
		t.Errorf("interrupted %v, verdict %s", r.Interrupted, r.Verdict)
	}
	return r
}

// Ctrl-C asks the payload to stop. The output that the payload prints at its end is extracted.
func TestInterruptLetsThePayloadReport(t *testing.T) {
	cmd, _, stdout, stderr := started(t, `trap 'echo "{\"iops\": 5}"; exit 9' INT; echo > "$READY"; while :; do sleep 0.01; done`)
	cmd.Process.Signal(syscall.SIGINT)
	r := ended(t, cmd, stdout, stderr)
	if m, ok := r.Metric("iops"); !ok || m.Value != 5 || r.ExitCode != 9 {
		t.Errorf("metrics %+v, exit code %d; want what it printed at the end, and 9", r.Metrics, r.ExitCode)
	}
	if !strings.Contains(stderr.String(), "A second signal kills it") {
		t.Errorf("stderr %q: want what a second Ctrl-C does", stderr)
	}
}

// Each of the signals with which a user or the system stops a program ends a run in an orderly way.
func TestStoppingSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		cmd, _, stdout, stderr := started(t, `echo '{"iops": 5}'; echo > "$READY"; exec sleep 1000`)
		cmd.Process.Signal(s)
		r := ended(t, cmd, stdout, stderr)
		if m, ok := r.Metric("iops"); !ok || m.Value != 5 {
			t.Errorf("%v: metrics %+v; want what it had printed", s, r.Metrics)
		}
	}
}

// A payload that does not stop is killed after --grace.
func TestInterruptKillsAfterGrace(t *testing.T) {
	cmd, _, stdout, stderr := started(t, `trap '' INT; echo '{"iops": 5}'; echo > "$READY"; while :; do sleep 0.01; done`, "--grace", "100ms")
	cmd.Process.Signal(syscall.SIGTERM)
	r := ended(t, cmd, stdout, stderr)
	if m, ok := r.Metric("iops"); !ok || m.Value != 5 || r.ExitCode != -1 {
		t.Errorf("metrics %+v, exit code %d; want what it had printed, and -1", r.Metrics, r.ExitCode)
	}
}

// A second Ctrl-C kills at once. The grace is longer than the limit of the test.
func TestSecondInterruptKills(t *testing.T) {
	cmd, ready, stdout, stderr := started(t, `trap 'echo > "$READY"' INT; echo > "$READY"; while :; do sleep 0.01; done`, "--grace", "10h")
	cmd.Process.Signal(syscall.SIGINT)
	ready.line(t) // the payload has received the first SIGINT
	cmd.Process.Signal(syscall.SIGINT)
	ended(t, cmd, stdout, stderr)
	text := stderr.String()
	if first, second := "interrupt: asked bench to stop. It is killed after 10h0m0s. A second signal kills it at once\n", "interrupt: killed bench\n"; strings.Count(text, first) != 1 || strings.Count(text, second) != 1 {
		t.Errorf("stderr %q: want %q, then %q, each once", text, first, second)
	}
}

// hangingPlugin returns the path of a plugin that does not answer when it is started.
func hangingPlugin(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ktstr-plugin-hang")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// Ctrl-C while a plugin starts is a request to stop, and not an error of the plugin.
func TestInterruptWhileAPluginStarts(t *testing.T) {
	for _, args := range [][]string{
		{"run", "/bin/true", "--extractor", "hang"},
		{"run", "/bin/true", "--extractor", "hang", "-o", "json"},
	} {
		cmd := newCommand(t, append(args, "--plugin", "hang="+hangingPlugin(t), "--out", t.TempDir())...)
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		stderr, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(stderr)
		first, _ := lines.ReadString('\n')
		if !strings.Contains(first, "is not in a ktstr.lock") {
			t.Errorf("%q: it began with %q", args, first)
		}
		cmd.Process.Signal(syscall.SIGINT)
		rest, _ := io.ReadAll(lines)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != core.ExitInterrupted || !strings.Contains(string(rest), "interrupt: nothing was started") {
			t.Errorf("%q: exit status %d, want %d\n%s", args, got, core.ExitInterrupted, rest)
		}
		if got, want := strings.Contains(stdout.String(), `"verdict": "fail"`), slices.Contains(args, "json"); got != want {
			t.Errorf("%q: stdout %q", args, &stdout)
		}
	}
}

// Ctrl-C while ktstr asks a program for its version ends ktstr, the program, and all that the program started.
func TestInterruptWhileAProgramIsAsked(t *testing.T) {
	for _, args := range [][]string{{"run", "slow"}, {"run", "slow", "--repeat", "3"}, {"doctor"}} {
		dir := t.TempDir()
		ready, tool := newNamedPipe(t), filepath.Join(dir, "tool")
		for path, text := range map[string]string{
			tool:                            "#!/bin/sh\nexec 9> " + ready.path + "; setsid sleep 1000 & echo >&9; sleep 1000\n",
			filepath.Join(dir, "slow.yaml"): "summary: x\nbinary: " + tool + "\nneeds: [{binary: " + tool + "}]\n",
		} {
			if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if args[0] == "run" {
			args = append(args, "--out", dir)
		}
		cmd := newCommand(t, append(args, "--payload-dir", dir)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ready.line(t)
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
		want := "ktstr: interrupt: nothing was started\n"
		if args[0] == "doctor" {
			want = "ktstr: interrupt: doctor was stopped\n"
		}
		if got := cmd.ProcessState.ExitCode(); got != core.ExitInterrupted || stderr.String() != want {
			t.Errorf("%q: exit status %d, want %d\n%s", args, got, core.ExitInterrupted, &stderr)
		}
		ready.rest(t)
	}
}

// The end of the command's context also ends the start of a plugin that is asked for its payloads.
func TestCancelWhileAPluginIsAskedForAPayload(t *testing.T) {
	a := &app{stderr: new(bytes.Buffer), plugins: []string{"hang=" + hangingPlugin(t)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.catalog(true).Payload(ctx, "hang-payload"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want it canceled", err)
	}
}

// An export to a pipe without a reader is an error. It does not wait for a reader.
func TestExportToAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard}
	source := export.Source{Runs: []runs.Run{{Record: core.Record{Payload: strings.Repeat("x", 1<<20)}}}}
	if err := a.writeExport("json", path, source); err == nil || !strings.Contains(err.Error(), "without a reader") {
		t.Errorf("without a reader: got %v", err)
	}
	pipe := newNamedPipe(t)
	read := make(chan int)
	go func() {
		text, _ := io.ReadAll(pipe.read)
		read <- len(text)
	}()
	err := a.writeExport("json", pipe.path, source)
	pipe.write.Close()
	if n := <-read; err != nil || n < 1<<20 {
		t.Errorf("with a reader: it read %d bytes, %v", n, err)
	}
}
