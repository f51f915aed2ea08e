package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/spawn"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a call is told whose plugin the host itself ended has no empty places.
func TestEndedByHost(t *testing.T) {
	t.Parallel()
	p := startConfig(t, bare(self("trouble")))
	p.current.process.kill()
	<-p.current.process.exited
	if err := p.current.callError(context.Background(), "extract", time.Second, status.Error(codes.Unavailable, "EOF")); err.Fault != Exited ||
		err.Error() != "plugin trouble: extract: exited: the host ended it" {
		t.Errorf("got %v", err)
	}
	if got := endedDiagnostic(&Error{Plugin: "p"}).Message; got != "plugin p ended while it read this, and was started once more" {
		t.Errorf("got %q", got)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	ask := func(p *Plugin, what string) (ktstr.Extraction, error) {
		return p.Extract(context.Background(), ktstr.Output{Data: []byte(what)})
	}
	// Without a sandbox, because a plugin in one can remember nothing.
	p := startConfig(t, bare(self("trouble")))
	x, err := ask(p, "crash-once "+filepath.Join(t.TempDir(), "crashed"))
	if err != nil || len(x.Metrics) != 1 || p.Restarts() != 1 || len(x.Diagnostics) != 1 || x.Diagnostics[0].Code != Restarted ||
		!strings.Contains(x.Diagnostics[0].Message, "plugin trouble ended while it read this (signal: killed)") {
		t.Errorf("crash once: got %+v, %v, %d restarts; want the metric and one restart", x, err, p.Restarts())
	}
	_, err = ask(p, "crash")
	var e *Error
	if !errors.As(err, &e) || e.Fault != Exited || e.Exit != "exit status 2" || p.Restarts() != 2 ||
		!slices.Contains(e.Stderr, "panic: in a goroutine of its own") {
		t.Errorf("crash: got %v, %d restarts; want exit status 2, its panic, and one more restart", err, p.Restarts())
	}
	// Killed by somebody while it has nothing to do, or while it is frozen.
	unix.Kill(p.Pid(), unix.SIGKILL)
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after a kill: got %+v, %v", x, err)
	}
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	unix.Kill(p.Pid(), unix.SIGKILL)
	<-p.current.process.exited
	if _, err := thaw(); err == nil || !strings.Contains(err.Error(), "ended while it was frozen") {
		t.Errorf("thaw: got %v", err)
	}
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after a kill while frozen: got %+v, %v", x, err)
	}
	unix.Kill(p.Pid(), unix.SIGKILL)
	<-p.current.process.exited
	if thaw, err = p.Freeze(); err != nil {
		t.Fatalf("freeze after a kill: %v", err)
	}
	if used, err := thaw(); err != nil || used != (spawn.Usage{}) {
		t.Errorf("freeze after a kill: used %+v, %v", used, err)
	}
	// Eight calls, of which one kills the process.
	errs := make(chan error, 8)
	for i := range 8 {
		go func() {
			what := "fine"
			if i == 3 {
				what = "crash"
			}
			_, err := ask(p, what)
			if i == 3 && err != nil {
				err = nil
			}
			errs <- err
		}()
	}
	failed := 0
	for range 8 {
		if err := <-errs; err != nil {
			failed++
			if !errors.As(err, &e) || e.Fault != Exited {
				t.Errorf("beside a crash: got %v", err)
			}
		}
	}
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after crashes: got %+v, %v", x, err)
	}
}

// What was hashed is what is executed, also when it is started again.
func TestSameDescriptor(t *testing.T) {
	t.Parallel()
	for _, launcher := range [][]string{nil, {"_launch"}} {
		path := testkit.Executable(t, "trouble")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := program.Hash(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		p := startConfig(t, Config{Name: "trouble", Path: path, SHA256: hash, Launcher: launcher})
		swapped := testkit.Script(t, "#!/bin/sh\nexit 99\n")
		if err := os.Rename(swapped, path); err != nil {
			t.Fatal(err)
		}
		unix.Kill(p.Pid(), unix.SIGKILL)
		if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
			t.Errorf("launcher %q: after a swap of the file: got %+v, %v", launcher, x, err)
		}
		if got, err := p.SHA256(); err != nil || got != hash {
			t.Errorf("got hash %s, %v", got, err)
		}
	}
}

func TestStopsItself(t *testing.T) {
	t.Parallel()
	c := bare(self("trouble"))
	c.ExtractTimeout = 300 * time.Millisecond
	p := startConfig(t, c)
	_, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("stop")})
	var e *Error
	if !errors.As(err, &e) || e.Fault != Hung || !strings.Contains(e.Error(), "it is stopped") {
		t.Errorf("got %v; want it said that it is stopped", err)
	}
	// In between calls it is continued.
	p.config.ExtractTimeout = time.Minute
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Fatal(err)
	}
	unix.Kill(p.Pid(), unix.SIGSTOP)
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Errorf("after a stop between calls: %v", err)
	}
}
