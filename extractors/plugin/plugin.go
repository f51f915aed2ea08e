// Package plugin turns an executable into a ktstr.Extractor: it finds the
// plugin, checks it, starts it, speaks ktstr.plugin.v1 with it, and ends it.
package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
)

// Config says which plugin to start and how. Either Path or Self is set.
type Config struct {
	// Name is the name that the plugin must give itself; empty: any.
	Name string
	// Path is the plugin's executable.
	Path string
	// Self are arguments with which the running executable serves the plugin
	// itself, such as {"_plugin", "fio"}: main calls sdk.Serve for them.
	Self []string
	// SHA256 is the wanted hash of Path, in hexadecimal digits; empty: any.
	SHA256 string
	// Mismatch ends the error for a file with another hash than SHA256, for example
	// "ktstr.lock wants 12ab…: run `ktstr plugin lock`"; empty: a general remedy.
	Mismatch string
	// Interface says how to speak to Path; empty: found out by trying.
	Interface Interface
	// Launcher are arguments with which the running executable becomes a launcher,
	// such as {"_launch"}: main calls LauncherMain for them. It restricts itself, then
	// executes Path. If the first is an absolute path, that executable is the
	// launcher, such as {"/usr/bin/ktstr", "_launch"}. Nil: Path runs without a
	// sandbox. Self needs none.
	Launcher []string
	// Unsandboxed says that even Self runs without a sandbox.
	Unsandboxed bool
	// StartTimeout is for the time from exec to the handshake line; 0: 10 s.
	StartTimeout time.Duration
	// DescribeTimeout is for the first call after the handshake; 0: 2 s.
	DescribeTimeout time.Duration
	// ExtractTimeout is for one call of Extract, beside one second for each MiB of
	// the capture; 0: 10 s.
	ExtractTimeout time.Duration
	// Chunk is how many bytes of a capture go into one message; 0, and whatever is
	// above the protocol's 256 KiB: 256 KiB. The answer does not depend on it.
	Chunk int
	// Logger gets what operators may want to know; nil: nothing is logged.
	Logger hclog.Logger
}

// Restarted is the code of the diagnostic for an extraction that needed a second
// process.
const Restarted ktstr.Code = "plugin-restarted"

// Plugin is a started plugin. It is a ktstr.Extractor, and safe for several
// goroutines.
type Plugin struct {
	config      Config
	description ktstr.Description

	mu      sync.Mutex
	file    *os.File // the executable; nil for Self
	report  sandbox.Report
	current *session
	closed  bool
	crashes int // ended sessions that were replaced

	frozen     int // freezes that were not thawed yet
	extracting int // calls of Extract under way
}

// Start starts the plugin and asks it what it is. The plugin runs until Close.
// Errors are of type *Error.
func Start(ctx context.Context, c Config) (*Plugin, error) {
	c.StartTimeout = defaulted(c.StartTimeout, 10*time.Second)
	c.DescribeTimeout = defaulted(c.DescribeTimeout, 2*time.Second)
	c.ExtractTimeout = defaulted(c.ExtractTimeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	p := &Plugin{config: c}
	if err := p.findProgram(); err != nil {
		return nil, err
	}
	if err := p.begin(ctx); err != nil {
		p.closeProgram()
		return nil, err
	}
	return p, nil
}

// begin finds out how to speak to the plugin, and what it is.
func (p *Plugin) begin(ctx context.Context) error {
	var described error // of a script that was asked to describe itself
	if c := &p.config; c.Self == nil && c.Interface == "" && p.isText() {
		// Most scripts would do strange things without arguments. One that speaks gRPC
		// may not know `describe`; then its handshake line tells.
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
			// It speaks no gRPC, so what it said to `describe` is what has to be put right.
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

// Describe returns what the plugin said of itself when it was started.
func (p *Plugin) Describe() ktstr.Description { return p.description }

// Sandbox says what restrictions the plugin runs under; nil: none.
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

// Extract gives out to the plugin. If the plugin's process ends meanwhile, it is
// started once more and asked again. Errors are of type *Error.
func (p *Plugin) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	if p.config.Interface == Script {
		return p.extractByCommand(ctx, out)
	}
	s, err := p.session(ctx, nil)
	if err != nil {
		return ktstr.Extraction{}, err
	}
	rest := p.awaken()
	defer rest()
	x, err := s.extract(ctx, out)
	var e *Error
	if errors.As(err, &e) && e.Fault == Exited && ctx.Err() == nil {
		p.config.Logger.Warn("plugin ended during extract; starting it again", "plugin", e.Plugin, "exit", e.Exit)
		if s, err = p.session(ctx, s); err != nil {
			return ktstr.Extraction{}, err
		}
		x, err = s.extract(ctx, out)
		x.Diagnostics = append(x.Diagnostics, endedDiagnostic(e))
	}
	return x, err
}

// endedDiagnostic says that a plugin ended as e says, and that another process
// took its place.
func endedDiagnostic(e *Error) ktstr.Diagnostic {
	how := ""
	if e.Exit != "" {
		how = " (" + e.Exit + ")"
	}
	return ktstr.Diagnostic{Code: Restarted, Message: fmt.Sprintf("plugin %s ended while it read this%s, and was started once more", e.Plugin, how)}
}

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
	p.current.close()
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	p.current, p.report = s, s.process.report.Report
	p.crashes++
	return nil
}

// Close ends the plugin within half a second and removes what it left.
func (p *Plugin) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		if p.current != nil {
			p.current.close()
		}
		sweepBases()
		p.closeProgram()
	}
	return nil
}

func (p *Plugin) fail(op string, fault Fault, proc *process, err error) *Error {
	e := &Error{Plugin: p.name(), Path: p.config.Path, Op: op, Fault: fault, Err: err}
	if proc != nil {
		e.Exit, e.Stderr = proc.exit(), proc.lastWords()
	}
	return e
}

// name is what it calls itself, else what the caller does; empty: nobody says.
func (p *Plugin) name() string { return cmp.Or(p.description.Name, p.config.Name) }

// session is one life of the plugin's process and the connection to it.
type session struct {
	plugin      *Plugin
	process     *process
	client      *goplugin.Client
	stub        wire.ExtractorClient
	description ktstr.Description
	late        atomic.Bool           // there was no answer in time after the handshake
	refused     atomic.Pointer[error] // why the connection was not made
}

// extractorPlugin tells go-plugin how to get at our service.
type extractorPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (extractorPlugin) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host serves nothing")
}

func (extractorPlugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return wire.NewExtractorClient(conn), nil
}

// open starts a process and gets its description.
func (p *Plugin) open(ctx context.Context) (_ *session, err error) {
	cmd := p.command()
	base, err := makeBase()
	if err != nil {
		return nil, p.fail("start", CannotStart, nil, err)
	}
	proc := &process{command: cmd, base: base}
	if cmd.sandbox {
		proc.uid = privateUser()
	}
	s := &session{plugin: p, process: proc}
	s.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{ProtocolVersion: wire.Protocol, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		Plugins:          goplugin.PluginSet{"extractor": extractorPlugin{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		Logger:           p.config.Logger,
		StartTimeout:     p.config.StartTimeout,
		SyncStdout:       &proc.said,
		SyncStderr:       &proc.said,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: base},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			proc.dir = dir
			proc.env = append(spec.Env, wire.LifelineKey+"=1")
			for _, d := range []string{base, dir} {
				if proc.uid != 0 {
					if err := os.Chown(d, proc.uid, proc.uid); err != nil {
						return nil, err
					}
				}
			}
			return proc, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithContextDialer(s.dial),
			// go-plugin allows 2 GiB; and a connection that rests while a long benchmark runs
			// must not be closed, because its socket is gone by then.
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxPart)),
			grpc.WithIdleTimeout(0),
			grpc.WithInitialWindowSize(wire.MaxPart),
			grpc.WithInitialConnWindowSize(wire.MaxPart),
		},
	})
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	// None of what go-plugin does up to the first call takes a context, and all of
	// it ends when the process does.
	stop := context.AfterFunc(ctx, proc.stopEarly)
	defer stop()
	if _, err := s.client.Start(); err != nil {
		return nil, p.startError(ctx, proc, err)
	}
	<-proc.reported
	hung := time.AfterFunc(p.config.DescribeTimeout, func() {
		s.late.Store(true)
		proc.stopEarly()
	})
	defer hung.Stop()
	protocol, err := s.client.Client()
	if err != nil {
		return nil, p.startError(ctx, proc, err)
	}
	stub, err := protocol.Dispense("extractor")
	if err != nil {
		return nil, p.startError(ctx, proc, err)
	}
	s.stub = stub.(wire.ExtractorClient)
	callCtx, cancel := context.WithTimeout(ctx, p.config.DescribeTimeout)
	defer cancel()
	answer, err := s.stub.Describe(callCtx, &wire.DescribeRequest{})
	if err != nil {
		return nil, s.callError(ctx, "describe", p.config.DescribeTimeout, err)
	}
	s.description, err = wire.ToDescription(answer.GetDescription())
	if err != nil {
		return nil, p.fail("describe", BadAnswer, proc, err)
	}
	if err := p.checkOwnName(s.description.Name); err != nil {
		return nil, p.fail("describe", BadAnswer, proc, err)
	}
	return s, nil
}

// dial connects to the plugin's socket, checks that it is the plugin's, and
// removes it: it is not needed any more, and what is gone cannot be left behind.
func (s *session) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.process.address)
	if err != nil {
		return nil, err
	}
	if err := s.checkPeer(conn.(*net.UnixConn)); err != nil {
		s.refused.Store(&err)
		conn.Close()
		return nil, err
	}
	os.RemoveAll(s.process.base)
	return conn, nil
}

func (s *session) checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	if int(peer.Pid) != s.process.proc.Pid {
		return fmt.Errorf("process %d answers on the plugin's socket, the plugin is process %d: want the process that was started to serve (a wrapper script has to exec it)", peer.Pid, s.process.proc.Pid)
	}
	return nil
}

// startError finds the cause behind go-plugin's error.
func (p *Plugin) startError(ctx context.Context, proc *process, err error) *Error {
	if proc.proc == nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return p.fail("start", CannotStart, nil, err)
	}
	if ctx.Err() != nil || proc.mismatch != nil {
		proc.kill()
	}
	early := proc.ended()
	proc.awaitExit()
	switch exit := proc.exit(); {
	case ctx.Err() != nil:
		return p.fail("start", CannotStart, proc, ctx.Err())
	case proc.report.Error != "":
		return p.fail("start", CannotStart, nil, errors.New(printable(proc.report.Error)))
	case proc.mismatch != nil:
		return p.fail("start", Incompatible, proc, proc.mismatch)
	case proc.address == "" && exit != "":
		e := p.fail("start", CannotStart, proc, errors.New("it ended without a handshake line on its standard output"))
		e.noHandshake = true
		return e
	case proc.address == "" && !early && strings.Contains(err.Error(), "timeout while waiting"):
		return p.fail("start", CannotStart, proc, fmt.Errorf("no handshake line on its standard output within %v: want it printed, with a newline, and flushed", p.config.StartTimeout))
	case proc.noLine != nil:
		return p.fail("start", CannotStart, proc, proc.noLine)
	}
	return p.fail("start", CannotStart, proc, errors.New(printable(err.Error())))
}

// extractTimeout grows with the capture.
func (p *Plugin) extractTimeout(out ktstr.Output) time.Duration {
	return p.config.ExtractTimeout + time.Duration(len(out.Data)>>20)*time.Second
}

// extract is one call, without a second try.
func (s *session) extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	limit := s.plugin.extractTimeout(out)
	callCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var answer wire.Answer
	err := s.exchange(callCtx, out, &answer)
	var failed *wire.Failed
	var bad *badAnswer
	switch {
	case err == nil:
		return answer.Extraction(), nil
	case errors.As(err, &failed):
		fault := Failed
		if failed.Panicked {
			fault = Panicked
		}
		e := s.plugin.fail("extract", fault, s.process, failed)
		if !failed.Panicked {
			e.Stderr = nil // it has said in its own words what is wrong
		}
		return ktstr.Extraction{}, e
	case errors.As(err, &bad):
		return ktstr.Extraction{}, s.plugin.fail("extract", BadAnswer, s.process, bad.err)
	}
	return ktstr.Extraction{}, s.callError(ctx, "extract", limit, err)
}

type badAnswer struct{ err error }

func (b *badAnswer) Error() string { return b.err.Error() }

// exchange sends the capture while it receives the answer: a plugin may begin to
// answer before it has read everything.
func (s *session) exchange(ctx context.Context, out ktstr.Output, answer *wire.Answer) error {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := s.stub.Extract(ctx)
	if err != nil {
		cancel()
		return err
	}
	sent := make(chan struct{})
	defer func() { cancel(); <-sent }()
	send := func() {
		defer close(sent)
		// An error of Send is io.EOF; Recv has the cause.
		if stream.Send(&wire.ExtractRequest{Part: &wire.ExtractRequest_Header{Header: wire.FromOutput(out)}}) != nil {
			return
		}
		for data := out.Data; len(data) > 0; {
			n := min(len(data), s.plugin.config.chunk())
			if stream.Send(&wire.ExtractRequest{Part: &wire.ExtractRequest_Data{Data: data[:n]}}) != nil {
				return
			}
			data = data[n:]
		}
		stream.CloseSend()
	}
	if len(out.Data) <= s.plugin.config.chunk() {
		send() // is soon done, whatever the plugin does
	} else {
		go send()
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if f := part.GetFailure(); f != nil {
			return &wire.Failed{Message: printable(f.GetMessage()), Panicked: f.GetPanicked()}
		}
		if err := answer.Add(part, proto.Size(part)); err != nil {
			return &badAnswer{err}
		}
	}
}

// callError finds the cause behind a gRPC error. A plugin that gave no answer in
// time is killed, because nobody knows what it is doing.
func (s *session) callError(ctx context.Context, op string, limit time.Duration, err error) *Error {
	code := status.Code(err)
	refused := s.refused.Load()
	switch {
	case refused != nil:
		s.process.kill()
		<-s.process.exited
		return s.plugin.fail("start", CannotStart, s.process, *refused)
	case s.late.Load():
		code = codes.DeadlineExceeded
	}
	deadline, own := ctx.Deadline()
	switch {
	case ctx.Err() != nil:
		return s.plugin.fail(op, Hung, nil, ctx.Err())
	case code == codes.DeadlineExceeded && own && time.Until(deadline) < 100*time.Millisecond:
		// The caller's deadline, and not ours: the plugin's end of the connection keeps it
		// too, and may be ahead of ctx.
		return s.plugin.fail(op, Hung, nil, context.DeadlineExceeded)
	case code == codes.DeadlineExceeded:
		why := fmt.Errorf("no answer within %v", limit)
		if s.process.stopped() {
			why = fmt.Errorf("%w: it is stopped, by a signal that is not the host's", why)
		}
		s.process.kill()
		<-s.process.exited
		return s.plugin.fail(op, Hung, s.process, why)
	case code == codes.Unavailable && (s.process.awaitExit() || connectionLost(status.Convert(err).Message())):
		// The connection was gone, and with it the process, in a moment, or what served it.
		e := s.plugin.fail(op, Exited, s.process, nil)
		if e.Exit == "" {
			e.Err = errors.New("the host ended it")
		}
		return e
	}
	why := printable(status.Convert(err).Message())
	if !strings.HasPrefix(why, "grpc: ") { // as our end of the connection begins what it says of a message
		why = "answered " + codeName(code) + ": " + why
	}
	return s.plugin.fail(op, BadAnswer, s.process, errors.New(why))
}

// connectionLost reports whether the message of a status UNAVAILABLE is our own
// end's about a connection that broke, as google.golang.org/grpc puts it, and no
// answer.
func connectionLost(message string) bool {
	for _, own := range []string{"connection error: ", "error reading from server: ", "transport is closing", "the connection is draining"} {
		if strings.HasPrefix(message, own) {
			return true
		}
	}
	return false
}

// codeName is the name of a gRPC status as its specification and most languages
// write it: "INVALID_ARGUMENT".
func codeName(c codes.Code) string {
	names := [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("status %d", c)
}

// close ends the session: politely, and after 300 ms by force. go-plugin's Kill
// has no deadline of its own, and returns once the process is gone.
func (s *session) close() {
	if s.process.proc == nil {
		os.RemoveAll(s.process.base)
		return
	}
	force := time.AfterFunc(300*time.Millisecond, s.process.kill)
	s.client.Kill()
	force.Stop()
	<-s.process.exited
	s.process.sweep()
	os.RemoveAll(s.process.base)
}
