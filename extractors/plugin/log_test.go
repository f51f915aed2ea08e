package plugin

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
)

// lockedBuffer may be written by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// logTo returns a Config that logs to the buffer at that level.
func logTo(to *lockedBuffer, level string, c Config) Config {
	c.Log = hclog.New(&hclog.LoggerOptions{Name: "ktstr", Level: hclog.LevelFromString(level), Output: to})
	return c
}

// checkLog fails the test unless the log has a line with each of the texts, in
// that order, and no control characters.
func checkLog(t *testing.T, log string, texts ...string) {
	t.Helper()
	rest := log
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Errorf("no line with %q in the rest of the log:\n%s", text, rest)
			return
		}
		_, rest, _ = strings.Cut(after, "\n")
	}
	if i := strings.IndexFunc(log, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
		t.Errorf("a control character in the log: %q", log[i:])
	}
}

func TestLogOfLifecycle(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	p := startConfig(t, logTo(&log, "debug", self("moody")))
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Extract(context.Background(), ktstr.Output{Stream: ktstr.Stdout, Data: []byte("fine")}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	checkLog(t, log.String(),
		"[DEBUG] ktstr.go-plugin: waiting for RPC address",
		"[DEBUG] ktstr: handshake: plugin=\"\" took=",
		"[DEBUG] ktstr: describe: ", "[DEBUG] ktstr: start: plugin=moody took=",
		"[DEBUG] ktstr: freeze: plugin=moody took=", "[DEBUG] ktstr: thaw: plugin=moody took=",
		"[DEBUG] ktstr: extract: plugin=moody took=", "[DEBUG] ktstr: stop: plugin=moody took=")
	if !strings.Contains(log.String(), "stream=stdout bytes=4 metrics=1") || !strings.Contains(log.String(), "launch=") {
		t.Errorf("sizes and durations are missing:\n%s", log.String())
	}
}

func TestLogOfFaults(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	p := startConfig(t, logTo(&log, "warn", self("moody")))
	p.Extract(context.Background(), ktstr.Output{Data: []byte("exit")})
	p.Extract(context.Background(), ktstr.Output{Data: []byte("error")})
	checkLog(t, log.String(), "[WARN]  ktstr: extract failed: plugin=moody took=", "[WARN]  ktstr: extract failed: plugin=moody took=")
	for _, text := range []string{"fault=exited", `exit="exit status 7"`, "license server unreachable", "fault=failed", "the report has no version line"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, log.String())
		}
	}
}

// A plugin cannot write control characters to the terminal through the log.
func TestLogEscapesControlCharacters(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	c := logTo(&log, "trace", Config{Launcher: []string{"_launch"}, Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+
		`printf 'red \033[31m\r bell \007 \342\200\256' >&2; printf '{"error": "no \\u001b[31m"}'`+"\n")})
	p := startConfig(t, c)
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err == nil {
		t.Error("want an error")
	}
	_, err := startPatiently(context.Background(), logTo(&log, "trace", self("control")))
	if err == nil {
		t.Error("want an error")
	}
	checkLog(t, log.String(), "[DEBUG] ktstr: run: ", "[WARN]  ktstr: extract failed: ", "[WARN]  ktstr: start failed: ")
}

// Without a Log the host is silent and works.
func TestNoLog(t *testing.T) {
	t.Parallel()
	p := startConfig(t, self("echo"))
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Error(err)
	}
}
