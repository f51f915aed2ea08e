package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/fleettest"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/testenv"
)

// The test binary is also ktstr on the hosts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case fleet.AttachVerb:
			os.Exit(fleet.Attach(os.Args[2], os.Stdin, os.Stdout))
		case fleet.JobVerb:
			os.Exit(fleet.Job(os.Args[2], os.Args[3], os.Args[4], makeRuns))
		}
	}
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0")) // of the processes that a test starts
	os.Exit(m.Run())
}

// makeRuns makes as many runs as the first argument of the request says. The others are the
// payload's command line.
func makeRuns(s fleet.Setup) int {
	ctx, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	n, _ := strconv.Atoi(s.Args[0])
	spec := core.Spec{
		Payload:   payload.Payload{Name: "x", Binary: s.Args[1], Args: s.Args[2:]},
		Extractor: extractors.ExitCode(), NoCgroup: true, Labels: map[string]string{runs.LabelSet: s.Set + ".x"},
	}
	for i := range n {
		sink, err := bundle.Create(s.Out)
		if err != nil {
			fmt.Fprintln(s.Stderr, err)
			return core.ExitRun
		}
		spec.Sinks = []core.Sink{sink}
		prepared, err := core.Prepare(ctx, spec)
		if err != nil {
			fmt.Fprintln(s.Stderr, err)
			return core.ExitRun
		}
		h, err := prepared.Start(ctx)
		if err != nil {
			fmt.Fprintln(s.Stderr, err)
			return core.ExitRun
		}
		fmt.Fprintf(s.Stderr, "run %d began\n", i+1)
		r, _ := h.Wait()
		if r.Interrupted {
			return core.ExitInterrupted
		}
	}
	return core.ExitPass
}

// A world is a client with its hosts.
type world struct {
	t      *testing.T
	engine fleettest.Engine
	client fleet.Client
	saved  *fleet.Saved
}

// newWorld returns a client that wants runs of a command on some hosts.
func newWorld(t *testing.T, hosts []string, args ...string) *world {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	w := &world{t: t, engine: fleettest.Engine{Dir: filepath.Join(dir, "hosts"), Names: hosts}}
	t.Cleanup(func() {
		if err := w.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, h := range hosts {
		if err := os.MkdirAll(filepath.Join(w.engine.Dir, h), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	request, err := fleet.Request{Set: "set-1", Args: args}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	self, err := testenv.Program()
	if err != nil {
		t.Fatal(err)
	}
	w.saved = &fleet.Saved{Set: "set-1", Order: fleet.SavedOrder{Request: request, Ktstr: fleet.File{Path: self}}}
	w.client = fleet.Client{Engine: "test", Root: filepath.Join(dir, "runs"), Saved: w.saved}
	return w
}

// run makes the runs.
func (w *world) run(stop chan os.Signal) []fleet.Result {
	w.t.Helper()
	w.client.Order = w.saved.Order.Order(w.saved.Set)
	hosts, err := w.engine.Submit(w.t.Context(), w.client.Order)
	if err != nil {
		w.t.Fatal(err)
	}
	w.saved.Placed(hosts)
	if err := w.saved.Write(); err != nil {
		w.t.Fatal(err)
	}
	w.client.Hosts = hosts
	return w.client.Run(w.t.Context(), stop)
}

// files returns the files of a job that are left on a host.
func (w *world) files(host string) []string {
	left, err := filepath.Glob(filepath.Join(w.engine.Dir, host, "ktstr", "jobs", "*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return left
}

// C47
func TestEveryHostGivesRunsOrAnError(t *testing.T) {
	w := newWorld(t, []string{"n1", "n2", "n3"}, "2", "/bin/true")
	if err := os.RemoveAll(filepath.Join(w.engine.Dir, "n2")); err != nil {
		t.Fatal(err)
	}
	for i, r := range w.run(nil) {
		want := 2
		if i == 1 {
			want = 0
		}
		if len(r.Runs) != want || (r.Err == nil) != (i != 1) {
			t.Errorf("host %s: %d runs, error %v; want %d runs, or the error", r.Name, len(r.Runs), r.Err, want)
		}
		if left := w.files(r.Name); left != nil {
			t.Errorf("host %s: %v are left there", r.Name, left)
		}
	}
	if _, err := fleet.Resume("set-1"); err != nil {
		t.Errorf("the host that was down cannot be resumed: %v", err)
	}
}

// A request to stop ends the payload and keeps the run that was interrupted.
func TestStopEndsTheRunsOfEveryHost(t *testing.T) {
	w := newWorld(t, []string{"n1", "n2"}, "3", "/bin/sleep", "1000")
	stop := make(chan os.Signal)
	begun := 0
	w.client.Note = func(_ int, state string) {
		if strings.HasSuffix(state, " began") {
			if begun++; begun == 2 {
				go func() { stop <- syscall.SIGINT }()
			}
		}
	}
	for _, r := range w.run(stop) {
		if r.Status != core.ExitInterrupted || len(r.Runs) != 1 || !r.Runs[0].Record.Interrupted {
			t.Errorf("host %s: status %d, %d runs, error %v; want %d and one interrupted run", r.Name, r.Status, len(r.Runs), r.Err, core.ExitInterrupted)
		}
	}
}

// If the connection is cut, the run ends with it, and a new connection collects it.
func TestCutConnectionEndsTheRun(t *testing.T) {
	w := newWorld(t, []string{"n1"}, "3", "/bin/sleep", "1000")
	first := true
	var connection fleet.Conn
	w.engine.Wrap = func(_ string, c fleet.Conn) fleet.Conn {
		if first {
			first = false
			connection = c
		}
		return c
	}
	w.client.Note = func(_ int, state string) {
		if strings.HasSuffix(state, "run 1 began") {
			go connection.Close()
		}
	}
	r := w.run(nil)[0]
	if r.Status != core.ExitInterrupted || len(r.Runs) != 1 || r.Err == nil || !strings.Contains(r.Err.Error(), "connection was lost") {
		t.Errorf("status %d, %d runs, error %v; want %d, the interrupted run, and that the connection was lost", r.Status, len(r.Runs), r.Err, core.ExitInterrupted)
	}
}

// Runs that were detached go on without a connection, and are collected later, once.
func TestDetachAndResume(t *testing.T) {
	w := newWorld(t, []string{"n1"}, "1", "/bin/sleep", "0.1")
	w.saved.Order.Detach = true
	if r := w.run(nil)[0]; !r.Detached || r.Err != nil || len(r.Runs) != 0 {
		t.Fatalf("detached %v, error %v, %d runs; want a job that goes on", r.Detached, r.Err, len(r.Runs))
	}
	for try := range 2 {
		saved, err := fleet.Resume("set-1.x")
		if try == 1 {
			if err == nil {
				t.Error("the set can be resumed after all of its runs were collected")
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		saved.Order.Detach = false
		w.saved, w.client.Saved = saved, saved
		if r := w.run(nil)[0]; r.Err != nil || len(r.Runs) != 1 || r.Status != core.ExitPass {
			t.Errorf("%d runs, status %d, error %v; want one run", len(r.Runs), r.Status, r.Err)
		}
	}
}

// A client that was killed after it kept the runs, and before it told the host so, does not
// get them twice.
func TestRunsAreKeptOnce(t *testing.T) {
	w := newWorld(t, []string{"n1"}, "2", "/bin/true")
	silent := func(_ string, c fleet.Conn) fleet.Conn { return mute{c} }
	w.engine.Wrap = silent
	w.run(nil)
	if w.files("n1") == nil {
		t.Fatal("the host removed the runs before it was told so")
	}
	w.engine.Wrap = nil
	w.saved.Hosts[0].Done = false // as if the client was killed before it wrote that
	r := w.run(nil)[0]
	kept, err := runs.Open(w.client.Root).List(runs.Filter{})
	if err != nil || len(kept) != 2 || len(r.Runs) != 2 {
		t.Errorf("%d runs are kept and %d reported, error %v; want 2", len(kept), len(r.Runs), errors.Join(err, r.Err))
	}
	if left := w.files("n1"); left != nil {
		t.Errorf("%v are left on the host", left)
	}
}

// mute loses the message after which the host removes its copy.
type mute struct{ fleet.Conn }

func (m mute) Write(b []byte) (int, error) {
	if strings.Contains(string(b), `"done":true`) {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// The third request to stop ends the connection with a host that does not obey.
func TestThirdStopEndsTheConnection(t *testing.T) { // C47
	w := newWorld(t, []string{"n1"}, "1", "/bin/sleep", "1000")
	w.engine.Wrap = func(_ string, c fleet.Conn) fleet.Conn { return deaf{c} }
	stop := make(chan os.Signal)
	w.client.Note = func(_ int, state string) {
		if strings.HasSuffix(state, " began") {
			go func() {
				for range 3 {
					stop <- syscall.SIGINT
				}
			}()
		}
	}
	if r := w.run(stop)[0]; r.Err == nil || !strings.HasPrefix(r.Err.Error(), "it did not stop") || !r.Stopped || len(r.Runs) != 0 {
		t.Errorf("%d runs, stopped %v, error %v; want that it did not stop", len(r.Runs), r.Stopped, r.Err)
	}
}

// deaf is a host that does not read the request to stop.
type deaf struct{ fleet.Conn }

func (d deaf) Write(b []byte) (int, error) {
	if strings.Contains(string(b), `"stop":true`) {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// A job that was killed on its host gives an error, and not fewer runs in silence.
func TestKilledJobIsNoResult(t *testing.T) {
	w := newWorld(t, []string{"n1"}, "1", "/bin/sleep", "1000")
	w.client.Note = func(_ int, state string) {
		if strings.HasSuffix(state, " began") {
			killJob(w)
		}
	}
	r := w.run(nil)[0]
	if r.Err == nil || len(r.Runs) != 0 {
		t.Errorf("%d runs, error %v; want that the job was killed", len(r.Runs), r.Err)
	}
}

// killJob kills ktstr and its payload on the host.
func killJob(w *world) {
	for _, pid := range w.engine.Processes("n1", false) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// A scheduler takes the request as one line, also that of a resumed order.
func TestSavedRequestIsOneLine(t *testing.T) {
	w := newWorld(t, nil, "2", "/bin/true")
	want := string(w.saved.Order.Request)
	w.saved.Placed(nil)
	if err := w.saved.Write(); err != nil {
		t.Fatal(err)
	}
	saved, err := fleet.Resume("set-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(saved.Order.Order("set-1").Request); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
