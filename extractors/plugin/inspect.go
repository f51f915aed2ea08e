package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

// Answer is the output of one Call.
type Answer struct {
	Stdout []byte
	Stderr []string // its last lines
	Exit   string   // for example "exit status 3", empty for exit status 0
}

// Call executes the plugin's executable with verb, unless that is empty, and more
// arguments, as a person would, but in the plugin's sandbox. The error says that
// it could not be executed, or did not end within limit.
func (p *Plugin) Call(ctx context.Context, limit time.Duration, stdin []byte, verb string, more ...string) (Answer, error) {
	in, err := memoryFile("stdin", bytes.NewReader(stdin))
	if err != nil {
		return Answer{}, p.fail(verb, CannotStart, nil, err)
	}
	defer in.Close()
	var a Answer
	proc, err := p.runOnce(ctx, verb, more, nil, in, limit, func(r io.Reader) (err error) {
		const most = 256 << 20
		a.Stdout, err = io.ReadAll(io.LimitReader(r, most))
		return err
	})
	var e *Error
	if errors.As(err, &e) && e.Fault == Exited {
		a.Exit, err = e.Exit, nil
	}
	if proc != nil {
		a.Stderr = proc.said.lines()
	}
	return a, err
}

// Pid is the process id of the plugin's current process. It is 0 for a script
// plugin, which has no process between its calls.
func (p *Plugin) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.process.proc.Pid
}

// Restarts is how often the plugin's process ended and another one took its
// place.
func (p *Plugin) Restarts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashes
}

// Exit says how the process of a closed plugin ended: "exit status 0" where it
// went by itself when it was asked to, "signal: killed" where it did not. It is
// empty while the plugin is open.
func (p *Plugin) Exit() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || !p.closed {
		return ""
	}
	if s := p.current.process; s.ended() && s.state != nil {
		return s.state.String()
	}
	return ""
}
