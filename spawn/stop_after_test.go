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
		check := func(what string, c Command, exit int, signal string, cause Cause, printed string) {
			t.Helper()
			res := mustRun(t, c)
			if res.ExitCode != exit || res.Signal != signal || res.Cause != cause || string(res.Stdout.Data) != printed {
				t.Errorf("%s: exit %d, signal %q, cause %q, printed %q: want %d, %q, %q, %q",
					what, res.ExitCode, res.Signal, res.Cause, res.Stdout.Data, exit, signal, cause, printed)
			}
		}
		c := set(help("int=3"))
		c.StopAfter, c.Timeout = 2*time.Second, time.Hour
		check("it stops", c, 3, "", CauseStop, "ready\nsummary\n")

		c = set(help("ignore", "hang"))
		c.StopAfter, c.Grace = 200*time.Millisecond, 200*time.Millisecond
		start := time.Now()
		check("it ignores SIGINT", c, -1, "SIGKILL", CauseStop, "")
		if d := time.Since(start); d < c.StopAfter+c.Grace {
			t.Errorf("it was killed after %v, want at least %v", d, c.StopAfter+c.Grace)
		}

		c = set(help("exit=2"))
		c.StopAfter = 1<<63 - 1
		check("it ends before", c, 2, "", CauseNone, "")

		c = set(help("ignore", "hang"))
		c.Timeout, c.StopAfter = 200*time.Millisecond, time.Hour
		check("the timeout comes first", c, -1, "SIGKILL", CauseTimeout, "")

		c = set(help("ignore", "hang"))
		c.StopAfter, c.Timeout, c.Grace = 200*time.Millisecond, 400*time.Millisecond, time.Hour
		check("the timeout comes before the end of the grace", c, -1, "SIGKILL", CauseStop, "")

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
