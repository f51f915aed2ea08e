package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/sandbox/access"
)

// Probed is the result of a Probe.
type Probed struct {
	Report   sandbox.Report  // the measures that the kernel granted
	Accesses []access.Result // one attempt for each kind of access, made in the sandbox
}

// Holes returns the names of the accesses that succeeded although a granted
// measure should refuse them, for example "connect-tcp". None is expected.
func (p Probed) Holes() []string { return access.Unexpected(p.Accesses, p.Report) }

// accessVerb makes a launcher without a policy try the accesses.
const accessVerb = "access"

// Probe reports the restrictions under which plugins run on this machine. It
// starts the running executable through its own launcher, and tries each kind of
// access in there. launcher is as in Config and must name the running executable.
func Probe(ctx context.Context, launcher []string) (Probed, error) {
	p := &Plugin{config: Config{Name: "probe", Path: os.Args[0], Launcher: launcher, Log: hclog.NewNullLogger()}}
	if len(launcher) == 0 {
		return Probed{}, p.fail("start", Refused, nil, errors.New("want a launcher"))
	}
	targets, stop, err := access.OpenTargets("/tmp", os.Getpid())
	if err != nil {
		return Probed{}, p.fail("start", CannotStart, nil, err)
	}
	defer stop()
	arg, err := json.Marshal(targets)
	if err != nil {
		return Probed{}, p.fail("start", CannotStart, nil, err)
	}
	if p.file, err = os.Open("/proc/self/exe"); err != nil {
		return Probed{}, p.fail("start", CannotStart, nil, err)
	}
	defer p.closeProgram()
	var probed Probed
	// The launcher executes a second launcher, which has no policy and tries the
	// accesses.
	proc, err := p.runOnce(ctx, launcher[len(launcher)-1], []string{accessVerb, string(arg)}, nil, nil, 30*time.Second, func(r io.Reader) error {
		if err := json.NewDecoder(r).Decode(&probed.Accesses); err != nil {
			return fmt.Errorf("the attempts in the sandbox ended early: %w", err)
		}
		return nil
	})
	if proc != nil {
		probed.Report = proc.report.Report
	}
	return probed, err
}

// tryAccesses tries each access and prints the results.
func tryAccesses(arg string) int {
	var targets access.Targets
	if err := json.Unmarshal([]byte(arg), &targets); err != nil {
		fmt.Fprintf(os.Stderr, "ktstr: %v\n", err)
		return 2
	}
	signal.Ignore(syscall.SIGXFSZ) // a write beyond the limit returns an error
	var results []access.Result
	for _, a := range access.All() {
		results = append(results, access.Try(a.Name, targets))
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		return 1
	}
	return 0
}
