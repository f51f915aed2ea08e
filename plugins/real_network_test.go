package plugins_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// realRun runs an installed tool of the distribution and compares metrics with the first
// groups of regular expressions, which read the same output independently.
func realRun(t *testing.T, tool string, stream ktstr.Stream, want map[string]string, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.Dir = t.TempDir()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v: the test needs it: make deps\n%s", argv, err, stderr.String())
	}
	exit := 0
	streams := []ktstr.Output{
		{Stream: ktstr.Stdout, Data: []byte(stdout.String()), ExitCode: &exit, Argv: argv},
		{Stream: ktstr.Stderr, Data: []byte(stderr.String()), ExitCode: &exit, Argv: argv},
	}
	text := stdout.String()
	if stream == ktstr.Stderr {
		text = stderr.String()
	}
	res := extract.Run(t.Context(), inProcess()[tool], streams, nil)
	got := corpustest.ByName(t, res.Metrics)
	for name, expression := range want {
		m := regexp.MustCompile(expression).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("%s: nothing matches %s in\n%s", name, expression, text)
			continue
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
		if g := got[name]; err != nil || g.Value != v || g.Unit == "" || g.Stream != stream {
			t.Errorf("%s is %v %q of %s, want %s with a unit of %s, in\n%s", name, g.Value, g.Unit, g.Stream, m[1], stream, text)
		}
	}
	for _, d := range res.Diagnostics {
		t.Errorf("%s: %s, in\n%s", d.Code, d.Message, text)
	}
}

// freePort returns a port of the loopback interface that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// serve starts a server for the time of a test.
func serve(t *testing.T, argv ...string) *bufio.Scanner {
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("%q: %v: the test needs it: make deps", argv, err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewScanner(out)
}

func TestRealIperf3(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want map[string]string
	}{
		{"-n 64M", map[string]string{"sent.bw": `(\S+) \S+bits/sec +\d+ +sender`, "received.bw": `(\S+) \S+bits/sec +receiver`, "retransmits": `(\d+) +sender`}},
		{"-n 64M -J", map[string]string{
			"sent.bw":     `(?s).*"sum_sent":.*?"bits_per_second":\s*([\d.e+]+)`,
			"received.bw": `(?s).*"sum_received":.*?"bits_per_second":\s*([\d.e+]+)`,
		}},
		{"-u -b 10M -l 1400 -t 1 -J", map[string]string{
			"jitter":       `(?s).*"sum_received":.*?"jitter_ms":\s*([\d.e+-]+)`,
			"lost.percent": `(?s).*"sum_received":.*?"lost_percent":\s*([\d.e+-]+)`,
		}},
	} {
		port := freePort(t)
		lines := serve(t, "iperf3", "-s", "-1", "-p", port, "-B", "127.0.0.1", "--forceflush")
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "Server listening") {
		}
		realRun(t, "iperf3", ktstr.Stdout, c.want, append([]string{"iperf3", "-c", "127.0.0.1", "-p", port}, strings.Fields(c.args)...)...)
	}
}

func TestRealHTTPClients(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	defer server.Close()
	realRun(t, "ab", ktstr.Stdout, map[string]string{
		"rps": `Requests per second: +(\S+)`, "latency.mean": `Time per request: +(\S+) \[ms\] \(mean\)`, "bw.received": `Transfer rate: +(\S+)`, "latency.p99": `99% +(\d+)`,
	}, "ab", "-q", "-n", "50", "-c", "2", server.URL+"/")
	realRun(t, "h2load", ktstr.Stdout, map[string]string{
		"rps": `finished in \S+ (\S+) req/s`, "latency.mean": `time for request: +\S+ +\S+ +([\d.]+)`, "requests.succeeded": `(\d+) succeeded`,
	}, "h2load", "--h1", "-n", "50", "-c", "2", server.URL+"/")
	realRun(t, "wrk", ktstr.Stdout, map[string]string{
		"rps": `Requests/sec: +(\S+)`, "latency.mean": `Latency +([\d.]+)`, "requests.total": `(\d+) requests in`,
	}, "wrk", "-t", "1", "-c", "2", "-d", "1", server.URL+"/")
}

func TestRealSockperf(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	serve(t, "sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", port)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server of sockperf does not listen")
		}
	}
	realRun(t, "sockperf", ktstr.Stdout, map[string]string{
		"latency.mean": `avg-latency=([\d.]+)`, "latency.p99": `percentile 99.000 = +([\d.]+)`, "observations": `Total (\d+) observations`,
	}, "sockperf", "pp", "--tcp", "-i", "127.0.0.1", "-p", port, "-t", "1", "--mps", "1000")
}

func TestRealPerf(t *testing.T) {
	t.Parallel()
	realRun(t, "perf-stat", ktstr.Stderr, map[string]string{
		"task-clock:u": `([\d.,]+) msec task-clock:u`, "page-faults:u": `([\d,]+) +page-faults:u`, "time.elapsed": `([\d.]+) seconds time elapsed`,
	}, "perf", "stat", "-e", "task-clock:u,page-faults:u", "true") // perf adds :u for another user than root
	realRun(t, "perf-stat", ktstr.Stderr, map[string]string{"task-clock:u": `(?m)^([\d.]+),msec,task-clock:u`, "page-faults:u": `(?m)^(\d+),,page-faults:u`},
		"perf", "stat", "-x,", "-e", "task-clock:u,page-faults:u", "true")
	realRun(t, "perf-bench", ktstr.Stdout, map[string]string{"sched.pipe.time": `Total time: (\S+)`, "sched.pipe.latency": `(\S+) usecs/op`, "sched.pipe.rate": `(\S+) ops/sec`},
		"perf", "bench", "sched", "pipe", "-l", "500")
	realRun(t, "perf-bench", ktstr.Stdout, map[string]string{"mem.memcpy.default.bw": `([\d.]+) GB/sec`}, "perf", "bench", "mem", "memcpy", "-s", "1MB", "-l", "50", "-f", "default")
	realRun(t, "perf-bench", ktstr.Stdout, map[string]string{"futex.hash.rate": `Averaged (\d+)`}, "perf", "bench", "futex", "hash", "-r", "1", "-t", "1")
}

func TestRealHyperfine(t *testing.T) {
	t.Parallel()
	realRun(t, "hyperfine", ktstr.Stdout, map[string]string{"echo_1.mean": `"mean": ([\d.e-]+)`, "echo_1~2.max": `(?s).*"max": ([\d.e-]+)`},
		"hyperfine", "-N", "-r", "2", "--style", "none", "--export-json", "/dev/stdout", "echo 1", "echo 1")
}
