package descendants

import (
	"errors"
	"os/exec"
	"testing"
)

// startSleep starts a child that belongs to no run. It lives until the end of the
// test.
func startSleep(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// This process is also the parent of the threads of its children. They are no orphans
// of a run.
func TestThreadsAreNotSearched(t *testing.T) { // C13
	script := "import threading, time\nfor i in range(8): threading.Thread(target=time.sleep, args=(1000,)).start()\nprint('ready', flush=True)\n"
	cmd := exec.Command("python3", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has its threads now
		t.Fatal(err)
	}
	var h Host
	h.children.Store(cmd.Process.Pid, true)
	s := Search{host: &h, leader: cmd.Process.Pid, orphans: true, cookie: "no process has this in its environment", earlier: map[int]bool{}}
	found, err := s.kill(0, false)
	if err != nil || len(found) > 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	if s.progress.seen == 0 {
		t.Error("after a search that found no process, all are searched again")
	}
}

// A subreaper remembers its children until they are reaped.
func TestHostKnowsItsChildren(t *testing.T) { // C13
	var h Host
	h.subreaper.Store(true)
	pid, err := h.Fork(func() (int, error) { return 42, nil })
	if err != nil || pid != 42 {
		t.Fatalf("forked %d, %v, want 42", pid, err)
	}
	known := func() bool { _, ok := h.children.Load(42); return ok }
	if !known() {
		t.Error("a child is not known")
	}
	h.Reaped(42)
	if known() {
		t.Error("a child that was reaped is still known")
	}
	refused := errors.New("refused")
	if _, err := h.Fork(func() (int, error) { return 42, refused }); err != refused || known() {
		t.Errorf("a fork that failed: %v, known %v", err, known())
	}
}
