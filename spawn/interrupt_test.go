package spawn

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

func TestInterrupt(t *testing.T) { // C9
	both(t, func(t *testing.T, set func(Command) Command) {
		// The payload ends by itself.
		p := printed(t, set(help("int=0")), 1)
		if err := p.Interrupt(); err != nil {
			t.Fatal(err)
		}
		res, err := p.Wait()
		if err != nil || res.Cause != CauseInterrupt || res.ExitCode != 0 || string(res.Stdout.Data) != "ready\nsummary\n" {
			t.Errorf("cause %q, exit %d, printed %q, %v", res.Cause, res.ExitCode, res.Stdout.Data, err)
		}
		// The payload ignores the signal, so it is killed after the grace.
		c := set(help("ignore", "out=ready\n", "hang"))
		c.Grace = 200 * time.Millisecond
		p = printed(t, c, 1)
		start := time.Now()
		p.Interrupt()
		res, err = p.Wait()
		if d := time.Since(start); err != nil || res.Cause != CauseInterrupt || res.Signal != "SIGKILL" || d < c.Grace {
			t.Errorf("stubborn: cause %q, signal %q, after %v, %v", res.Cause, res.Signal, d, err)
		}
		// A second interrupt does not wait for the grace.
		c.Grace = time.Hour
		p = printed(t, c, 1)
		p.Interrupt()
		p.Interrupt()
		res, err = p.Wait()
		if err != nil || res.Cause != CauseInterrupt || res.Signal != "SIGKILL" {
			t.Errorf("twice: cause %q, signal %q, %v", res.Cause, res.Signal, err)
		}
		if err := p.Interrupt(); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A SIGINT to the process group of the host, as the terminal sends it at Ctrl-C, does
// not kill a payload that was just forked and has no group of its own yet. The host
// alone decides whether the run ends.
func TestCtrlCDuringTheStart(t *testing.T) { // C9, C10
	both(t, func(t *testing.T, set func(Command) Command) {
		c := set(help(fmt.Sprintf("ctrl-c=%d", soak(150, 3000))))
		if res := mustRun(t, c); string(res.Stdout.Data) != "0\n" {
			t.Errorf("%s runs were killed or refused, want 0; stderr %q", res.Stdout.Data, res.Stderr.Data)
		}
	})
	needsCgroup(t)
	// The kernel cannot place a child at its birth, so it is placed while it is traced.
	c := help("no-clone-into", fmt.Sprintf("ctrl-c=%d", soak(150, 3000)))
	c.NoCgroup = true // so that the helper can make cgroups next to itself
	if res := mustRun(t, c); string(res.Stdout.Data) != "0\n" {
		t.Errorf("traced: %s runs were killed or refused, want 0; stderr %q", res.Stdout.Data, res.Stderr.Data)
	}
}

// runsUnderSIGINT runs payloads while SIGINT comes to the process group of this
// process, and returns how many did not exit by themselves. Each run gets fewer
// signals than a child can be made again, so that also a crowded machine, where each
// signal can meet a child at its birth, has no bad run.
func runsUnderSIGINT(n int) (bad int) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT)
	stop := make(chan struct{})
	var left atomic.Int64 // signals for this run
	var storm sync.WaitGroup
	storm.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if left.Add(-1) >= 0 {
					unix.Kill(0, unix.SIGINT)
				}
				linux.Pause(200 * time.Microsecond)
			}
		}
	})
	for i := range n {
		left.Store(maxBirths - 1)
		c := Command{Path: "/bin/true", NoCgroup: i%2 == 0}
		if noCloneInto.Load() {
			c = Command{Path: "/bin/true", Cgroup: fmt.Sprintf("spawntest-%d", os.Getpid())}
		}
		if res, err := Run(context.Background(), c); err != nil || res.ExitCode != 0 {
			fmt.Fprintln(os.Stderr, res.ExitCode, res.Signal, err)
			bad++
		}
	}
	close(stop)
	storm.Wait()
	return bad
}
