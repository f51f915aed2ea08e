package spawn

import (
	"bufio"
	"os"
	"testing"
)

// The threads of a child that was started here have this process for a parent,
// and are no orphans of a run.
func TestThreadsAreNotSearched(t *testing.T) { // C13
	c := help("pid", "hang")
	out, tee, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	child, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{Env: c.Env, Files: []*os.File{nil, tee}})
	tee.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { child.Kill(); child.Wait() }()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it has its threads now
		t.Fatal(err)
	}
	family.known.Store(child.Pid, true)
	defer family.known.Delete(child.Pid)
	tr := trace{leader: child.Pid, orphans: true, cookie: "no process has this in its environment", older: map[int]bool{}}
	found, err := tr.kill(0, false)
	if err != nil || len(found) > 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	if tr.seen == 0 {
		t.Error("after a search that found nobody all are searched again")
	}
}
