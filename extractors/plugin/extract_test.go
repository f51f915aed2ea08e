package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
)

// A plugin that answers with a gRPC status is alive: what it said is told, and it
// is not started again. C29
func TestAnswersWithStatus(t *testing.T) {
	t.Parallel()
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

// C29
func TestLimits(t *testing.T) {
	t.Parallel()
	config := own(t, "many")
	config.ExtractTimeout = 10 * time.Minute
	p := startConfig(t, config)
	x, err := p.Extract(context.Background(), ktstr.Output{})
	if err != nil || len(x.Metrics) != 200_000 || x.Metrics[199_999].Name != "jobs.199999.iops" {
		t.Errorf("200,000 metrics: got %d, %v", len(x.Metrics), err)
	}
	for _, c := range []struct{ name, want string }{
		{"flood", "the answer exceeds 256 MiB"},
		{"lump", "larger than max"},
	} {
		config := own(t, c.name)
		config.ExtractTimeout = 10 * time.Minute
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
	t.Parallel()
	p := &Plugin{config: Config{ExtractTimeout: 10 * time.Second}}
	if got := p.extractTimeout(ktstr.Output{}); got != 10*time.Second {
		t.Errorf("empty: got %v", got)
	}
	if got := p.extractTimeout(ktstr.Output{Data: make([]byte, 16<<20)}); got != 26*time.Second {
		t.Errorf("16 MiB: got %v", got)
	}
}

func TestBigCapture(t *testing.T) {
	t.Parallel()
	p := start(t, "echo")
	out := ktstr.Output{Stream: ktstr.Stdout, Data: bytes.Repeat([]byte("0123456789abcdef"), 1<<20)}
	got, err := p.Extract(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := echo(out)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// C29: a value that is not finite stays, as it does in process.
func TestNotFiniteAsInProcess(t *testing.T) {
	t.Parallel()
	over := startConfig(t, Config{Name: "moody", Self: []string{"_plugin", "moody"}})
	within := ktstr.Parser{Description: over.Describe(), Parse: moody}
	scripted := startConfig(t, Config{Name: "script", Interface: Script, Launcher: []string{"_launch"},
		Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+`
echo '{"metric": "good", "value": 1}'
case $(cat) in
nan) echo '{"metric": "p99", "value": NaN}' ;;
inf) echo '{"metric": "p99", "value": -1e999}' ;;
esac
`)})
	for _, capture := range []string{"nan", "inf"} {
		streams := []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte(capture)}}
		want := extract.Run(t.Context(), within, streams, nil)
		if want.Status != extract.OK || len(want.Metrics) != 2 || len(want.Diagnostics) != 1 || want.Diagnostics[0].Code != ktstr.NotFinite {
			t.Fatalf("%s in process: %+v", capture, want)
		}
		for _, p := range []*Plugin{over, scripted} {
			got := extract.Run(t.Context(), p, streams, nil)
			if got.Status != want.Status || fmt.Sprint(got.Metrics) != fmt.Sprint(want.Metrics) || !reflect.DeepEqual(got.Diagnostics, want.Diagnostics) {
				t.Errorf("%s, plugin %s: got %+v, want %+v", capture, p.Describe().Name, got, want)
			}
		}
	}
}

// C29
func TestExtractFaults(t *testing.T) {
	t.Parallel()
	patient := start(t, "moody")
	hasty := startConfig(t, Config{Name: "moody", Self: []string{"_plugin", "moody"}, ExtractTimeout: 300 * time.Millisecond})
	for _, c := range []struct {
		capture string
		fault   Fault
		texts   []string // in the message
	}{
		{"error", Failed, []string{"plugin moody: extract: failed: the report has no version line: want sysbench 1.0"}},
		{"panic", Panicked, []string{"index of the parser is out of range", "panic: index of"}},
		{"exit", Exited, []string{"exit status 7", "license server unreachable", "to fd 1 of old"}},
		{"hang", Hung, []string{"no answer within 300ms"}},
		{"long", BadAnswer, []string{"1048576 bytes", "want at most 16384"}},
		{"unnamed", BadAnswer, []string{"a metric has no name"}},
		{"polarity", BadAnswer, []string{`"sideways": want higher`}},
	} {
		p := patient
		if c.fault == Hung {
			p = hasty
		}
		x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(c.capture)})
		var e *Error
		if !errors.As(err, &e) || e.Fault != c.fault || e.Plugin != "moody" || e.Op != "extract" || len(x.Metrics) != 0 {
			t.Errorf("%s: got %+v, error %#v; want fault %q and no metrics", c.capture, x, err, c.fault)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(e.Error(), text) {
				t.Errorf("%s: error %q does not say %q", c.capture, e, text)
			}
		}
		// The plugin still serves, if need be as a new process.
		p.config.ExtractTimeout = 10 * time.Minute
		x, err = p.Extract(context.Background(), ktstr.Output{Data: []byte("fine")})
		if err != nil || len(x.Metrics) != 1 {
			t.Errorf("after %s: got %+v, %v", c.capture, x, err)
		}
	}
	x, err := patient.Extract(context.Background(), ktstr.Output{Data: []byte("latin1")})
	if err != nil || x.Metrics[1].Name != "caf\uFFFD" || len(x.Diagnostics) != 1 || x.Diagnostics[0].Code != ktstr.InvalidText {
		t.Errorf("latin1: got %+v, %v", x, err)
	}
}

func TestExtractCancelled(t *testing.T) {
	t.Parallel()
	p := start(t, "moody")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Extract(ctx, ktstr.Output{Data: []byte("hang")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}
