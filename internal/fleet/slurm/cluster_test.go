package slurm_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/testenv"
)

// limit is the deadline of what a test waits for, which a loaded machine must not reach.
const limit = 3 * time.Minute

// A cluster is a Slurm cluster on this machine.
type cluster struct {
	dir   string
	env   []string
	ktstr string
}

const script = "../../../scripts/slurm-cluster"

// startCluster starts a cluster with the nodes n1, n2 and so on. shared is "none" for nodes that share no home directory
// with the client, or "home".
func startCluster(t *testing.T, nodes int, shared string) *cluster {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a cluster whose nodes have mount namespaces")
	}
	if out, err := exec.Command(script, "fetch").CombinedOutput(); err != nil {
		t.Skipf("Debian's packages of Slurm cannot be had: %v\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "slurm-") // a short path, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(script, "stop", dir).CombinedOutput(); err != nil {
			t.Errorf("the cluster did not stop: %v\n%s", err, out)
		}
	})
	if out, err := exec.Command(script, "start", dir, strconv.Itoa(nodes), shared).CombinedOutput(); err != nil {
		t.Fatalf("the cluster did not start: %v\n%s", err, out)
	}
	env, err := exec.Command("sh", "-c", ". "+dir+"/env; env").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{dir: dir, env: strings.Split(strings.TrimSpace(string(env)), "\n"), ktstr: filepath.Join(testenv.Build(t, "./cmd/ktstr"), "ktstr")}
}

// command returns a command with the environment of the cluster. It is killed at the limit.
func (c *cluster) command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	if !strings.Contains(name, "/") {
		name = filepath.Join(c.dir, "root/usr/bin", name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = c.env, c.dir
	return cmd
}

// slurm runs a command of Slurm and returns what it printed.
func (c *cluster) slurm(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := c.command(t, name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// bench writes a benchmark and returns its path, which every node sees.
func (c *cluster) bench(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// home is the home directory of the jobs on a node, or of the client for "", if they share none.
func (c *cluster) home(node string) string {
	if node == "" {
		return filepath.Join(c.dir, "home")
	}
	return filepath.Join(c.dir, "node", node)
}

// runs returns the runs of a set that the client kept.
func (c *cluster) runs(t *testing.T, set string) []runs.Run {
	t.Helper()
	list, err := runs.Open(filepath.Join(c.home(""), ".local/state/ktstr/runs")).List(runs.Filter{Set: set})
	if err != nil {
		t.Error(err)
	}
	return list
}

// A client is a running `ktstr run`.
type client struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer

	mu     sync.Mutex
	stderr strings.Builder
	more   chan struct{} // is closed at the next output or at the end
	ended  bool
}

// run starts ktstr with arguments.
func (c *cluster) run(t *testing.T, args ...string) *client {
	t.Helper()
	r := &client{t: t, cmd: c.command(t, c.ktstr, append([]string{"run"}, args...)...), more: make(chan struct{})}
	r.cmd.Stdout = &r.stdout
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := stderr.Read(b)
			r.mu.Lock()
			r.stderr.Write(b[:n])
			r.ended = err != nil
			close(r.more)
			r.more = make(chan struct{})
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return r
}

// said waits until the client printed text on standard error.
func (r *client) said(text string) {
	r.t.Helper()
	for {
		r.mu.Lock()
		said, ended, more := r.stderr.String(), r.ended, r.more
		r.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		if ended {
			r.t.Fatalf("ktstr ended without %q\n%s", text, said)
		}
		<-more
	}
}

// wait waits for the end of the client and returns its exit status and all that it printed.
func (r *client) wait() (status int, said string) {
	for {
		r.mu.Lock()
		ended, more := r.ended, r.more
		r.mu.Unlock()
		if ended {
			break
		}
		<-more
	}
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode(), r.stdout.String() + r.stderr.String()
}

// want waits for the end and checks the exit status and parts of what was printed.
func (r *client) want(status int, parts ...string) string {
	r.t.Helper()
	got, said := r.wait()
	if got != status {
		r.t.Errorf("exit status %d, want %d\n%s", got, status, said)
		return said
	}
	for _, part := range parts {
		if !strings.Contains(said, part) {
			r.t.Errorf("the output lacks %q\n%s", part, said)
		}
	}
	return said
}

// made waits until the payload has made a file.
func (r *client) made(path string) {
	r.t.Helper()
	until(r.t, path, func() bool {
		_, err := os.Stat(path)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil && r.ended {
			r.t.Fatalf("ktstr ended before the payload began\n%s", r.stderr.String())
		}
		return err == nil
	})
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.Now().Add(limit); !holds(); <-again.C {
		if time.Now().After(late) {
			t.Fatalf("it takes too long: %s", what)
		}
	}
}

var printedSet = regexp.MustCompile(`set-[0-9TZ]+-[0-9a-f]+`)

// empty checks that nothing of a set is left on a node.
func (c *cluster) empty(t *testing.T, set, node string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(c.home(node), ".local/state/ktstr/jobs", set+"*")); left != nil {
		t.Errorf("files are left on %s: %v", node, left)
	}
}

// A small cluster whose nodes share no directory with the client. The cases use a node each, next to each other.
func TestCluster(t *testing.T) { // C47
	t.Parallel()
	c := startCluster(t, 3, "none")
	bench := c.bench(t, "bench", `echo '{"iops": 5000}'`)
	said := c.run(t, bench, "--on", "slurm", "--nodes", "n[1-3]", "--repeat", "2", "--higher", "iops").
		want(0, "3 hosts: 3 passed\n", "n2: receives ktstr", "the default time limit of slurm: want --timeout")
	set := printedSet.FindString(said)
	kept := c.runs(t, set+".bench")
	jobs := map[string]int{}
	for _, r := range kept {
		if w := r.Record.Where; w != nil && w.Engine == "slurm" {
			jobs[w.Host+" "+w.Job]++
		}
	}
	if len(kept) != 6 || len(jobs) != 3 || strings.Count(c.slurm(t, "squeue", "-ht", "all", "-o", "%j"), "ktstr-") != 3 {
		t.Errorf("%d runs of the jobs %v: want 6 of 3", len(kept), jobs)
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		c.empty(t, set, node)
		if kit, _ := filepath.Glob(filepath.Join(c.home(node), ".cache", fleet.KitDir, "*")); len(kit) != 1 {
			t.Errorf("the kit of %s has %v: want ktstr alone", node, kit)
		}
	}
	drained(t, c)
	for name, test := range map[string]func(*testing.T, *cluster){
		"client killed": clientKilled, "node fails": nodeFails, "interrupted": interrupted,
		"started again": startedAgain, "cancelled by another": cancelled,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, c) })
	}
}

// on returns the arguments for a run of a benchmark on one node.
func on(bench, node string) []string {
	return []string{bench, "--on", "slurm", "--nodes", node, "--timeout", "1m", "--grace", "20s", "--higher", "iops"}
}

// A killed client loses nothing, and --resume makes no run twice.
func clientKilled(t *testing.T, c *cluster) {
	bench := c.bench(t, "killed", `echo x >>$HOME/killed; sleep 1; echo '{"iops": 5000}'`)
	r := c.run(t, append(on(bench, "n1"), "--repeat", "2")...)
	r.said("run 1 of 2: pass")
	r.cmd.Process.Kill()
	_, said := r.wait()
	set := printedSet.FindString(said)
	c.run(t, "--resume", set).want(0, "1 host: 1 passed\n")
	began, _ := os.ReadFile(filepath.Join(c.home("n1"), "killed"))
	if kept := c.runs(t, set+".killed"); len(kept) != 2 || string(began) != "x\nx\n" {
		t.Errorf("%d runs were kept and %d were made: want 2", len(kept), len(began)/2)
	}
	c.empty(t, set, "n1")
}

// A node that fails is named with its job, and is no failure of the benchmark.
func nodeFails(t *testing.T, c *cluster) {
	r := c.run(t, on(c.bench(t, "fails", "touch $HOME/fails; exec sleep 1000"), "n2")...)
	r.made(filepath.Join(c.home("n2"), "fails"))
	c.slurm(t, "scontrol", "update", "nodename=n2", "state=down", "reason=smoke")
	r.want(3, "node n2 failed while job ", "which says nothing about the benchmark")
	until(t, "n2 is idle", func() bool {
		c.command(t, "scontrol", "update", "nodename=n2", "state=resume").Run() // an error if it came back by itself
		return c.slurm(t, "sinfo", "-hn", "n2", "-o", "%T") == "idle"
	})
}

// Ctrl-C gives the payload its grace, and its run is kept.
func interrupted(t *testing.T, c *cluster) {
	bench := c.bench(t, "stopped", `trap 'sleep 1; touch $HOME/clean; exit 0' INT; touch $HOME/stopped; while :; do sleep 0.1; done`)
	r := c.run(t, on(bench, "n3")...)
	r.made(filepath.Join(c.home("n3"), "stopped"))
	r.cmd.Process.Signal(syscall.SIGINT)
	said := r.want(130)
	if _, err := os.Stat(filepath.Join(c.home("n3"), "clean")); err != nil {
		t.Errorf("the payload did not get its grace: %v\n%s", err, said)
	}
	set := printedSet.FindString(said)
	kept := c.runs(t, set+".stopped")
	if len(kept) != 1 || !kept[0].Record.Interrupted {
		t.Errorf("kept %+v: want the interrupted run\n%s", kept, said)
	}
	c.empty(t, set, "n3")
}

// A job that Slurm starts again gives the runs of its last start only.
func startedAgain(t *testing.T, c *cluster) {
	bench := c.bench(t, "again", `if [ ! -e $HOME/again ]; then touch $HOME/again; sleep 1000; fi; echo '{"iops": 5000}'`)
	r := c.run(t, append(on(bench, "n1"), "--sbatch-arg=--requeue")...)
	r.made(filepath.Join(c.home("n1"), "again"))
	id := c.slurm(t, "squeue", "-ht", "running", "-w", "n1", "-o", "%i")
	c.slurm(t, "scontrol", "requeue", id)
	r.said("n1: queued (BeginTime")
	c.slurm(t, "scontrol", "update", "jobid="+id, "starttime=now")
	said := r.want(0, "1 host: 1 passed\n")
	if kept := c.runs(t, printedSet.FindString(said)+".again"); len(kept) != 1 {
		t.Errorf("%d runs were kept: want 1\n%s", len(kept), said)
	}
}

// A job that another person or a limit ends is no failure of the benchmark.
func cancelled(t *testing.T, c *cluster) {
	r := c.run(t, on(c.bench(t, "cancelled", "touch $HOME/cancelled; exec sleep 1000"), "n3")...)
	r.made(filepath.Join(c.home("n3"), "cancelled"))
	c.slurm(t, "scancel", c.slurm(t, "squeue", "-ht", "running", "-w", "n3", "-o", "%i"))
	r.want(3, "on node n3 ended with CANCELLED")
}

// A node that cannot get a job is named before anything is submitted.
func drained(t *testing.T, c *cluster) {
	c.slurm(t, "scontrol", "update", "nodename=n3", "state=drain", "reason=memory")
	defer c.slurm(t, "scontrol", "update", "nodename=n3", "state=resume")
	c.run(t, on(c.bench(t, "drained", "true"), "n3")...).want(3, "node n3 is drain", "memory")
}
