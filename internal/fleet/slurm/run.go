package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/text"
)

const (
	// runTime is how long a command of Slurm may take. While slurmctld is down, squeue takes 9 seconds to say so.
	runTime = time.Minute
	// maxPrinted limits the output of a command of Slurm, in bytes. A line of squeue for one job has about 100.
	maxPrinted = 4 << 20
	maxErrors  = 64 << 10
)

// run runs a command of Slurm and returns its standard output.
func run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C at our terminal is for us
	c.Env = environment()
	c.Stdin = strings.NewReader(stdin)
	stdout, stderr := &limited{max: maxPrinted}, &limited{max: maxErrors}
	c.Stdout, c.Stderr = stdout, stderr
	c.WaitDelay = time.Second
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is not on PATH: install the client commands of Slurm (Debian: slurm-client), or run ktstr on a login node", name)
	case ctx.Err() == context.DeadlineExceeded:
		return "", fmt.Errorf("%s gave no answer within %v", name, runTime)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case stdout.over || stderr.over:
		return "", fmt.Errorf("%s printed more than %d MiB, or %d KiB of errors", name, maxPrinted>>20, maxErrors>>10)
	case err != nil:
		return "", fmt.Errorf("%s: %s", name, said(name, stderr.b.String(), err))
	}
	return stdout.b.String(), nil
}

// said returns the reason that a command of Slurm printed, on one line.
func said(name, stderr string, err error) string {
	var lines []string
	for line := range strings.Lines(stderr) {
		if line = strings.TrimPrefix(strings.TrimSpace(line), name+": "); line != "" {
			lines = append(lines, text.Line(strings.TrimPrefix(line, "error: ")))
		}
	}
	if len(lines) == 0 {
		return err.Error()
	}
	return strings.Join(lines[max(0, len(lines)-3):], ". ")
}

// environment returns our environment without the variables that the commands of Slurm take for options. They are set, for
// example, if ktstr itself runs in a job.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT":
			return false
		}
		for _, prefix := range []string{"SLURM_", "SLURMD_", "SQUEUE_", "SINFO_", "SCANCEL_", "SCONTROL_", "SRUN_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, "LC_ALL=C")
}

// user returns the user id, for commands that look at the jobs of one user.
func user() string { return strconv.Itoa(os.Geteuid()) }

// printable returns the beginning of what a command of Slurm printed, for an error.
func printable(s string) string { return text.Line(strings.TrimSpace(s[:min(len(s), 200)])) }

// limited keeps the first max bytes that are written to it. The next byte is an error, which ends the command.
type limited struct {
	b    bytes.Buffer // not embedded: io.Copy would call its ReadFrom, which has no limit
	max  int
	over bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.b.Len()+len(b) > l.max {
		l.over = true
		return 0, errors.New("too much output")
	}
	return l.b.Write(b)
}
