package spawn

import (
	"testing"
	"time"
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
