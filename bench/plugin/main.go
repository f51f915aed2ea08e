// Command plugin measures what plugins cost, against the least that go-plugin
// can do on the same machine at the same time. See README.md.
//
// Every round measures each subject once, in changing order; a ratio is the
// median over the rounds of subject over reference within one round.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	_ "github.com/spf13/cobra" // what the ktstr command links, so that executing ourselves costs what executing it does
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	_ "github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/sdk"
)

// null reads nothing and finds nothing: what is left is the way there and back.
var null = ktstr.Parser{
	Description: ktstr.Description{Name: "null", Version: "1", NoMetrics: true},
	Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, nil },
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "_launch":
			os.Exit(plugin.LauncherMain(os.Args[2:]))
		case "_plugin":
			for _, x := range append(plugins.Plugins(), null) {
				if x.Describe().Name == os.Args[2] {
					sdk.Serve(x)
				}
			}
		}
	}
	rounds := flag.Int("rounds", 60, "rounds of each measurement")
	flag.Parse()
	if err := run(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// subject is something to measure; once measures it one time.
type subject struct {
	name string
	once func() (time.Duration, error)
	goal float64 // of the ratio to the first subject; 0: none
}

func run(rounds int) error {
	dir, err := os.MkdirTemp("", "bench-plugin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	bare, fio := filepath.Join(dir, "bare"), filepath.Join(dir, "ktstr-plugin-fio")
	for out, pkg := range map[string]string{bare: "./bench/plugin/bare", fio: "./plugins/fio/ktstr-plugin-fio"} {
		c := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, pkg)
		c.Stderr = os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("go build %s: %w (run it in the repository's root)", pkg, err)
		}
	}
	data, err := os.ReadFile(fio)
	if err != nil {
		return err
	}
	if grow := 13_000_000 - len(data); grow > 0 {
		// A loader ignores what is behind the sections.
		data = append(data, make([]byte, grow)...)
		if err := os.WriteFile(fio, data, 0o755); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(data)
	launch := []string{"_launch"}
	start := func(c plugin.Config) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			begin := time.Now()
			p, err := plugin.Start(context.Background(), c)
			took := time.Since(begin)
			if err == nil {
				err = p.Close()
			}
			return took, err
		}
	}
	fmt.Printf("exec to first answer (installed plugin: %d bytes)\n", len(data))
	if err := measure(rounds, []subject{
		{"bare go-plugin hello", func() (time.Duration, error) {
			begin := time.Now()
			h, err := startBare(bare)
			if err != nil {
				return 0, err
			}
			defer h.client.Kill()
			err = h.say(nil)
			return time.Since(begin), err
		}, 0},
		{"bundled, no sandbox", start(plugin.Config{Self: []string{"_plugin", "fio"}, Unsandboxed: true}), 0},
		{"bundled", start(plugin.Config{Self: []string{"_plugin", "fio"}}), 1.5},
		{"installed, no sandbox", start(plugin.Config{Path: fio}), 0},
		{"installed", start(plugin.Config{Path: fio, Interface: plugin.GRPC, Launcher: launch}), 2.2},
		{"installed, hashed", start(plugin.Config{Path: fio, Interface: plugin.GRPC, Launcher: launch, SHA256: hex.EncodeToString(sum[:])}), 4.5},
	}); err != nil {
		return err
	}

	h, err := startBare(bare)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	p, err := plugin.Start(context.Background(), plugin.Config{Self: []string{"_plugin", "null"}})
	if err != nil {
		return err
	}
	defer p.Close()
	extract := func(data []byte, calls int) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			begin := time.Now()
			for range calls {
				if _, err := p.Extract(context.Background(), ktstr.Output{Data: data}); err != nil {
					return 0, err
				}
			}
			return time.Since(begin) / time.Duration(calls), nil
		}
	}
	small, big := make([]byte, 64<<10), make([]byte, 16<<20)
	fmt.Println("\n64 KiB, warm")
	if err := measure(rounds*3, []subject{
		{"bare unary call", func() (time.Duration, error) {
			begin := time.Now()
			for range 20 {
				if err := h.say(small); err != nil {
					return 0, err
				}
			}
			return time.Since(begin) / 20, nil
		}, 0},
		{"extract", extract(small, 20), 1.2},
	}); err != nil {
		return err
	}
	fmt.Println("\n16 MiB in pieces of 256 KiB")
	if err := measure(rounds, []subject{
		{"bare stream, thrown away", func() (time.Duration, error) {
			begin := time.Now()
			err := h.swallow(big)
			return time.Since(begin), err
		}, 0},
		{"extract", extract(big, 1), 1.2},
	}); err != nil {
		return err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			fmt.Printf("the plugin's memory at most, after all of that: %s (goal: 40000 kB)\n", strings.Join(strings.Fields(line)[1:], " "))
		}
	}
	fmt.Printf("the sandbox: %v\n", p.Sandbox())
	return nil
}

func measure(rounds int, subjects []subject) error {
	took := make([][]float64, len(subjects))
	for round := range rounds + 3 {
		for i := range subjects {
			at := (i + round) % len(subjects)
			d, err := subjects[at].once()
			if err != nil {
				return fmt.Errorf("%s: %w", subjects[at].name, err)
			}
			if round >= 3 { // the first few warm the caches
				took[at] = append(took[at], float64(d))
			}
		}
	}
	for i, s := range subjects {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = took[i][r] / took[0][r]
		}
		goal := ""
		if s.goal > 0 {
			goal = fmt.Sprintf("   goal %.1f", s.goal)
		}
		fmt.Printf("  %-26s %10v   ratio %.2f%s\n", s.name, time.Duration(median(took[i])).Round(time.Microsecond), median(ratios), goal)
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// bareHost is a go-plugin host as its documentation shows one.
type bareHost struct {
	client *goplugin.Client
	conn   *grpc.ClientConn
}

type helloClient struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (helloClient) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("not a plugin")
}

func (helloClient) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func startBare(path string) (*bareHost, error) {
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BARE", MagicCookieValue: "hello"},
		Plugins:          goplugin.PluginSet{"hello": helloClient{}},
		Cmd:              exec.Command(path),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	conn, err := protocol.Dispense("hello")
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &bareHost{client, conn.(*grpc.ClientConn)}, nil
}

func (h *bareHost) say(data []byte) error {
	return h.conn.Invoke(context.Background(), "/bare.Hello/Say", wrapperspb.Bytes(data), new(emptypb.Empty))
}

func (h *bareHost) swallow(data []byte) error {
	s, err := h.conn.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true}, "/bare.Hello/Swallow")
	if err != nil {
		return err
	}
	for ; len(data) > 0; data = data[min(len(data), 256<<10):] {
		if err := s.SendMsg(wrapperspb.Bytes(data[:min(len(data), 256<<10)])); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	return s.RecvMsg(new(emptypb.Empty))
}
