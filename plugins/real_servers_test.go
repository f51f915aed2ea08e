package plugins_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
)

// TestSoakServers runs the tools that measure a server, on servers of this test alone. They
// listen on a Unix socket and end with the test.
func TestSoakServers(t *testing.T) {
	if os.Getenv("KTSTR_SOAK") == "" {
		t.Skip("needs PostgreSQL and Redis: KTSTR_SOAK=1 runs it, after make soak installed them")
	}
	t.Run("redis-benchmark", func(t *testing.T) {
		dir := serverDir(t)
		socket := filepath.Join(dir, "redis.sock")
		start(t, dir, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
		realRun(t, "redis-benchmark", ktstr.Stdout, map[string]string{
			"SET.rps": `(?s)===== SET =.*?throughput summary: (\S+)`, "SET.latency.mean": `(?s)===== SET =.*?\bavg .*?\n +([\d.]+)`,
			"GET.rps": `(?s)===== GET =.*?throughput summary: (\S+)`, "GET.latency.p99": `(?s)===== GET =.*?\bavg .*?\n(?: +[\d.]+){4} +([\d.]+)`,
		}, "redis-benchmark", "-s", socket, "-n", "2000", "-c", "4", "-t", "set,get")
		realRun(t, "redis-benchmark", ktstr.Stdout, map[string]string{
			"SET.rps": `"SET","([\d.]+)"`, "GET.latency.max": `"GET".*,"([\d.]+)"`,
		}, "redis-benchmark", "-s", socket, "-n", "2000", "-c", "4", "-t", "set,get", "--csv")
	})
	t.Run("pgbench", func(t *testing.T) {
		bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian's, not in PATH
		if len(bin) == 0 {
			t.Fatal("PostgreSQL is missing: make soak installs it")
		}
		dir := serverDir(t)
		data := filepath.Join(dir, "data")
		run(t, dir, filepath.Join(bin[0], "initdb"), "-D", data, "-U", "bench", "-A", "trust", "--no-sync")
		start(t, dir, filepath.Join(bin[0], "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
		client := []string{"pgbench", "-h", dir, "-U", "bench", "postgres"}
		run(t, dir, append(client, "-i", "-q")...)
		realRun(t, "pgbench", ktstr.Stdout, map[string]string{
			"tps": `tps = (\S+) \(without`, "latency.mean": `latency average = (\S+) ms`, "transactions.processed": `actually processed: (\d+)`,
		}, append(client, "-T", "1", "-c", "2")...)
		realRun(t, "pgbench", ktstr.Stdout, map[string]string{
			"tps": `tps = (\S+) \(without`, "latency.stddev": `latency stddev = (\S+) ms`, "statement.2.latency": `(?m)^ +(\S+) +\d+ +SELECT abalance`,
		}, append(client, "-S", "-r", "-t", "200", "-P", "1")...)
	})
}

// serverDir returns a new directory of the user that serverCommand runs as.
func serverDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "ktstr-server") // t.TempDir is not open to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serverCommand returns a command in dir. Root runs it as nobody, because PostgreSQL
// refuses to run as root.
func serverCommand(dir string, argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

func run(t *testing.T, dir string, argv ...string) {
	t.Helper()
	if out, err := serverCommand(dir, argv...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

// start starts a server, waits for the line that says that it is ready, and stops it at the
// end of the test.
func start(t *testing.T, dir string, argv ...string) {
	t.Helper()
	cmd := serverCommand(dir, argv...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatalf("%q: %v: make soak installs it", argv, err)
	}
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT) // PostgreSQL then stops its own processes at once
		cmd.Wait()
		late.Stop()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "ready to accept connections") {
			return
		}
		said.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("%q ended: %s", argv, said.String())
}
