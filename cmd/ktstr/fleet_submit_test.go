package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/fleettest"
)

// refusing is an engine that places no job.
type refusing struct{ fleettest.Engine }

func (refusing) Submit(context.Context, fleet.Order) ([]fleet.Host, error) {
	return nil, errors.New("invalid partition")
}

// If no host has a job, the reason is printed, and there is nothing to resume. C47
func TestNoHostGetsAJob(t *testing.T) {
	f := newTestFleet(t, "n1")
	a := &app{engine: func(fleetOptions) (fleet.Engine, string, error) { return refusing{f.engine}, "test", nil }}
	got := a.execute(t.Context(), []string{"run", f.bench, "--on", "test"}, strings.NewReader(""), &f.stdout, &f.stderr)
	if got != core.ExitRun {
		t.Errorf("exit status %d, want %d", got, core.ExitRun)
	}
	f.wantOutput("invalid partition")
	if left, _ := filepath.Glob(filepath.Join(f.home, "ktstr", "fleet", "*")); left != nil {
		t.Errorf("%v are left", left)
	}
}
