package plugin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
)

// C29
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
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
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				config.StartTimeout = time.Minute
				if c.name == "no-noise-no-line" {
					config.StartTimeout = time.Second
				}
				if c.fault == Hung {
					config.DescribeTimeout = 300 * time.Millisecond
				}
				p, err := startPatiently(context.Background(), config)
				if p != nil {
					p.Close()
				}
				var e *Error
				if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(e.Error(), c.want) {
					t.Errorf("got %v; want %s with %q", err, c.fault, c.want)
				}
			})
		}
	}
}

// Only the process that was started may answer.
func TestPeer(t *testing.T) {
	t.Parallel()
	c := bare(self("wrapper"))
	if p, err := startPatiently(context.Background(), c); err == nil || !strings.Contains(err.Error(), "answers on the plugin's socket") {
		t.Errorf("got %v, %v; want the other process refused", p, err)
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{bare(self("noisy")), own(t, "noisy")} {
		p := startConfig(t, c)
		for range 3 {
			if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
				t.Fatalf("got %+v, %v", x, err)
			}
		}
	}
}
