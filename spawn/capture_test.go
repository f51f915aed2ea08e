package spawn

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestStreamsAreCapturedApart(t *testing.T) { // C6
	res := mustRun(t, help("out=hello", "err=world", "exit=7"))
	if got, want := string(res.Stdout.Data), "hello"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got, want := string(res.Stderr.Data), "world"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	if res.ExitCode != 7 || res.Signal != "" || res.Cause != CauseNone { // C9
		t.Errorf("got exit %d, signal %q, cause %q", res.ExitCode, res.Signal, res.Cause)
	}
	if !res.Stdout.Complete || !res.Stderr.Complete || res.Stdout.Truncated {
		t.Errorf("stdout %+v, stderr %+v: want both complete", res.Stdout, res.Stderr)
	}
}

func TestCapture(t *testing.T) { // C6, C7
	for _, tt := range []struct {
		limit     int64
		write     int
		kept      int
		truncated bool
	}{
		{0, 100 << 20, DefaultLimit, true},
		{0, DefaultLimit, DefaultLimit, false},
		{0, DefaultLimit + 1, DefaultLimit, true},
		{10, 11, 10, true},
		{10, 10, 10, false},
		{-1, 100_000, 0, true},
	} {
		c := help("flood="+strconv.Itoa(tt.write), "flooderr="+strconv.Itoa(tt.write))
		c.Limit = tt.limit
		res := mustRun(t, c)
		for _, s := range []Capture{res.Stdout, res.Stderr} {
			if len(s.Data) != tt.kept || s.Bytes != int64(tt.write) || s.Truncated != tt.truncated || !s.Complete {
				t.Errorf("limit %d, %d written: kept %d of %d, truncated %v, complete %v", tt.limit, tt.write, len(s.Data), s.Bytes, s.Truncated, s.Complete)
			}
		}
		if res.ExitCode != 0 {
			t.Errorf("limit %d, %d written: exit %d", tt.limit, tt.write, res.ExitCode)
		}
	}
}

func TestBackgroundCapturesBeforeWait(t *testing.T) { // C6
	p, err := Start(context.Background(), help("flood="+strconv.Itoa(100<<20), "out=end"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done() // the payload could write everything although no call waited
	res, ok, err := p.TryWait()
	if !ok || err != nil || res.Stdout.Bytes != 100<<20+3 || len(res.Stdout.Data) != DefaultLimit {
		t.Fatalf("got %v %v, %d bytes seen, %d kept", ok, err, res.Stdout.Bytes, len(res.Stdout.Data))
	}
}

// A leader that closes one stream goes on writing to the other.
func TestStreamsEndApart(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		c := set(help("err=said", "close=2", "out=more", "exit=1"))
		res := mustRun(t, c)
		if string(res.Stdout.Data) != "more" || string(res.Stderr.Data) != "said" || !res.Stdout.Complete || !res.Stderr.Complete {
			t.Errorf("stdout %q, stderr %q", res.Stdout.Data, res.Stderr.Data)
		}
	})
}

func TestTee(t *testing.T) { // C7
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	c := help("flood=3000000", "flooderr=200000")
	c.TeeStdout, c.TeeStderr, c.Limit = out, full, 1000
	res := mustRun(t, c)
	out.Close()
	text, err := os.ReadFile(out.Name())
	if err != nil || len(text) != 3000000 || !bytes.HasPrefix(text, res.Stdout.Data) || len(res.Stdout.Data) != 1000 {
		t.Errorf("copy of %d bytes, capture of %d, %v", len(text), len(res.Stdout.Data), err)
	}
	if res.Stderr.Bytes != 200000 || res.ExitCode != 0 {
		t.Errorf("a full disk disturbed the payload: %d bytes seen, exit %d", res.Stderr.Bytes, res.ExitCode)
	}
	notices := strings.Join(res.Notices, "\n")
	for _, want := range []string{"stdout: 3000000 bytes were printed and the first 1000", "stderr: its full copy stopped", "no space left"} {
		if !strings.Contains(notices, want) {
			t.Errorf("notices %q, want %q", notices, want)
		}
	}
}

func TestReleasedBuffersAreUsedAgain(t *testing.T) { // C7
	for i := range 5 {
		res := mustRun(t, help("flood="+fmt.Sprint(2<<20+i), "err=x"))
		for j, b := range res.Stdout.Data {
			if b != "0123456789abcdef"[j%16] {
				t.Fatalf("run %d: byte %d is %q", i, j, b)
			}
		}
		res.Release()
		if res.Stdout.Data != nil {
			t.Error("data after Release")
		}
	}
}
