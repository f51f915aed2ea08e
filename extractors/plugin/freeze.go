package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn"
)

// Freeze stops the plugin's process group (SIGSTOP) so that it uses no CPU
// while the payload runs. thaw continues it and returns the plugin's usage in
// between: context switches, and as User its user and system time. Freezes of
// several runs may overlap. Then the last thaw continues the plugin, and each
// Extract continues it for the duration of the call.
func (p *Plugin) Freeze() (thaw func() (spawn.Usage, error), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, p.fail("freeze", Closed, nil, errors.New("want a Plugin that is open"))
	}
	if p.current == nil {
		// A script has no process between its calls.
		return func() (spawn.Usage, error) { return spawn.Usage{}, nil }, nil
	}
	defer func(began time.Time) { p.step("freeze", began, err) }(time.Now())
	if p.current.process.ended() {
		// Better found out now than when the payload has run.
		if err := p.replace(context.Background()); err != nil {
			return nil, err
		}
	}
	s := p.current
	p.frozen++
	if p.frozen == 1 && p.extracting == 0 {
		if err := s.process.stop(); err != nil {
			p.frozen--
			s.process.signal(unix.SIGCONT)
			return nil, p.fail("freeze", Hung, nil, err)
		}
	}
	before, err := s.process.usage()
	if err != nil {
		p.thawed()
		return nil, p.fail("freeze", Exited, s.process, err)
	}
	done := false
	return func() (used spawn.Usage, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if done || p.closed {
			return spawn.Usage{}, nil
		}
		done = true
		defer func(began time.Time) {
			p.step("thaw", began, err, "switches", used.Voluntary+used.Involuntary, "cpu", used.User)
		}(time.Now())
		after, err := s.process.usage()
		p.thawed()
		if err != nil {
			return spawn.Usage{}, p.fail("thaw", Exited, s.process, errors.New("it ended while it was frozen"))
		}
		return spawn.Usage{
			User:        after.User - before.User,
			Voluntary:   after.Voluntary - before.Voluntary,
			Involuntary: after.Involuntary - before.Involuntary,
		}, nil
	}, nil
}

// thawed takes one freeze back. p.mu is held.
func (p *Plugin) thawed() {
	if p.frozen--; p.frozen == 0 {
		p.current.process.signal(unix.SIGCONT)
	}
}

// awaken continues the plugin for one call, even if another process stopped it.
// The returned function freezes it again if a freeze is still in force.
func (p *Plugin) awaken() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extracting++
	p.current.process.signal(unix.SIGCONT)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.extracting--; p.extracting == 0 && p.frozen > 0 && !p.closed {
			p.current.process.stop()
		}
	}
}

// stop stops the process and returns when all its threads stand still.
func (p *process) stop() error {
	p.signal(unix.SIGSTOP)
	stopped := make(chan error, 1)
	go func() {
		for {
			// Also returns when the process ends. WNOWAIT leaves the status to reap.
			err := unix.Waitid(unix.P_PID, p.proc.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
			if !errors.Is(err, unix.EINTR) {
				stopped <- err
				return
			}
		}
	}()
	const patience = time.Second
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-stopped:
		return nil
	case <-timeout.C:
		return fmt.Errorf("it did not stop within %v of SIGSTOP", patience)
	}
}

// stopped reports whether a signal has stopped the process.
func (p *process) stopped() bool {
	s, err := linux.ReadStat(p.proc.Pid)
	return err == nil && s.State == 'T'
}

// usage returns the usage of all threads so far. It reads until two readings
// agree, because the last thread of a process reports its stop a moment before
// it leaves its CPU.
func (p *process) usage() (spawn.Usage, error) {
	last, err := p.readUsage()
	for try := 0; err == nil && try < 10; try++ {
		var next spawn.Usage
		if next, err = p.readUsage(); next == last {
			break
		}
		last = next
	}
	return last, err
}

func (p *process) readUsage() (u spawn.Usage, err error) {
	if p.ended() {
		return u, os.ErrProcessDone
	}
	if u.User, err = linux.CPUTime(p.proc.Pid); err != nil {
		return u, err
	}
	u.Voluntary, u.Involuntary, err = linux.ContextSwitches(p.proc.Pid)
	return u, err
}
