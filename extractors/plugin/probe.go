package plugin

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/ktstr/ktstr/internal/sandbox"
)

// Probe says what restrictions a foreign plugin runs under on this machine, by
// putting the running executable itself through its launcher. launcher is as in
// Config, and must name the running executable.
func Probe(ctx context.Context, launcher []string) (sandbox.Report, error) {
	p := &Plugin{config: Config{Name: "probe", Path: os.Args[0], Launcher: launcher}}
	if len(launcher) == 0 {
		return nil, p.fail("start", Refused, nil, errors.New("want a launcher"))
	}
	var err error
	if p.file, err = os.Open("/proc/self/exe"); err != nil {
		return nil, p.fail("start", CannotStart, nil, err)
	}
	defer p.closeProgram()
	// What it executes in the end is a launcher without a policy, which only says so.
	proc, err := p.runOnce(ctx, launcher[len(launcher)-1], nil, nil, nil, 10*time.Second, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if proc == nil || proc.report.Report == nil {
		return nil, err
	}
	return proc.report.Report, nil
}
