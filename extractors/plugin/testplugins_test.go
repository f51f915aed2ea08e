package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/wire"
	"github.com/ktstr/ktstr/sdk"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
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

// testPlugins are the plugins of these tests, good and bad, by name.
func testPlugins() map[string]func() {
	all := badStarts()
	maps.Copy(all, badServers())
	maps.Copy(all, map[string]func(){
		"echo":     func() { sdk.Serve(parser("echo", echo)) },
		"no-start": func() { fmt.Fprintln(os.Stderr, "libwanted.so.1 is not there"); os.Exit(3) },
		"silent":   func() { select {} },
		"busy": func() {
			go func() {
				for {
					time.Sleep(time.Millisecond)
				}
			}()
			sdk.Serve(parser("busy", echo))
		},
		"moody":   func() { sdk.Serve(parser("moody", moody)) },
		"hostile": func() { sdk.Serve(parser("hostile", hostile)) },
	})
	return all
}

// badStarts do not get as far as an answer.
func badStarts() map[string]func() {
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
	return map[string]func(){
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
	}
}

// badServers answer a host wrongly, or do strange things while they serve.
func badServers() map[string]func() {
	return map[string]func(){
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
		"flood": func() { // bytes of a field that the host does not know are cheap, and count
			r := &rawServer{extract: func(s grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
				part := &wire.ExtractResponse{}
				part.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, 2<<20)))
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
		"many": func() {
			sdk.Serve(parser("many", func(ktstr.Output) (x ktstr.Extraction, err error) {
				for i := range 200_000 {
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

func parser(name string, parse func(ktstr.Output) (ktstr.Extraction, error)) ktstr.Parser {
	return ktstr.Parser{Description: ktstr.Description{Name: name, Version: "1.0.0"}, Parse: parse}
}

// echo tells what it was given.
func echo(out ktstr.Output) (ktstr.Extraction, error) {
	x := ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: float64(len(out.Data)), Unit: "B", Polarity: ktstr.Higher, Line: 1}}}
	say := func(code, message string) {
		x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{Code: ktstr.Code(code), Message: message})
	}
	var sum float64
	for _, b := range out.Data {
		sum += float64(b)
	}
	x.Metrics = append(x.Metrics, ktstr.Metric{Name: "sum", Value: sum})
	say("stream", string(out.Stream))
	say("truncated", fmt.Sprint(out.Truncated))
	if out.ExitCode != nil {
		say("exit", fmt.Sprint(*out.ExitCode))
	}
	say("argv", fmt.Sprintf("%q", out.Argv))
	say("options", fmt.Sprint(out.Options))
	x.Hints = []ktstr.Hint{{Name: "by*", Unit: "B", Polarity: ktstr.Lower, Headline: true}}
	return x, nil
}

// moody does what the capture says.
func moody(out ktstr.Output) (ktstr.Extraction, error) {
	good := ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "good", Value: 1}}}
	switch string(out.Data) {
	case "error":
		return good, errors.New("the report has no version line: want sysbench 1.0")
	case "panic":
		panic("index of the parser is out of range")
	case "exit":
		fmt.Println("to fd 1 of old")
		fmt.Fprintln(os.Stderr, "license server unreachable")
		os.Exit(7)
	case "hang":
		select {}
	case "nan":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p99", Value: math.NaN()})
	case "inf":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p99", Value: math.Inf(-1)})
	case "long":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: strings.Repeat("n", 1<<20), Value: 1})
	case "unnamed":
		good.Metrics = append(good.Metrics, ktstr.Metric{Value: 1})
	case "polarity":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p", Polarity: "sideways"})
	case "latin1":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "caf\xe9", Value: 1})
	}
	return good, nil
}
