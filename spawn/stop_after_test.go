package spawn

import (
	"context"
	"strings"
	"testing"
	"time"
)

// A time box interrupts the payload, and kills it after the grace. The Cause says
// that the run was ended on purpose.
func TestStopAfter(t *testing.T) { // C14
	both(t, func(t *testing.T, set func(Command) Command) {
		check := func(what string, res Result, exit int, signal string, cause Cause, printed string) {
			t.Helper()
			if res.ExitCode != exit || res.Signal != signal || res.Cause != cause || string(res.Stdout.Data) != printed {
				t.Errorf("%s: exit %d, signal %q, cause %q, printed %q: want %d, %q, %q, %q",
					what, res.ExitCode, res.Signal, res.Cause, res.Stdout.Data, exit, signal, cause, printed)
			}
		}
		// started runs c, with times that change sets, until it prints before they end.
		started := func(c Command, change func(c *Command, d time.Duration)) (res Result) {
			t.Helper()
			patiently(t, func(d time.Duration) bool {
				change(&c, d)
				res = mustRun(t, set(c))
				return len(res.Stdout.Data) > 0
			})
			return res
		}
		res := started(help("int=3"), func(c *Command, d time.Duration) { c.StopAfter, c.Timeout, c.Grace = d, time.Hour, time.Minute })
		check("it stops", res, 3, "", CauseStop, "ready\nsummary\n")

		stubborn := help("ignore", "out=ready\n", "hang")
		var least time.Duration
		res = started(stubborn, func(c *Command, d time.Duration) { c.StopAfter, c.Grace, least = d, d, 2*d })
		check("it ignores SIGINT", res, -1, "SIGKILL", CauseStop, "ready\n")
		if res.Duration < least {
			t.Errorf("it was killed after %v, want at least %v", res.Duration, least)
		}

		c := set(help("exit=2"))
		c.StopAfter = 1<<63 - 1
		check("it ends before", mustRun(t, c), 2, "", CauseNone, "")

		res = started(stubborn, func(c *Command, d time.Duration) { c.Timeout, c.StopAfter = d, time.Hour })
		check("the timeout comes first", res, -1, "SIGKILL", CauseTimeout, "ready\n")

		res = started(stubborn, func(c *Command, d time.Duration) { c.StopAfter, c.Timeout, c.Grace = d, 2*d, time.Hour })
		check("the timeout comes before the end of the grace", res, -1, "SIGKILL", CauseStop, "ready\n")

		c.StopAfter = -1
		if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "stop after") {
			t.Errorf("a negative time: %v, want an error", err)
		}
	})
}

// Interrupt and Kill before the time box are the cause.
func TestInterruptBeforeStopAfter(t *testing.T) { // C14
	c := help("int=0")
	c.StopAfter = time.Hour
	p := printed(t, c, 1)
	p.Interrupt()
	if res, err := p.Wait(); err != nil || res.Cause != CauseInterrupt {
		t.Errorf("cause %q, %v, want interrupt", res.Cause, err)
	}
}

// A run that waits uses no CPU time: after the last output, and between an interrupt
// and the kill. The share of the wait counts, because a crowded machine takes longer.
func TestWaitingCostsNoCPU(t *testing.T) {
	silent, stubborn := help("out=ready\n", "sleep=400"), help("ignore", "out=ready\n", "hang")
	stubborn.StopAfter, stubborn.Grace = 50*time.Millisecond, 400*time.Millisecond
	for _, c := range []Command{silent, stubborn} {
		res := mustRun(t, c)
		if cpu := res.Harness.User + res.Harness.System; cpu > res.Duration/4 {
			t.Errorf("%v: %v of CPU time in %v", c.Args, cpu, res.Duration)
		}
	}
}

// The grace begins with the interrupt, however long the run has lasted.
func TestGraceAfterALongRun(t *testing.T) { // C9
	c := help("ignore", "out=ready\n", "sleep=500", "out=later\n", "hang")
	c.Grace = 50 * time.Millisecond
	for range 5 { // a crowded machine can hold up this process
		p := printed(t, c, 2)
		ran := time.Since(p.r.start)
		if err := p.Interrupt(); err != nil {
			t.Fatal(err)
		}
		res, err := p.Wait()
		if err != nil || res.Signal != "SIGKILL" {
			t.Fatalf("signal %q, %v, want SIGKILL", res.Signal, err)
		}
		if res.Duration < ran+ran/2 {
			return
		}
	}
	t.Error("five times, the grace of 50 ms lasted for half of the time before it")
}
