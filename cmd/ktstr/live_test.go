package main

import (
	"testing"
	"time"
)

// How long a run has gone on and when it would be killed cannot be taken for
// how long it will still take.
func TestLiveLine(t *testing.T) {
	for _, c := range []struct {
		elapsed, timeout time.Duration
		want             string
	}{
		{1200 * time.Millisecond, 90 * time.Second, "noise  running 1s, killed at 1m30s"},
		{61 * time.Second, 0, "noise  running 1m1s"},
		{time.Hour, 90 * time.Second, "noise  running 1h0m0s, killed at 1m30s"},
	} {
		if got := liveLine("noise", c.elapsed, c.timeout); got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.elapsed, c.timeout, got, c.want)
		}
	}
}
