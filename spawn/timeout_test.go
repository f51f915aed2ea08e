package spawn

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
)

func TestTimeout(t *testing.T) { // C14
	c := help("out=partial", "err=too", "hang")
	c.Timeout = time.Second
	res := mustRun(t, c)
	if res.Cause != CauseTimeout || res.ExitCode != -1 || string(res.Stdout.Data) != "partial" || string(res.Stderr.Data) != "too" {
		t.Errorf("cause %q, exit %d, stdout %q, stderr %q", res.Cause, res.ExitCode, res.Stdout.Data, res.Stderr.Data)
	}
	if res.Duration < c.Timeout {
		t.Errorf("killed after %v, want not before %v", res.Duration, c.Timeout)
	}
	c = help("exit=3")
	c.Timeout = 1<<63 - 1
	if res := mustRun(t, c); res.ExitCode != 3 || res.Cause != CauseNone {
		t.Errorf("largest timeout: exit %d, cause %q", res.ExitCode, res.Cause)
	}
}

func TestBackgroundTimeout(t *testing.T) { // C14
	c := help("out=partial\n", "daemon=hang", "hang")
	c.Timeout = 300 * time.Millisecond
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	res, err := p.Kill() // too late to be the cause
	if err != nil || res.Cause != CauseTimeout || res.ExitCode != -1 {
		t.Errorf("cause %q, exit %d, %v", res.Cause, res.ExitCode, err)
	}
}

func TestDeadlineSurvivesSignals(t *testing.T) { // C14
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(os.Getpid(), syscall.SIGURG) // the Go runtime handles this signal
				linux.Pause(time.Millisecond)
			}
		}
	}()
	c := help("hang")
	c.Timeout = 500 * time.Millisecond
	res := mustRun(t, c)
	if res.Cause != CauseTimeout || res.Duration < c.Timeout || res.Duration > 20*c.Timeout {
		t.Errorf("cause %q after %v, want timeout after %v", res.Cause, res.Duration, c.Timeout)
	}
	c.Timeout = -1
	if _, err := Run(context.Background(), c); err == nil {
		t.Error("a negative timeout was taken")
	}
}

// The longest duration as grace does not overflow into the past.
func TestLongestGrace(t *testing.T) { // C14
	const longest = 1<<63 - 1
	if got := addSaturated(time.Hour, longest); got != longest {
		t.Errorf("an hour and the longest duration are %v, want %v", got, time.Duration(longest))
	}
	c := help("int=4")
	c.Grace = longest
	p := printed(t, c, 1)
	p.Interrupt()
	if res := finished(t, p); res.ExitCode != 4 || res.Signal != "" {
		t.Errorf("exit %d, signal %q: want 4 and no signal", res.ExitCode, res.Signal)
	}
	// After the interrupt the output is still read.
	acts := []string{"ignore", "out=\n"}
	for range 60 {
		acts = append(acts, "flood=2000", "sleep=5")
	}
	c = help(append(acts, "exit=4")...)
	c.Grace = longest
	p = printed(t, c, 1)
	p.Interrupt()
	if res := finished(t, p); res.ExitCode != 4 || res.Stdout.Bytes != 120_001 {
		t.Errorf("exit %d, %d bytes: want 4 and 120001", res.ExitCode, res.Stdout.Bytes)
	}
	// The end of the run waits for the death of the descendants.
	both(t, func(t *testing.T, set func(Command) Command) {
		for range 10 {
			c := set(help("setsid=hang", "exit=4"))
			c.Grace = longest
			if res := mustRun(t, c); res.ExitCode != 4 || len(res.Killed) != 1 || !res.Stdout.Complete {
				t.Errorf("exit %d, killed %v, complete %v: want 4, one, true", res.ExitCode, res.Killed, res.Stdout.Complete)
			}
		}
	})
	for _, tt := range []struct{ a, b, want time.Duration }{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {5, 7, 5}, {7, 5, 5}} {
		if got := earliest(tt.a, tt.b); got != tt.want {
			t.Errorf("earliest of %d and %d is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
