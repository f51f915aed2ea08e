package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/internal/wire"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
)

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
		Logger:           p.config.Log.Named("go-plugin"),
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
			// go-plugin allows messages of 2 GiB. The connection must not be closed when it
			// is idle during a long benchmark, because its socket is removed by then.
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
	// go-plugin takes no context before the first call, but all its calls return
	// when the process ends.
	stop := context.AfterFunc(ctx, proc.stopEarly)
	defer stop()
	began := time.Now()
	if _, err := s.client.Start(); err != nil {
		return nil, p.startError(ctx, proc, err)
	}
	p.step("handshake", began, nil, "pid", proc.proc.Pid, "launch", proc.launched.Sub(began).Round(time.Microsecond), "address", proc.address)
	<-proc.reported
	began = time.Now()
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
	if err := p.checkIdentity(s.description); err != nil {
		return nil, p.fail("describe", BadAnswer, proc, err)
	}
	p.step("describe", began, nil, "name", s.description.Name, "version", s.description.Version)
	return s, nil
}

// dial connects to the plugin's socket, checks the peer, and removes the socket
// at once so that it cannot be left behind.
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
		return p.fail("start", CannotStart, nil, errors.New(text.Line(proc.report.Error)))
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
	return p.fail("start", CannotStart, proc, errors.New(text.Line(err.Error())))
}

// close ends the session: politely, and after 300 ms by force. go-plugin's Kill
// has no deadline of its own, and returns once the process is gone.
func (s *session) close() {
	if s.process.proc == nil {
		removeGroup(s.process.group)
		os.RemoveAll(s.process.base)
		return
	}
	force := time.AfterFunc(300*time.Millisecond, s.process.kill)
	s.client.Kill()
	force.Stop()
	<-s.process.exited
	s.process.cleanUp()
}
