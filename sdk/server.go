package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
)

// servePlugin is the plugin's side of go-plugin's gRPC protocol, by hand:
// go-plugin's own server replaces the process's standard streams by pipes that
// lose the last words of a crash, and exits 0 when it cannot listen.
func servePlugin(x ktstr.Extractor) error {
	dir := os.Getenv(wire.SocketDirKey)
	if dir == "" {
		return errors.New(wire.SocketDirKey + " is not set: want the directory for the socket")
	}
	if os.Getenv("PLUGIN_CLIENT_CERT") != "" {
		return errors.New("the host wants TLS (go-plugin's AutoMTLS): want a host that speaks ktstr.plugin.v1, without it")
	}
	seal := func() error { return nil }
	if text := os.Getenv(wire.SandboxKey); text != "" {
		os.Unsetenv(wire.SandboxKey)
		var err error
		if seal, err = restrict(text); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return err
	}
	defer socket.Close()

	done := make(chan struct{})
	var once sync.Once
	stop := func() { once.Do(func() { close(done) }) }
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(wire.NewCodec()),
		grpc.MaxRecvMsgSize(wire.MaxPart),
		grpc.MaxSendMsgSize(wire.MaxPart),
		// The host sends captures of megabytes through a local socket: fixed windows
		// spare it the round trips in which gRPC finds a size.
		grpc.InitialWindowSize(4*wire.MaxChunk),
		grpc.InitialConnWindowSize(8*wire.MaxChunk),
	)
	wire.RegisterExtractorServer(server, &extractorServer{x: x, spare: make(chan []byte, 1)})
	grpc_health_v1.RegisterHealthServer(server, health{})
	server.RegisterService(&controllerService, controller(stop))

	// An interrupt at the terminal is the host's to handle.
	signal.Ignore(os.Interrupt)
	if os.Getenv(wire.LifelineKey) != "" {
		go awaitHostDeath(stop)
	}
	if err := seal(); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if _, err := fmt.Fprintf(os.Stdout, "%d|%d|unix|%s|grpc\n", wire.CoreProtocol, wire.Protocol, socket.Addr()); err != nil {
		return err
	}
	// Later output of the extractor or a library goes to standard error.
	if err := unix.Dup3(2, 1, 0); err != nil {
		return err
	}
	os.Stdout = os.Stderr
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(socket) }()
	select {
	case err := <-failed:
		return err
	case <-done:
	}
	// A parser that hangs must not keep the process.
	force := time.AfterFunc(100*time.Millisecond, server.Stop)
	defer force.Stop()
	server.GracefulStop()
	return nil
}

// restrict takes the first restrictions of a bundled plugin. seal takes the rest
// and reports all to the host. For other plugins a launcher has done this before.
func restrict(policy string) (seal func() error, err error) {
	var p sandbox.Policy
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return nil, err
	}
	report, err := sandbox.Enter(p)
	if err != nil {
		return nil, err
	}
	return func() error {
		f := os.NewFile(3, "report")
		defer f.Close()
		return json.NewEncoder(f).Encode(sandbox.Answer{Report: sandbox.Seal(p, report)})
	}, nil
}

// awaitHostDeath returns when the host, which holds the other end of standard
// input and never writes, is gone.
func awaitHostDeath(stop func()) {
	// Non-blocking, so that Go's poller waits and no thread does.
	if unix.SetNonblock(0, true) != nil {
		return
	}
	lifeline := os.NewFile(0, "lifeline")
	io.Copy(io.Discard, lifeline)
	stop()
}

type extractorServer struct {
	wire.UnimplementedExtractorServer
	x     ktstr.Extractor
	spare chan []byte // memory of a capture that is not needed any more
}

func (s *extractorServer) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return &wire.DescribeResponse{Description: wire.FromDescription(s.x.Describe())}, nil
}

func (s *extractorServer) Extract(stream grpc.BidiStreamingServer[wire.ExtractRequest, wire.ExtractResponse]) error {
	var capture wire.Capture
	if err := stream.RecvMsg(&capture); err != nil {
		return err
	}
	if capture.Header == nil {
		return status.Error(codes.InvalidArgument, "the first message has no header")
	}
	out := wire.ToOutput(capture.Header)
	size := capture.Header.Size
	// Extractors keep nothing of a capture, so that one's memory serves the next.
	select {
	case capture.Data = <-s.spare:
	default:
	}
	// The size is a promise, not a reason to allocate without end.
	if want := min(size, 64<<20); uint64(cap(capture.Data)) < want {
		capture.Data = make([]byte, 0, want)
	}
	for {
		err := stream.RecvMsg(&capture)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if uint64(len(capture.Data)) > size {
			break
		}
	}
	if uint64(len(capture.Data)) != size {
		return status.Errorf(codes.InvalidArgument, "%d bytes came, the header says %d", len(capture.Data), size)
	}
	out.Data = capture.Data
	defer func() {
		select {
		case s.spare <- capture.Data[:0]:
		default:
		}
	}()
	x, failure := guarded(stream.Context(), s.x, out)
	if failure != nil {
		return stream.Send(&wire.ExtractResponse{Failure: failure})
	}
	return wire.SendExtraction(x, stream.Send)
}

// guarded calls x and turns an error or a panic into a message: the process is
// still good for the next capture.
func guarded(ctx context.Context, x ktstr.Extractor, out ktstr.Output) (_ ktstr.Extraction, failure *wire.Failure) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			failure = &wire.Failure{Message: fit(fmt.Sprint(p)), Panicked: true}
		}
	}()
	got, err := x.Extract(ctx, out)
	if err != nil {
		return ktstr.Extraction{}, &wire.Failure{Message: fit(err.Error())}
	}
	return got, nil
}

// fit shortens a message of the extractor to the protocol's limit.
func fit(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), wire.MaxMessage)], "\uFFFD")
}

// health answers go-plugin's Ping.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (health) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// controller ends the plugin when go-plugin asks. Its messages are empty, and
// go-plugin keeps the generated code to itself.
type controller func()

var controllerService = grpc.ServiceDesc{
	ServiceName: "plugin.GRPCController",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Shutdown",
		Handler: func(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(new(emptypb.Empty)); err != nil {
				return nil, err
			}
			srv.(controller)()
			return new(emptypb.Empty), nil
		},
	}},
}
