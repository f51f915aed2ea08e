package spawn

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStreamsAreCapturedApart(t *testing.T) { // C6
	res := mustRun(t, help("out=hello", "err=world", "exit=7"))
	if got, want := string(res.Stdout.Data), "hello"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got, want := string(res.Stderr.Data), "world"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	if res.ExitCode != 7 || res.Signal != "" || res.Cause != CauseNone { // C9
		t.Errorf("got exit %d, signal %q, cause %q", res.ExitCode, res.Signal, res.Cause)
	}
	if !res.Stdout.Complete || !res.Stderr.Complete || res.Stdout.Truncated {
		t.Errorf("stdout %+v, stderr %+v: want both complete", res.Stdout, res.Stderr)
	}
}

func TestCapture(t *testing.T) { // C6, C7
	for _, tt := range []struct {
		limit     int64
		write     int
		kept      int
		truncated bool
	}{
		{0, 100 << 20, DefaultLimit, true},
		{0, DefaultLimit, DefaultLimit, false},
		{0, DefaultLimit + 1, DefaultLimit, true},
		{10, 11, 10, true},
		{10, 10, 10, false},
		{-1, 100_000, 0, true},
	} {
		c := help("flood="+strconv.Itoa(tt.write), "flooderr="+strconv.Itoa(tt.write))
		c.Limit = tt.limit
		res := mustRun(t, c)
		for _, s := range []Capture{res.Stdout, res.Stderr} {
			if len(s.Data) != tt.kept || s.Bytes != int64(tt.write) || s.Truncated != tt.truncated || !s.Complete {
				t.Errorf("limit %d, %d written: kept %d of %d, truncated %v, complete %v", tt.limit, tt.write, len(s.Data), s.Bytes, s.Truncated, s.Complete)
			}
		}
		if res.ExitCode != 0 {
			t.Errorf("limit %d, %d written: exit %d", tt.limit, tt.write, res.ExitCode)
		}
	}
}

func TestBackgroundCapturesBeforeWait(t *testing.T) { // C6
	p, err := Start(context.Background(), help("flood="+strconv.Itoa(100<<20), "out=end"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done() // the payload got rid of everything although nobody waited
	res, ok, err := p.TryWait()
	if !ok || err != nil || res.Stdout.Bytes != 100<<20+3 || len(res.Stdout.Data) != DefaultLimit {
		t.Fatalf("got %v %v, %d bytes seen, %d kept", ok, err, res.Stdout.Bytes, len(res.Stdout.Data))
	}
}

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
