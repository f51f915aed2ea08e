package core

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
)

// tool is a payload whose program is that shell script; its version is asked.
func tool(t *testing.T, script string) payload.Payload {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return payload.Payload{Name: "tool", Binary: path, Needs: []payload.Need{{Binary: path}}}
}

var nothing = ktstr.Parser{
	Description: ktstr.Description{Name: "nothing", Version: "1", NoMetrics: true},
	Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, nil },
}

// A program that does not end when it is asked is killed, its processes with
// it, what it printed counts, and it is not asked another thing.
func TestProbeOfAHangingProgram(t *testing.T) {
	asked := filepath.Join(t.TempDir(), "asked")
	p := tool(t, `echo "$1" >> `+asked+`; echo tool 1.2; exec sleep 1000`)
	within := time.Millisecond // longer where the machine did not get to the script
	for {
		prober := Prober{timeout: within}
		found, err := prober.Ask(t.Context(), p.Needs[0], true)
		if err != nil || found.Help != "" || !strings.Contains(found.Problem, p.Binary+" --version: killed: it had not ended after "+within.String()+": want version_args") {
			t.Fatalf("got %+v, %v; want its version, and what hung", found, err)
		}
		if found.Version == "1.2" {
			break
		}
		within *= 2
	}
	if text, err := os.ReadFile(asked); err != nil || strings.Contains(string(text), "--help") {
		t.Errorf("asked %q, %v; want no --help", text, err)
	}
}

// The end of the context is the end of the probe, and of all that it started.
func TestCancelledProbe(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Spec{Payload: tool(t, `exec 9> `+ready+`; setsid sleep 1000 & echo >&9; sleep 1000`), Extractor: nothing}
	for name, ask := range map[string]func(context.Context) error{
		"Prepare": func(ctx context.Context) error { _, err := Prepare(ctx, s); return err },
		"Run":     func(ctx context.Context) error { _, err := Run(ctx, s); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ask(ctx) }()
		f, err := os.Open(ready)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(f)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "payload tool: ") {
			t.Errorf("%s: got %v; want it canceled", name, err)
		}
		if _, err := io.ReadAll(r); err != nil { // to the end: nobody holds it
			t.Error(err)
		}
		f.Close()
	}
}

// The runs of one Prepared, and other runs prepared by the same Prober, ask the
// program once.
func TestProgramIsAskedOnce(t *testing.T) {
	asked := filepath.Join(t.TempDir(), "asked")
	p := tool(t, `case "$1" in --version) echo x >> `+asked+`; echo tool 1.2;; esac`)
	p.Variants = []payload.Variant{{When: payload.When{Version: ">= 1.2"}, Args: []string{"--new"}}}
	var prober Prober
	for range 2 {
		prepared, err := prober.Prepare(t.Context(), Spec{Payload: p, Extractor: nothing})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h, err := prepared.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, err := h.Wait()
			if err != nil || r.Tool != "1.2" || r.Argv[len(r.Argv)-1] != "--new" {
				t.Errorf("got tool %q, %q, %v; want 1.2, and the args of its variant", r.Tool, r.Argv, err)
			}
		}
	}
	if text, err := os.ReadFile(asked); string(text) != "x\n" {
		t.Errorf("asked %q, %v; want once", text, err)
	}
}
