package spawn

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHandleGivesOneResult(t *testing.T) { // C15
	p, err := Start(context.Background(), help("out=x", "hang"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Pid() <= 0 {
		t.Errorf("pid %d while it runs", p.Pid())
	}
	if _, ok, err := p.TryWait(); ok || err != nil {
		t.Errorf("TryWait while it runs: %v, %v", ok, err)
	}
	res, err := p.Kill()
	if err != nil || res.ExitCode != -1 || res.Signal != "SIGKILL" || res.Cause != CauseKill {
		t.Errorf("Kill: exit %d by %q, cause %q, %v", res.ExitCode, res.Signal, res.Cause, err)
	}
	if _, err := p.Wait(); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), p.r.c.Path) {
		t.Errorf("Wait after Kill: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close after Kill: %v", err)
	}
	if p.Pid() != 0 {
		t.Errorf("pid %d after the end", p.Pid())
	}
}

func TestHandleFromManyGoroutines(t *testing.T) { // C15
	for range 50 {
		p, err := Start(context.Background(), help("hang"))
		if err != nil {
			t.Fatal(err)
		}
		var results, errs atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var err error
				ok := true
				switch i % 4 {
				case 0:
					_, err = p.Wait()
				case 1:
					_, err = p.Kill()
				case 2:
					_, ok, err = p.TryWait()
				case 3:
					p.Interrupt()
					ok = false
				}
				switch {
				case errors.Is(err, ErrTaken):
					errs.Add(1)
				case err != nil:
					t.Error(err)
				case ok:
					results.Add(1)
				}
			})
		}
		wg.Wait()
		if results.Load() != 1 {
			t.Fatalf("%d results and %d errors, want one result", results.Load(), errs.Load())
		}
	}
}

func TestClosedAndDroppedHandles(t *testing.T) { // C15
	p := printed(t, help("out=x\n", "daemon=hang", "hang"), 1)
	pid := p.Pid()
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), p.r.c.Path) || !strings.Contains(err.Error(), "lost") {
		t.Errorf("Close: %v, want a word about what is lost", err)
	}
	if alive(pid) {
		t.Error("the leader is alive after Close")
	}

	warned := make(chan string, 1)
	c := help("hang")
	c.Dropped = func(m string) { warned <- m }
	fd := func() int {
		p, err := Start(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(p.Pid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}()
	defer unix.Close(fd)
	runtime.GC()
	runtime.GC()
	select {
	case m := <-warned:
		if !strings.Contains(m, c.Path) || !strings.Contains(m, "lost") {
			t.Errorf("warned %q", m)
		}
	case <-time.After(30 * time.Second):
		t.Error("no warning about the dropped handle after 30 s")
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	wantDead(t, "dropped handle", []int{fd})
}

func TestCancelledContext(t *testing.T) { // C15
	ctx, cancel := context.WithCancel(context.Background())
	c := help("out=some\n", "daemon=hang", "hang")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.TeeStdout = w
	go func() {
		r.Read(make([]byte, 5))
		cancel()
	}()
	res, err := Run(ctx, c)
	w.Close()
	if err != nil || res.Cause != CauseCancel || res.ExitCode != -1 || !strings.HasPrefix(string(res.Stdout.Data), "some\n") {
		t.Errorf("cause %q, exit %d, printed %q, %v", res.Cause, res.ExitCode, res.Stdout.Data, err)
	}
	if _, err := Start(ctx, help()); !errors.Is(err, context.Canceled) {
		t.Errorf("start with an ended context: %v", err)
	}
}
