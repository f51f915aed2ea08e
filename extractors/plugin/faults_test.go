package plugin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/spawn"
)

// rawServer is a plugin written without the SDK, by somebody who does not care.
type rawServer struct {
	wire.UnimplementedExtractorServer
	describe func()
	extract  func(grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error
	shutdown func() // nil: the service is not there
}

func (r *rawServer) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	if r.describe != nil {
		r.describe()
	}
	return &wire.DescribeResponse{Description: &wire.Description{Name: "raw", Version: "1"}}, nil
}

func (r *rawServer) Extract(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
	if r.extract == nil {
		return s.Send(&wire.ExtractResponse{Metrics: []*wire.Metric{{Name: "m", Value: 1}}})
	}
	return r.extract(s)
}

func (r *rawServer) listen() net.Listener {
	l, err := net.Listen("unix", filepath.Join(os.Getenv(wire.SocketDirKey), "raw"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return l
}

func (r *rawServer) serve(l net.Listener) {
	s := grpc.NewServer()
	wire.RegisterExtractorServer(s, r)
	if r.shutdown != nil {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: "plugin.GRPCController", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Shutdown", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
				r.shutdown()
				return nil, errors.New("no")
			}}},
		}, r)
	}
	s.Serve(l)
	os.Exit(0)
}

func (r *rawServer) run() {
	l := r.listen()
	fmt.Printf("1|1|unix|%s|grpc\n", l.Addr())
	r.serve(l)
}

func forever() { select {} }

func init() {
	// A process whose goroutines all wait for ever would be ended by the runtime.
	waiting := func() {
		go func() {
			for {
				time.Sleep(time.Hour)
			}
		}()
	}
	announce := func(line string) func() {
		return func() { waiting(); fmt.Println(line); forever() }
	}
	for name, f := range map[string]func(){
		"exit-0":           func() { os.Exit(0) },
		"raw":              func() { new(rawServer).run() },
		"deaf":             func() { waiting(); (&rawServer{shutdown: forever}).run() },
		"slow-describe":    func() { waiting(); (&rawServer{describe: forever}).run() },
		"v2":               announce("1|2|unix|/tmp/x|grpc"),
		"core-2":           announce("2|1|unix|/tmp/x|grpc"),
		"netrpc":           announce("1|1|unix|/tmp/x|netrpc"),
		"docker":           announce("1|1|unix|/run/docker.sock|grpc"),
		"control":          announce("1|1|unix|/tmp/\x1b[31m\x07|grpc"),
		"tcp":              announce("1|1|tcp|127.0.0.1:1|grpc"),
		"traversal":        announce("1|1|unix|" + os.Getenv(wire.SocketDirKey) + "/../x|grpc"),
		"no-socket":        announce("1|1|unix|" + os.Getenv(wire.SocketDirKey) + "/none|grpc"),
		"too-much-noise":   func() { waiting(); fmt.Println(strings.Repeat("noise ", 20000)); forever() },
		"no-noise-no-line": func() { waiting(); fmt.Print("1|1"); forever() },
		"unflushed": func() { // as one whose handshake line is still in a buffer when it says that descriptor 1 is descriptor 2
			waiting()
			unix.Dup3(2, 1, 0)
			forever()
		},
		"status": func() { // answers with the gRPC status that the capture names
			(&rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				if _, err := s.Recv(); err != nil {
					return err
				}
				part, err := s.Recv()
				if err != nil {
					return s.Send(&wire.ExtractResponse{Metrics: []*wire.Metric{{Name: "m", Value: 1}}})
				}
				code, err := strconv.Atoi(string(part.GetData()))
				if err != nil {
					return err
				}
				return status.Error(codes.Code(code), "Exception iterating responses: boom\x1b")
			}}).run()
		},
		"mute": func() { // a socket that nobody serves
			waiting()
			fmt.Printf("1|1|unix|%s|grpc\n", new(rawServer).listen().Addr())
			forever()
		},
		"link": func() {
			waiting()
			path := filepath.Join(os.Getenv(wire.SocketDirKey), "l")
			os.Symlink("/run/docker.sock", path)
			fmt.Printf("1|1|unix|%s|grpc\n", path)
			forever()
		},
		"wrapper": func() { // serves by a child of its own
			c := exec.Command("/proc/self/exe", "_plugin", "raw")
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			c.Run()
		},
		"noisy": func() {
			fmt.Println("loading fonts |")
			fmt.Println("7|is a number")
			fmt.Print(strings.Repeat("x", 20000) + "\n")
			r := &rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				// A line of more than 64 KiB on the descriptor of the handshake.
				b := bytes.Repeat([]byte("y"), 300<<10)
				for len(b) > 0 {
					n, err := unix.Write(1, b)
					if err != nil {
						return err
					}
					b = b[n:]
				}
				return s.Send(&wire.ExtractResponse{Metrics: []*wire.Metric{{Name: "m", Value: 1}}})
			}}
			r.run()
		},
		"flood": func() {
			r := &rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				part := &wire.ExtractResponse{}
				for range 200 {
					part.Metrics = append(part.Metrics, &wire.Metric{Name: strings.Repeat("n", 10<<10), Value: 1})
				}
				for sent := 0; sent < 2<<30; sent += 2 << 20 {
					if err := s.Send(part); err != nil {
						return err
					}
				}
				return nil
			}}
			r.run()
		},
		"lump": func() { // one message beyond the limit
			(&rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				part := &wire.ExtractResponse{}
				for range 100_000 {
					part.Metrics = append(part.Metrics, &wire.Metric{Name: "m" + strings.Repeat("n", 100), Value: 1})
				}
				return s.Send(part)
			}}).run()
		},
		"early": func() { // answers before it has read anything, and a lot
			(&rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				part := &wire.ExtractResponse{}
				for range 10_000 {
					part.Metrics = append(part.Metrics, &wire.Metric{Name: "m", Value: 1})
				}
				for range 20 {
					if err := s.Send(part); err != nil {
						return err
					}
				}
				for {
					if _, err := s.Recv(); err != nil {
						return nil
					}
				}
			}}).run()
		},
		"million": func() {
			sdk.Serve(parser("million", func(ktstr.Output) (x ktstr.Extraction, err error) {
				for i := range 1_000_000 {
					x.Metrics = append(x.Metrics, ktstr.Metric{Name: "jobs." + strconv.Itoa(i) + ".iops", Value: float64(i)})
				}
				return x, nil
			}))
		},
		"environment": func() {
			sdk.Serve(parser("environment", func(ktstr.Output) (x ktstr.Extraction, err error) {
				for _, v := range os.Environ() {
					x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{Code: "env", Message: v})
				}
				for fd := range 100 {
					if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
						x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{Code: "fd", Message: fmt.Sprintf("%d %s", fd, to)})
					}
				}
				return x, nil
			}))
		},
		"trouble": func() { sdk.Serve(parser("trouble", trouble)) },
	} {
		testPlugins[name] = f
	}
}

// trouble does what the first word of the capture says.
func trouble(out ktstr.Output) (ktstr.Extraction, error) {
	verb, rest, _ := strings.Cut(string(out.Data), " ")
	switch verb {
	case "crash-once": // rest is a file that remembers
		if _, err := os.Stat(rest); err != nil {
			os.WriteFile(rest, nil, 0o644)
			unix.Kill(os.Getpid(), unix.SIGKILL)
			forever()
		}
	case "crash":
		fmt.Fprintln(os.Stderr, "about to crash")
		go func() { panic("in a goroutine of its own") }()
		forever()
	case "leave": // for the group of the host
		host, err := unix.Getpgid(os.Getppid())
		if err == nil {
			err = unix.Setpgid(0, host)
		}
		if err != nil {
			return ktstr.Extraction{}, err
		}
	case "stop":
		unix.Kill(os.Getpid(), unix.SIGSTOP)
		forever() // another thread may be the one that stops first, and this one answer meanwhile
	case "grandchild", "daemon":
		c := exec.Command("/bin/sh", "-c", "sleep 98765; : "+rest)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: verb == "daemon"}
		err := c.Start()
		return ktstr.Extraction{
			Metrics:     []ktstr.Metric{{Name: "started", Value: map[bool]float64{true: 1}[err == nil]}},
			Diagnostics: []ktstr.Diagnostic{{Code: "start", Message: fmt.Sprint(err)}},
		}, nil
	case "pid":
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "pid", Value: float64(os.Getpid())}}}, nil
	}
	return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "m", Value: 1}}}, nil
}

func self(name string) Config { return Config{Self: []string{"_plugin", name}} }

// own is the same plugin as an executable of its own, in the sandbox.
func own(t *testing.T, name string) Config {
	return Config{Path: testkit.Executable(t, name), Launcher: []string{"_launch"}}
}

func bare(c Config) Config { c.Unsandboxed = true; return c }

// C29
func TestBadHandshakes(t *testing.T) {
	testkit.LeavesNothing(t)
	for _, c := range []struct {
		name  string
		fault Fault
		want  string
	}{
		{"exit-0", CannotStart, ": cannot start: it ended without a handshake line on its standard output (exit status 0)"},
		{"v2", Incompatible, `speaks ktstr.plugin version "2", this host version 1`},
		{"core-2", Incompatible, `speaks version "2" of go-plugin's protocol, this host version 1`},
		{"netrpc", Incompatible, "want gRPC"},
		{"docker", CannotStart, `announces "unix" address "/run/docker.sock": want a unix socket in its socket directory`},
		{"tcp", CannotStart, `announces "tcp" address`},
		{"traversal", CannotStart, "want a unix socket in its socket directory"},
		{"no-socket", CannotStart, "no such file"},
		{"link", CannotStart, "/l"}, // in the sandbox it cannot even make one
		{"too-much-noise", CannotStart, "it prints 64 KiB and more without a handshake line"},
		{"unflushed", CannotStart, "it closed its standard output without a handshake line: flush standard output after that line, before anything else is done to it"},
		{"no-noise-no-line", CannotStart, "no handshake line on its standard output within"},
		{"mute", Hung, "no answer within 300ms"},
		{"slow-describe", Hung, "no answer within 300ms"},
	} {
		for _, config := range []Config{bare(self(c.name)), own(t, c.name)} {
			config.StartTimeout = time.Minute
			if c.name == "no-noise-no-line" {
				config.StartTimeout = time.Second
			}
			if c.fault == Hung {
				config.DescribeTimeout = 300 * time.Millisecond
			}
			p, err := Start(context.Background(), config)
			if p != nil {
				p.Close()
			}
			var e *Error
			if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(e.Error(), c.want) {
				t.Errorf("%s: got %v; want %s with %q", c.name, err, c.fault, c.want)
			}
		}
	}
}

// A plugin that answers with a gRPC status is alive: what it said is told, and it
// is not started again. C29
func TestAnswersWithStatus(t *testing.T) {
	p := startConfig(t, bare(self("status")))
	for code, want := range map[int]string{
		1:  "answered CANCELLED",
		2:  "answered UNKNOWN: Exception iterating responses: boom",
		3:  "answered INVALID_ARGUMENT: Exception",
		5:  "answered NOT_FOUND",
		8:  "answered RESOURCE_EXHAUSTED",
		12: "answered UNIMPLEMENTED",
		13: "answered INTERNAL",
		16: "answered UNAUTHENTICATED",
		77: "answered status 77: Exception",
	} {
		pid := p.Pid()
		x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(strconv.Itoa(code))})
		var e *Error
		if !errors.As(err, &e) || e.Fault != BadAnswer || e.Op != "extract" || !strings.Contains(e.Error(), want) || strings.Contains(e.Error(), "\x1b") ||
			len(x.Diagnostics) > 0 || p.Restarts() > 0 || p.Pid() != pid {
			t.Errorf("status %d: got %+v, %v, %d restarts; want %q of the same process", code, x, err, p.Restarts(), want)
		}
		if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
			t.Errorf("after status %d: got %+v, %v", code, x, err)
		}
	}
	// This one may also be the end of the connection, and is told apart by the process.
	_, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("14")})
	if err == nil || !strings.Contains(err.Error(), "answered UNAVAILABLE: Exception") || p.Restarts() > 0 {
		t.Errorf("status 14: got %v, %d restarts", err, p.Restarts())
	}
}

// What a call is told whose plugin the host itself ended has no empty places.
func TestEndedByHost(t *testing.T) {
	p := startConfig(t, bare(self("trouble")))
	p.current.process.kill()
	<-p.current.process.exited
	if err := p.current.callError(context.Background(), "extract", time.Second, status.Error(codes.Unavailable, "EOF")); err.Fault != Exited ||
		err.Error() != "plugin trouble: extract: exited: the host ended it" {
		t.Errorf("got %v", err)
	}
	if got := endedDiagnostic(&Error{Plugin: "p"}).Message; got != "plugin p ended while it read this, and was started once more" {
		t.Errorf("got %q", got)
	}
}

// The lines of a traceback keep their places.
func TestTail(t *testing.T) {
	var said tail
	fmt.Fprint(&said, "Traceback:\n  File \"x\", line 3\r\n\tboom()\n \n")
	if got, want := said.lines(), []string{"Traceback:", "  File \"x\", line 3", "    boom()"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Only the process that was started may answer.
func TestPeer(t *testing.T) {
	testkit.LeavesNothing(t)
	c := bare(self("wrapper"))
	if p, err := Start(context.Background(), c); err == nil || !strings.Contains(err.Error(), "answers on the plugin's socket") {
		t.Errorf("got %v, %v; want the other process refused", p, err)
	}
}

func TestNoise(t *testing.T) {
	for _, c := range []Config{bare(self("noisy")), own(t, "noisy")} {
		p := startConfig(t, c)
		for range 3 {
			if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
				t.Fatalf("got %+v, %v", x, err)
			}
		}
	}
}

// go-plugin's Kill waits without end for a plugin that does not answer.
func TestCloseOfDeafPlugin(t *testing.T) {
	for _, c := range []Config{bare(self("deaf")), own(t, "deaf"), bare(self("raw"))} {
		startConfig(t, c).Close()
	}
	p := startConfig(t, self("echo"))
	unix.Kill(p.Pid(), unix.SIGSTOP)
	p.Close()
}

func TestEnvironment(t *testing.T) {
	t.Setenv("KTSTR_TEST_SECRET", "password")
	t.Setenv("TMPDIR", t.TempDir()+strings.Repeat("/long", 30)) // sockets have short paths
	for _, c := range []Config{bare(self("environment")), own(t, "environment")} {
		p := startConfig(t, c)
		x, err := p.Extract(context.Background(), ktstr.Output{})
		if err != nil {
			t.Fatal(err)
		}
		var names, fds []string
		for _, d := range x.Diagnostics {
			if d.Code == "fd" {
				fds = append(fds, d.Message)
				continue
			}
			name, _, _ := strings.Cut(d.Message, "=")
			names = append(names, name)
		}
		slices.Sort(names)
		want := []string{"KTSTR_PLUGIN_COOKIE", "KTSTR_PLUGIN_LIFELINE", "LANG", "LC_ALL", "PATH",
			"PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR", "TMPDIR", "TZ"}
		if !reflect.DeepEqual(names, want) {
			t.Errorf("environment: got %q, want %q", names, want)
		}
		if len(fds) < 3 || !strings.HasPrefix(fds[0], "0 pipe:") {
			t.Errorf("standard input: got %q, want a pipe of the host's", fds)
		}
	}
}

func TestRestart(t *testing.T) {
	ask := func(p *Plugin, what string) (ktstr.Extraction, error) {
		return p.Extract(context.Background(), ktstr.Output{Data: []byte(what)})
	}
	// Without a sandbox, because a plugin in one can remember nothing.
	p := startConfig(t, bare(self("trouble")))
	x, err := ask(p, "crash-once "+filepath.Join(t.TempDir(), "crashed"))
	if err != nil || len(x.Metrics) != 1 || p.Restarts() != 1 || len(x.Diagnostics) != 1 || x.Diagnostics[0].Code != Restarted ||
		!strings.Contains(x.Diagnostics[0].Message, "plugin trouble ended while it read this (signal: killed)") {
		t.Errorf("crash once: got %+v, %v, %d restarts; want the metric and one restart", x, err, p.Restarts())
	}
	_, err = ask(p, "crash")
	var e *Error
	if !errors.As(err, &e) || e.Fault != Exited || e.Exit != "exit status 2" || p.Restarts() != 2 ||
		!slices.Contains(e.Stderr, "panic: in a goroutine of its own") {
		t.Errorf("crash: got %v, %d restarts; want exit status 2, its panic, and one more restart", err, p.Restarts())
	}
	// Killed by somebody while it has nothing to do, or while it is frozen.
	unix.Kill(p.Pid(), unix.SIGKILL)
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after a kill: got %+v, %v", x, err)
	}
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	unix.Kill(p.Pid(), unix.SIGKILL)
	<-p.current.process.exited
	if _, err := thaw(); err == nil || !strings.Contains(err.Error(), "ended while it was frozen") {
		t.Errorf("thaw: got %v", err)
	}
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after a kill while frozen: got %+v, %v", x, err)
	}
	unix.Kill(p.Pid(), unix.SIGKILL)
	<-p.current.process.exited
	if thaw, err = p.Freeze(); err != nil {
		t.Fatalf("freeze after a kill: %v", err)
	}
	if used, err := thaw(); err != nil || used != (spawn.Usage{}) {
		t.Errorf("freeze after a kill: used %+v, %v", used, err)
	}
	// Eight calls, of which one kills the process.
	errs := make(chan error, 8)
	for i := range 8 {
		go func() {
			what := "fine"
			if i == 3 {
				what = "crash"
			}
			_, err := ask(p, what)
			if i == 3 && err != nil {
				err = nil
			}
			errs <- err
		}()
	}
	failed := 0
	for range 8 {
		if err := <-errs; err != nil {
			failed++
			if !errors.As(err, &e) || e.Fault != Exited {
				t.Errorf("beside a crash: got %v", err)
			}
		}
	}
	if x, err := ask(p, "fine"); err != nil || len(x.Metrics) != 1 {
		t.Errorf("after crashes: got %+v, %v", x, err)
	}
}

// What was hashed is what is executed, also when it is started again.
func TestSameDescriptor(t *testing.T) {
	for _, launcher := range [][]string{nil, {"_launch"}} {
		path := testkit.Executable(t, "trouble")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := program.Hash(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		p := startConfig(t, Config{Name: "trouble", Path: path, SHA256: hash, Launcher: launcher})
		swapped := testkit.Script(t, "#!/bin/sh\nexit 99\n")
		if err := os.Rename(swapped, path); err != nil {
			t.Fatal(err)
		}
		unix.Kill(p.Pid(), unix.SIGKILL)
		if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
			t.Errorf("launcher %q: after a swap of the file: got %+v, %v", launcher, x, err)
		}
		if got, err := p.SHA256(); err != nil || got != hash {
			t.Errorf("got hash %s, %v", got, err)
		}
	}
}

// A file that only root may execute still runs, as another user.
func TestPrivateExecutable(t *testing.T) {
	path := testkit.Executable(t, "echo")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.WriteFile(private, data, 0o700); err != nil {
		t.Fatal(err)
	}
	// Its name is not ktstr-plugin-…: what it serves is told by argv.
	_ = os.Rename(private, filepath.Join(filepath.Dir(private), "ktstr-plugin-echo"))
	p := startConfig(t, Config{Path: filepath.Join(filepath.Dir(private), "ktstr-plugin-echo"), Launcher: []string{"_launch"}})
	if !p.Sandbox().Enforced(sandbox.User) {
		t.Errorf("sandbox: %v", p.Sandbox())
	}
}

func TestStopsItself(t *testing.T) {
	c := bare(self("trouble"))
	c.ExtractTimeout = 300 * time.Millisecond
	p := startConfig(t, c)
	_, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("stop")})
	var e *Error
	if !errors.As(err, &e) || e.Fault != Hung || !strings.Contains(e.Error(), "it is stopped") {
		t.Errorf("got %v; want it said that it is stopped", err)
	}
	// In between calls it is continued.
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Fatal(err)
	}
	unix.Kill(p.Pid(), unix.SIGSTOP)
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Errorf("after a stop between calls: %v", err)
	}
}

// A plugin that leaves its process group is stopped and ended all the same.
func TestLeavesGroup(t *testing.T) {
	p := startConfig(t, bare(self("trouble")))
	if _, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("leave")}); err != nil {
		t.Fatal(err)
	}
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if got := state(t, p.Pid()); got != "T" {
		t.Errorf("frozen: state %s, want T", got)
	}
	if _, err := thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Error(err)
	}
	unix.Kill(p.Pid(), unix.SIGSTOP)
	p.Close()
}

// What a plugin starts neither blocks its end nor outlives it.
func TestGrandchildren(t *testing.T) {
	for _, c := range []struct {
		verb    string
		config  Config
		started float64
	}{
		{"grandchild", bare(self("trouble")), 1},
		{"daemon", bare(self("trouble")), 1},
		{"grandchild", own(t, "trouble"), 1},
		{"daemon", own(t, "trouble"), 0},
		{"grandchild", self("trouble"), 0},
	} {
		mark := "mark-" + filepath.Base(filepath.Dir(t.TempDir())) + c.verb + strconv.Itoa(os.Getpid())
		p := startConfig(t, c.config)
		x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(c.verb + " " + mark)})
		if err != nil || x.Metrics[0].Value != c.started {
			t.Errorf("%s, sandbox %v: got %+v, %v; want started = %v", c.verb, p.Sandbox(), x, err, c.started)
		}
		if c.started == 1 && len(testkit.Running(t, mark)) == 0 {
			t.Errorf("%s: is not there, so its end proves nothing", c.verb)
		}
		p.Close()
		if left := testkit.Running(t, mark); len(left) > 0 {
			t.Errorf("%s, sandbox %v: left behind: %v", c.verb, p.Sandbox(), left)
		}
	}
}

// C29
func TestLimits(t *testing.T) {
	config := own(t, "million")
	config.ExtractTimeout = time.Minute
	p := startConfig(t, config)
	x, err := p.Extract(context.Background(), ktstr.Output{})
	if err != nil || len(x.Metrics) != 1_000_000 || x.Metrics[999_999].Name != "jobs.999999.iops" {
		t.Errorf("a million metrics: got %d, %v", len(x.Metrics), err)
	}
	for _, c := range []struct{ name, want string }{
		{"flood", "the answer exceeds 256 MiB"},
		{"lump", "larger than max"},
	} {
		config := own(t, c.name)
		config.ExtractTimeout = time.Minute
		p := startConfig(t, config)
		x, err := p.Extract(context.Background(), ktstr.Output{})
		var e *Error
		if !errors.As(err, &e) || e.Fault != BadAnswer || !strings.Contains(e.Error(), c.want) || len(x.Metrics) > 0 {
			t.Errorf("%s: got %d metrics, %v; want a bad answer with %q", c.name, len(x.Metrics), err, c.want)
		}
	}
	p = startConfig(t, own(t, "early"))
	if x, err := p.Extract(context.Background(), ktstr.Output{Data: make([]byte, 16<<20)}); err != nil || len(x.Metrics) != 200_000 {
		t.Errorf("an answer before the question: got %d metrics, %v", len(x.Metrics), err)
	}
}

func TestExtractTimeoutGrowsWithTheCapture(t *testing.T) {
	p := &Plugin{config: Config{ExtractTimeout: 10 * time.Second}}
	if got := p.extractTimeout(ktstr.Output{}); got != 10*time.Second {
		t.Errorf("empty: got %v", got)
	}
	if got := p.extractTimeout(ktstr.Output{Data: make([]byte, 16<<20)}); got != 26*time.Second {
		t.Errorf("16 MiB: got %v", got)
	}
}

func TestFreezeInSandbox(t *testing.T) {
	for _, c := range []Config{own(t, "busy"), bare(self("busy"))} {
		p := startConfig(t, c)
		thaw, err := p.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		awaitSwitches(t, 50)
		used, err := thaw()
		if err != nil || used.Voluntary != 0 || used.Involuntary != 0 || used.User != 0 {
			t.Errorf("a frozen plugin used %+v, %v; want nothing", used, err)
		}
		if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
			t.Error(err)
		}
	}
}

// A host that ignores SIGCHLD, as some programs that embed this do.
func TestChildSignalIgnored(t *testing.T) {
	signal.Ignore(syscall.SIGCHLD)
	defer func() { // Reset would leave it ignored
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGCHLD)
		signal.Stop(c)
	}()
	for _, c := range []Config{self("moody"), own(t, "moody")} {
		p := startConfig(t, c)
		if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
			t.Error(err)
		}
		var e *Error
		if _, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("exit")}); !errors.As(err, &e) || e.Fault != Exited {
			t.Errorf("got %v", err)
		}
		p.Close()
	}
}

func TestSweep(t *testing.T) {
	gone := exec.Command("/bin/true")
	must(gone.Run(), "true")
	old := filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-1", gone.Process.Pid))
	fresh, alive := old+"2", filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-1", os.Getpid()))
	for _, dir := range []string{old, fresh, alive} {
		must(os.MkdirAll(filepath.Join(dir, "plugin-dir"), 0o700), "mkdir")
		defer os.RemoveAll(dir)
	}
	past := time.Now().Add(-time.Hour)
	must(errors.Join(os.Chtimes(old, past, past), os.Chtimes(alive, past, past)), "chtimes")
	sweep()
	for dir, want := range map[string]bool{old: false, fresh: true, alive: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there = %v, want %v", dir, err == nil, want)
		}
	}
}

// An idle plugin of the SDK's does not wake up.
func TestIdle(t *testing.T) {
	for _, c := range []Config{own(t, "echo"), self("echo")} {
		p := startConfig(t, c)
		if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
			t.Fatal(err)
		}
		// What a call leaves to be done is done when two readings agree.
		var before spawn.Usage
		for try := 0; ; try++ {
			last, err := p.current.process.readUsage()
			must(err, "usage")
			awaitSwitches(t, 200)
			if before, err = p.current.process.readUsage(); err != nil || before == last {
				break
			}
			if try == 50 {
				t.Fatalf("it never rests: %+v, then %+v", last, before)
			}
		}
		awaitSwitches(t, 200)
		if after, err := p.current.process.readUsage(); err != nil || after.Voluntary-before.Voluntary > 2 {
			t.Errorf("an idle plugin woke up: %+v, then %+v, %v", before, after, err)
		}
	}
}

// hostMain is a host that starts plugins, tells their pids, and waits to be killed.
func hostMain() {
	var pids []string
	var configs []Config
	for _, path := range os.Args[2:] {
		configs = append(configs, Config{Path: path, Launcher: []string{"_launch"}}, Config{Path: path})
	}
	configs = append(configs, self("echo"), bare(self("deaf")), self("busy"))
	for _, c := range configs {
		p, err := Start(context.Background(), c)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		pids = append(pids, strconv.Itoa(p.Pid()))
		if len(pids)%2 == 0 {
			p.Freeze()
		}
	}
	fmt.Println(strings.Join(pids, " "))
	forever()
}

// C18
func TestHostKilled(t *testing.T) {
	testkit.LeavesNothing(t)
	host := exec.Command("/proc/self/exe", "_host", testkit.Executable(t, "deaf"), testkit.Executable(t, "echo"))
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	for _, word := range strings.Fields(line) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("the host says %s", line)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	host.Process.Kill()
	host.Wait()
	for i, fd := range fds {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 10_000)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(poll, 10_000)
		}
		if n != 1 {
			t.Errorf("plugin %d of %s lives on after its host was killed (%v)", i, line, err)
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
	}
	dirs, err := filepath.Glob(filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-*", host.Process.Pid)))
	if err != nil || len(dirs) > 0 {
		t.Errorf("left behind: %q, %v", dirs, err)
	}
}
