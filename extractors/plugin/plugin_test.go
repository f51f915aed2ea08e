package plugin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/sandbox"
)

// TestBothWays gives one capture to a plugin that is its own executable and to
// the same one served by the host's executable.
func TestBothWays(t *testing.T) {
	code := -1
	out := ktstr.Output{
		Stream: "file:a b", Data: []byte("some\x00bytes\xff"), Truncated: true, ExitCode: &code,
		Argv: []string{"fio", "--name=\xff"}, Options: map[string]string{"report": "last"},
	}
	want, err := echo(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{{Name: "echo", Self: []string{"_plugin", "echo"}}, {Path: testkit.Executable(t, "echo")}, {Path: testkit.Executable(t, "echo"), Launcher: []string{"_launch"}}} {
		p := startConfig(t, c)
		t.Logf("sandbox: %v", p.Sandbox())
		got, err := p.Extract(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v:\n got %+v\nwant %+v", c, got, want)
		}
		got, err = p.Extract(context.Background(), ktstr.Output{})
		if err != nil || len(got.Metrics) != 2 || got.Metrics[0].Value != 0 {
			t.Errorf("%+v: empty output: got %+v, %v", c, got, err)
		}
	}
}

func TestBigCapture(t *testing.T) {
	p := start(t, "echo")
	out := ktstr.Output{Stream: ktstr.Stdout, Data: bytes.Repeat([]byte("0123456789abcdef"), 1<<20)}
	got, err := p.Extract(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := echo(out)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// C29: a value that is not finite costs the same as in process: its metric.
func TestNotFiniteAsInProcess(t *testing.T) {
	over := startConfig(t, Config{Name: "moody", Self: []string{"_plugin", "moody"}})
	within := ktstr.Parser{Description: over.Describe(), Parse: moody}
	scripted := startConfig(t, Config{Name: "script", Interface: Script, Launcher: []string{"_launch"},
		Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+`
echo '{"metric": "good", "value": 1}'
case $(cat) in
nan) echo '{"metric": "p99", "value": NaN}' ;;
inf) echo '{"metric": "p99", "value": -1e999}' ;;
esac
`)})
	for _, capture := range []string{"nan", "inf"} {
		streams := []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte(capture)}}
		want := extract.Run(t.Context(), within, streams, nil)
		if want.Status != extract.OK || len(want.Metrics) != 1 || len(want.Diagnostics) != 1 || want.Diagnostics[0].Code != ktstr.NotFinite {
			t.Fatalf("%s in process: %+v", capture, want)
		}
		for _, p := range []*Plugin{over, scripted} {
			got := extract.Run(t.Context(), p, streams, nil)
			if got.Status != want.Status || !reflect.DeepEqual(got.Metrics, want.Metrics) || !reflect.DeepEqual(got.Diagnostics, want.Diagnostics) {
				t.Errorf("%s, plugin %s: got %+v, want %+v", capture, p.Describe().Name, got, want)
			}
		}
	}
}

// C29
func TestExtractFaults(t *testing.T) {
	p := startConfig(t, Config{Name: "moody", Self: []string{"_plugin", "moody"}, ExtractTimeout: 300 * time.Millisecond})
	for _, c := range []struct {
		capture string
		fault   Fault
		texts   []string // in the message
	}{
		{"error", Failed, []string{"plugin moody: extract: failed: the report has no version line: want sysbench 1.0"}},
		{"panic", Panicked, []string{"index of the parser is out of range", "panic: index of"}},
		{"exit", Exited, []string{"exit status 7", "license server unreachable", "to fd 1 of old"}},
		{"hang", Hung, []string{"no answer within 300ms"}},
		{"long", BadAnswer, []string{"1048576 bytes", "want at most 16384"}},
		{"unnamed", BadAnswer, []string{"a metric has no name"}},
		{"polarity", BadAnswer, []string{`"sideways": want higher`}},
	} {
		x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(c.capture)})
		var e *Error
		if !errors.As(err, &e) || e.Fault != c.fault || e.Plugin != "moody" || e.Op != "extract" || len(x.Metrics) != 0 {
			t.Errorf("%s: got %+v, error %#v; want fault %q and no metrics", c.capture, x, err, c.fault)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(e.Error(), text) {
				t.Errorf("%s: error %q does not say %q", c.capture, e, text)
			}
		}
		// The plugin still serves, if need be as a new process.
		x, err = p.Extract(context.Background(), ktstr.Output{Data: []byte("fine")})
		if err != nil || len(x.Metrics) != 1 {
			t.Errorf("after %s: got %+v, %v", c.capture, x, err)
		}
	}
	x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("latin1")})
	if err != nil || x.Metrics[1].Name != "caf\uFFFD" || len(x.Diagnostics) != 1 || x.Diagnostics[0].Code != ktstr.InvalidText {
		t.Errorf("latin1: got %+v, %v", x, err)
	}
}

// C29
func TestStartFaults(t *testing.T) {
	testkit.LeavesNothing(t)
	for _, c := range []struct {
		config Config
		fault  Fault
		texts  []string
	}{
		{Config{Name: "no-start", Self: []string{"_plugin", "no-start"}}, CannotStart, []string{"plugin no-start: cannot start: it ended without a handshake line on its standard output (exit status 3)", "libwanted.so.1 is not there"}},
		{Config{Path: "/nonexistent/ktstr-plugin-x"}, CannotStart, []string{"/nonexistent/ktstr-plugin-x", "no such file"}},
		{Config{Path: "/dev"}, Refused, []string{"/dev", "is a directory"}},
		{Config{Self: []string{"_plugin", "silent"}, StartTimeout: 200 * time.Millisecond}, CannotStart, []string{"no handshake line", "within 200ms"}},
		{Config{Name: "fio", Self: []string{"_plugin", "echo"}}, BadAnswer, []string{`calls itself "echo": want "fio"`}},
		{Config{}, Refused, []string{"want either a Path or Self"}},
	} {
		p, err := Start(context.Background(), c.config)
		var e *Error
		if p != nil || !errors.As(err, &e) || e.Fault != c.fault {
			t.Errorf("%+v: got %v, %v; want fault %q", c.config, p, err, c.fault)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(e.Error(), text) {
				t.Errorf("%+v: error %q does not say %q", c.config, e, text)
			}
		}
	}
}

func TestStartCancelled(t *testing.T) {
	testkit.LeavesNothing(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Config{Self: []string{"_plugin", "silent"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Start(gone, Config{Self: []string{"_plugin", "echo"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestExtractCancelled(t *testing.T) {
	p := start(t, "moody")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Extract(ctx, ktstr.Output{Data: []byte("hang")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestClose(t *testing.T) {
	p := start(t, "echo")
	begin := time.Now()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed in %v", time.Since(begin))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := p.Extract(context.Background(), ktstr.Output{}); !errors.As(err, &e) || e.Fault != Closed {
		t.Errorf("got %v, want fault %q", err, Closed)
	}
}

func TestFreeze(t *testing.T) {
	p := start(t, "busy")
	ask := func() {
		t.Helper()
		if x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("x")}); err != nil || len(x.Metrics) != 2 {
			t.Fatalf("got %+v, %v", x, err)
		}
	}
	ask()
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	// The window is as long as it takes the busy plugin to show up in a reading of
	// a process that is not stopped: this one.
	awaitSwitches(t, 50)
	used, err := thaw()
	if err != nil {
		t.Fatal(err)
	}
	if used.Voluntary != 0 || used.Involuntary != 0 || used.User != 0 {
		t.Errorf("a frozen plugin used %+v, want nothing", used)
	}
	ask()

	// Two runs at once: a call in the middle is served, and the plugin rests again.
	thaw1, err1 := p.Freeze()
	thaw2, err2 := p.Freeze()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	ask()
	if got := state(t, p.current.process.proc.Pid); got != "T" {
		t.Errorf("after a call while frozen: state %s, want T", got)
	}
	thaw1()
	if got := state(t, p.current.process.proc.Pid); got != "T" {
		t.Errorf("after the first of two thaws: state %s, want T", got)
	}
	if used, err := thaw2(); err != nil || used.Voluntary == 0 {
		t.Errorf("a freeze with a call in it: got %+v, %v; want the call's context switches", used, err)
	}
	thaw2()
	ask()

	// Closed while frozen.
	if _, err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// awaitSwitches returns when the test's own process was switched n times.
func awaitSwitches(t *testing.T, n int64) {
	t.Helper()
	self := process{proc: &os.Process{Pid: os.Getpid()}, exited: make(chan struct{})}
	first, err := self.readUsage()
	for u := first; err == nil && u.Voluntary+u.Involuntary < first.Voluntary+first.Involuntary+n; u, err = self.readUsage() {
		<-time.After(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, pid int) string {
	t.Helper()
	s, err := linux.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return string(s.State)
}

func TestProbe(t *testing.T) {
	testkit.LeavesNothing(t)
	r, err := Probe(context.Background(), []string{"_launch"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{sandbox.Limits, sandbox.Privileges, sandbox.Syscalls} {
		if !r.Enforced(name) {
			t.Errorf("%s is not enforced: %v", name, r)
		}
	}
}
