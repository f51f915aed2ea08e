// Package plugin turns an executable into a ktstr.Extractor: it finds the
// plugin, checks it, starts it, speaks ktstr.plugin.v1 with it, and ends it.
package plugin

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/extractors/table"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
)

// Config says which plugin to start and how. Either Path or Self is set.
type Config struct {
	// Name is the name that the plugin must give itself. Empty: any.
	Name string
	// Version is the version that the plugin must have, for example the one in a
	// lock. Empty: any.
	Version string
	// Path is the plugin's executable, or its table, NAME.ktstr.yaml. A table runs in
	// this process.
	Path string
	// Self are arguments with which the running executable serves the plugin
	// itself, such as {"_plugin", "fio"}: main calls sdk.Serve for them.
	Self []string
	// SHA256 is the wanted hash of Path, in hexadecimal digits. Empty: any.
	SHA256 string
	// Mismatch ends the error for a file with another hash than SHA256, for example
	// "ktstr.lock wants 12ab…: run `ktstr plugin lock`". Empty: a general remedy.
	Mismatch string
	// Interface is the protocol of Path. Empty: the host finds out by trying.
	Interface Interface
	// Launcher are arguments with which the running executable becomes a launcher,
	// such as {"_launch"}: main calls LauncherMain for them. It restricts itself, then
	// executes Path. If the first is an absolute path, that executable is the
	// launcher, such as {"/usr/bin/ktstr", "_launch"}. Nil: Path runs without a
	// sandbox. Self needs none.
	Launcher []string
	// Unsandboxed says that even Self runs without a sandbox.
	Unsandboxed bool
	// StartTimeout limits the time from exec to the handshake line. 0: 10 s.
	StartTimeout time.Duration
	// DescribeTimeout limits the first call after the handshake. 0: 2 s.
	DescribeTimeout time.Duration
	// ExtractTimeout limits one call of Extract. One second for each MiB of the
	// capture is added. 0: 10 s.
	ExtractTimeout time.Duration
	// Chunk is the number of bytes of a capture in one message. The protocol's
	// limit is 256 KiB, which is also the meaning of 0. The answer does not depend
	// on it.
	Chunk int
	// Log receives the log of the host and of go-plugin. The host logs each step
	// of the plugin's life (launch, handshake, describe, freeze, thaw, extract,
	// restart, stop) with its duration at debug level, and each fault at warn
	// level. hclog escapes control characters in the values, for example in a
	// plugin's message. Nil: nothing is logged.
	Log hclog.Logger

	memory uint64 // limit in bytes for tests; 0: the usual one
}

// Restarted is the code of the diagnostic for an extraction that needed a second
// process.
const Restarted ktstr.Code = "plugin-restarted"

// Plugin is a started plugin. It is a ktstr.Extractor, and safe for several
// goroutines.
type Plugin struct {
	config      Config
	description ktstr.Description

	mu          sync.Mutex
	file        *os.File             // the executable or table, nil for Self
	table       *table.Plugin        // nil: an executable
	interpreter *sandbox.Interpreter // of a script in a sandbox
	report      sandbox.Report
	current     *session
	closed      bool
	crashes     int // ended sessions that were replaced

	frozen     int // freezes that were not thawed yet
	extracting int // calls of Extract under way
}

// Start starts the plugin and gets its description. The plugin runs until
// Close. Errors are of type *Error.
func Start(ctx context.Context, c Config) (*Plugin, error) {
	c.StartTimeout = defaulted(c.StartTimeout, 10*time.Second)
	c.DescribeTimeout = defaulted(c.DescribeTimeout, 2*time.Second)
	c.ExtractTimeout = defaulted(c.ExtractTimeout, 10*time.Second)
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	p := &Plugin{config: c}
	began := time.Now()
	err := p.findProgram()
	if err == nil {
		if err = p.begin(ctx); err != nil {
			p.closeProgram()
		}
	}
	p.step("start", began, err, "path", p.config.Path, "interface", p.config.Interface, "sandbox", p.report.String())
	if err != nil {
		return nil, err
	}
	return p, nil
}

// begin finds out the plugin's interface and gets its description.
func (p *Plugin) begin(ctx context.Context) error {
	if p.config.Self == nil && program.IsTable(p.config.Path) {
		return p.readTable()
	}
	var described error // of a script that was asked to describe itself
	if c := &p.config; c.Self == nil && c.Interface == "" && p.isText() {
		// Without arguments a script may do anything, so that `describe` is tried first.
		// A script that speaks gRPC may not know `describe`. Its handshake line tells.
		if described = p.describeByCommand(ctx); described == nil && c.Interface == Script {
			return nil
		}
	} else if c.Interface == Script {
		return p.describeByCommand(ctx)
	}
	s, err := p.open(ctx)
	var e *Error
	if errors.As(err, &e) && e.noHandshake && p.config.Path != "" && p.config.Interface == "" {
		if described != nil {
			// It speaks no gRPC, so that the error of `describe` is the one to fix.
			return described
		}
		if p.describeByCommand(ctx) == nil && p.config.Interface == Script {
			return nil
		}
	}
	if err != nil {
		return err
	}
	p.current, p.description, p.report, p.config.Interface = s, s.description, s.process.report.Report, GRPC
	return nil
}

func (c Config) chunk() int {
	if c.Chunk <= 0 {
		return wire.MaxChunk
	}
	return min(c.Chunk, wire.MaxChunk)
}

func defaulted(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Describe returns the description that the plugin gave when it was started.
func (p *Plugin) Describe() ktstr.Description { return p.description }

// Sandbox lists the restrictions under which the plugin runs. Nil: none.
func (p *Plugin) Sandbox() sandbox.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report
}

// SHA256 returns the hash of the executable, in hexadecimal digits: of the very
// file that was opened and is executed. It is empty for a plugin inside the
// running executable.
func (p *Plugin) SHA256() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.config.SHA256 != "" || p.file == nil {
		return strings.ToLower(p.config.SHA256), nil
	}
	return program.Hash(p.file)
}

// Interface says how the plugin is spoken to.
func (p *Plugin) Interface() Interface { return p.config.Interface }

// session returns the current session, and a new one in the place of dead.
func (p *Plugin) session(ctx context.Context, dead *session) (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, p.fail("extract", Closed, nil, errors.New("want a Plugin that is open"))
	}
	if p.current == dead || p.current.process.ended() {
		if err := p.replace(ctx); err != nil {
			return nil, err
		}
	}
	return p.current, nil
}

// replace puts a new session in the place of one that has ended. p.mu is held.
func (p *Plugin) replace(ctx context.Context) error {
	began, exit := time.Now(), p.current.process.exit()
	p.current.close()
	s, err := p.open(ctx)
	p.step("restart", began, err, "ended", exit)
	if err != nil {
		return err
	}
	p.current, p.report = s, s.process.report.Report
	p.crashes++
	return nil
}

// Close ends the plugin within half a second and removes its files.
func (p *Plugin) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	if p.current != nil {
		began := time.Now()
		p.current.close()
		p.step("stop", began, nil, "exit", p.current.process.state)
	}
	sweepBases()
	p.closeProgram()
	return nil
}

func (p *Plugin) fail(op string, fault Fault, proc *process, err error) *Error {
	e := &Error{Plugin: p.name(), Path: p.config.Path, Op: op, Fault: fault, Err: err}
	if proc != nil {
		e.Exit, e.Stderr = proc.exit(), proc.lastWords()
	}
	return e
}

// name is the plugin's own name, else Config.Name, else empty.
func (p *Plugin) name() string { return cmp.Or(p.description.Name, p.config.Name) }
