package descendants

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// A process is older than the run if its start time is earlier than the leader's. In
// the leader's tick the sign decides whether it descends from the leader.
func TestIsOlder(t *testing.T) { // C11
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	shell := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	shell.Stdout = w
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	pipe := Pipe{Name: PipeName(int(w.Fd()))}
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	child, err2 := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || err2 != nil {
		t.Fatalf("printed %q, %v, %v", line, err, err2)
	}
	defer func() { unix.Kill(child, unix.SIGKILL); shell.Process.Kill(); shell.Wait() }()
	parent := shell.Process.Pid
	stranger := startSleep(t).Process.Pid // with a later pid than the child
	st, err := linux.ReadStat(child)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		leader int
		start  uint64 // of the leader
		want   map[sign]bool
		alien  bool // Foreign
	}{
		{"younger than its parent", parent, st.Start - 1, map[sign]bool{}, false},
		{"younger than a stranger", stranger, st.Start - 1, map[sign]bool{}, false},
		{"older", stranger, st.Start + 1, map[sign]bool{byMark: true, byCookie: true, byParent: true, byPipe: true}, true},
		{"in the tick of its parent", parent, st.Start, map[sign]bool{}, false},
		{"in the tick of a stranger", stranger, st.Start, map[sign]bool{byParent: true, byPipe: true}, true},
		{"in the tick of no leader", 0, st.Start, map[sign]bool{byPipe: true}, false},
	} {
		s := Search{leader: tt.leader, start: tt.start, Pipes: []Pipe{pipe}}
		for _, by := range []sign{byMark, byCookie, byParent, byPipe} {
			if got := s.isOlder(child, by); got != tt.want[by] {
				t.Errorf("%s, sign %d: older %v, want %v", tt.name, by, got, tt.want[by])
			}
		}
		if got := s.Foreign(child); got != tt.alien {
			t.Errorf("%s: foreign %v, want %v", tt.name, got, tt.alien)
		}
	}
	// A watcher knows the start of each run by its pipe.
	pipe.Since = st.Start + 1
	if s := (Search{start: 1, Pipes: []Pipe{pipe}}); !s.isOlder(child, byPipe) || s.isOlder(child, byCookie) {
		t.Error("a pipe of a later run: want the child older by the pipe, and not by the cookie")
	}
	// A process that is gone counts as neither.
	if s := (Search{start: 1 << 60}); s.isOlder(1<<30, byMark) || s.Foreign(1<<30) {
		t.Error("a process that is gone is older")
	}
}

// The start of the leader is read once. Without a leader the time before it counts.
func TestStartOfTheLeader(t *testing.T) { // C11
	pid := startSleep(t).Process.Pid
	st, err := linux.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, s Search, want uint64) {
		t.Helper()
		if got := s.since(); got != want || s.start != want {
			t.Errorf("%s: %d, kept %d, want %d", name, got, s.start, want)
		}
	}
	check("leader", Search{leader: pid, began: st.Start - 3}, st.Start)
	check("the pid belongs to an earlier process", Search{leader: pid, began: st.Start + 3}, st.Start+3)
	check("gone", Search{leader: 1 << 30, began: 7}, 7)
	check("watcher", Search{began: 7}, 7)
}

// A process that leaves the leader's group after it was listed is killed, because
// the whole grace would be waited for its death.
func TestHeldProcessLeavesTheGroup(t *testing.T) { // C11
	leader := exec.Command("sh", "-c", "(read line; exec setsid sleep 1000) <&3 & echo $!; wait")
	leader.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	out, err := leader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stay, leave, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stay.Close()
	defer leave.Close()
	leader.ExtraFiles = []*os.File{stay}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { leader.Process.Kill(); leader.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, err2 := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || err2 != nil {
		t.Fatalf("printed %q, %v, %v", line, err, err2)
	}
	defer unix.Kill(pid, unix.SIGKILL)
	s := Search{leader: leader.Process.Pid}
	members, err := s.Group(time.Hour)
	if err != nil || len(members) != 1 || members[0].Pid != pid || members[0].Foreign {
		t.Fatalf("members %v, %v, want %d", members, err, pid)
	}
	v, ok := s.Hold(members[0])
	if !ok {
		t.Fatal("not held")
	}
	leave.WriteString("\n")
	for start := time.Now(); linux.Name(pid) != "sleep"; linux.Pause(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("%s does not leave the group", linux.Name(pid))
		}
	}
	if _, ok := s.Hold(members[0]); ok {
		t.Error("a process that has left the group is held")
	}
	if err := unix.Kill(-s.leader, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := v.Kill(); err != nil {
		t.Error(err)
	}
	s.AwaitDeath([]Victim{v}, time.Now(), time.Minute)
	if st, err := linux.ReadStat(pid); err == nil && !st.Ended() {
		t.Error("it is alive")
	}
}
