package plugin

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
)

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
			if name == "GOMAXPROCS" { // set if no cgroup limits the plugin
				continue
			}
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

// A file that only root may execute still runs, as another user.
func TestPrivateExecutable(t *testing.T) {
	t.Parallel()
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

// TestBothWays gives one capture to a plugin that is its own executable and to
// the same one served by the host's executable.
func TestBothWays(t *testing.T) {
	t.Parallel()
	code := -1
	out := ktstr.Output{
		Stream: "file:a b", Data: []byte("some\x00bytes\xff"), Truncated: true, ExitCode: &code,
		Argv: []string{"fio", "--name=\xff"}, Options: map[string]string{"report": "last"},
	}
	want, err := echo(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{{Name: "echo", Self: []string{"_plugin", "echo"}}, {Path: testkit.Executable(t, "echo")}, {Path: testkit.Executable(t, "echo"), Launcher: []string{"_launch"}}} {
		p := startConfig(t, c)
		t.Logf("sandbox: %v", p.Sandbox())
		got, err := p.Extract(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v:\n got %+v\nwant %+v", c, got, want)
		}
		got, err = p.Extract(context.Background(), ktstr.Output{})
		if err != nil || len(got.Metrics) != 2 || got.Metrics[0].Value != 0 {
			t.Errorf("%+v: empty output: got %+v, %v", c, got, err)
		}
	}
}

// C29
func TestStartFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config Config
		fault  Fault
		texts  []string
	}{
		{Config{Name: "no-start", Self: []string{"_plugin", "no-start"}}, CannotStart, []string{"plugin no-start: cannot start: it ended without a handshake line on its standard output (exit status 3)", "libwanted.so.1 is not there"}},
		{Config{Path: "/nonexistent/ktstr-plugin-x"}, CannotStart, []string{"/nonexistent/ktstr-plugin-x", "no such file"}},
		{Config{Path: "/dev"}, Refused, []string{"/dev", "is a directory"}},
		{Config{Self: []string{"_plugin", "silent"}, StartTimeout: 200 * time.Millisecond}, CannotStart, []string{"no handshake line", "within 200ms"}},
		{Config{Name: "fio", Self: []string{"_plugin", "echo"}}, BadAnswer, []string{`calls itself "echo": want "fio"`}},
		{Config{}, Refused, []string{"want either a Path or Self"}},
	} {
		p, err := startPatiently(context.Background(), c.config)
		var e *Error
		if p != nil || !errors.As(err, &e) || e.Fault != c.fault {
			t.Errorf("%+v: got %v, %v; want fault %q", c.config, p, err, c.fault)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(e.Error(), text) {
				t.Errorf("%+v: error %q does not say %q", c.config, e, text)
			}
		}
	}
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := startPatiently(ctx, Config{Self: []string{"_plugin", "silent"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := startPatiently(gone, Config{Self: []string{"_plugin", "echo"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
