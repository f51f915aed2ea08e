package slurm_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Twenty nodes make ten runs each. Two slurmd and slurmctld are killed in the middle, and the client too. No run is lost or
// made twice, and no process is left. C47
func TestSoakTwentyNodes(t *testing.T) {
	if os.Getenv("KTSTR_SOAK") == "" {
		t.Skip("a soak test: run `make soak`")
	}
	const nodes, repeat = 20, 10
	c := startCluster(t, nodes, "home")
	made := filepath.Join(c.dir, "made")
	bench := c.bench(t, "bench", `echo "$SLURMD_NODENAME" >>`+made+`; sleep 2; echo '{"iops": 5000}'`)
	r := c.run(t, bench, "--on", "slurm:bench", "--nodes", fmt.Sprintf("n[1-%d]", nodes), "--repeat", fmt.Sprint(repeat), "--timeout", "1m", "--higher", "iops")
	for i := 1; i <= nodes; i++ {
		r.said(fmt.Sprintf("n%d: bench: run 1 of %d: pass", i, repeat))
	}
	c.kill(t, "n3")
	c.kill(t, "n7")
	r.said(fmt.Sprintf("n1: bench: run 3 of %d: pass", repeat))
	c.kill(t, "controller")
	if out, err := exec.Command(script, "controller", c.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.said(fmt.Sprintf("n1: bench: run 5 of %d: pass", repeat))
	r.cmd.Process.Kill()
	_, said := r.wait()
	set := printedSet.FindString(said)
	status, said := c.run(t, "--resume", set).wait()
	t.Logf("the first resume: exit status %d, %d runs\n%s", status, len(c.runs(t, set+".bench")), said)
	for _, node := range []string{"n3", "n7"} {
		if kept := strings.Contains(said, node+"  "); !kept {
			t.Errorf("%s has neither runs nor an error", node)
		}
		if out, err := exec.Command(script, "node", c.dir, node).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	until(t, "every node is idle", func() bool { return c.slurm(t, "sinfo", "-ho", "%T %D") == fmt.Sprintf("idle %d", nodes) })
	if status != 0 {
		status, said = c.run(t, "--resume", set).wait()
		t.Logf("the second resume: exit status %d\n%s", status, said)
	}
	c.check(t, set, made, nodes, repeat)
}

// check checks that each node made its runs once and that all of them were kept, and that no ktstr is left.
func (c *cluster) check(t *testing.T, set, made string, nodes, repeat int) {
	t.Helper()
	kept, began := map[string]int{}, map[string]int{}
	for _, r := range c.runs(t, set+".bench") {
		kept[r.Record.Where.Host]++
	}
	text, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range strings.Fields(string(text)) {
		began[node]++
	}
	for i := 1; i <= nodes; i++ {
		node := fmt.Sprintf("n%d", i)
		if kept[node] != repeat || began[node] != repeat {
			t.Errorf("%s: %d runs were made and %d were kept: want %d", node, began[node], kept[node], repeat)
		}
	}
	left, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range left {
		if path, err := os.Readlink(exe); err == nil && strings.HasPrefix(path, filepath.Join(c.home(""), ".cache")) {
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(exe), "cmdline"))
			t.Errorf("a process is left: %s", bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
		}
	}
}

// kill kills a daemon: a node's slurmd, or slurmctld.
func (c *cluster) kill(t *testing.T, daemon string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "run", daemon+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
