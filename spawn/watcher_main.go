package spawn

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// watchVar tells the watcher what the cookies of its host begin with, and its
// marks.
const watchVar = "KTSTR_WATCH"

// WatcherMain is the whole life of the process that StartWatcher starts. It
// sleeps until its host is dead, kills what is left, and exits. It does not
// return.
func WatcherMain() {
	const lifeline, ledger, asleep = 3, 4, 5
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	base, marks, _ := strings.Cut(os.Getenv(watchVar), ":")
	mark, err := strconv.ParseUint(marks, 16, 64)
	if len(base) != len(self.Cookies()) || err != nil {
		fmt.Fprintf(os.Stderr, "%s: this is for a run to start, not for a person\n", os.Args[0])
		os.Exit(2)
	}
	// A read ends with the host, or with its farewell. In the runtime's own poller
	// its monitor sleeps too; beside a thread that blocks in a system call it would
	// tick for another ten milliseconds.
	unix.SetNonblock(lifeline, true)
	host := os.NewFile(lifeline, "lifeline")
	unix.Close(asleep)
	_, err = host.Read(make([]byte, 1))
	if err != nil && err != io.EOF {
		fmt.Fprintf(os.Stderr, "%s: lifeline: %v\n", os.Args[0], err)
		os.Exit(1)
	}
	var st unix.Stat_t
	unix.Fstat(ledger, &st)
	text := make([]byte, st.Size)
	n, _ := unix.Pread(ledger, text, 0)
	cleanUp(base, mark, err == nil, strings.Split(string(text[:max(n, 0)]), "\x00"))
	os.Exit(0)
}

// cleanUpPatience is how long the watcher tries to end what is left of runs.
const cleanUpPatience = 10 * time.Second

// cleanUp kills what the runs of a host left. Every process that carries one of
// the host's cookies or marks is of such a run. With the mark of the host itself
// it is a plugin, or was forked before the leader got its own: it is left alone
// while the host lives, which has that mark too.
func cleanUp(base string, mark uint64, hostLives bool, slots []string) {
	const patience = cleanUpPatience
	var (
		start  = time.Now()
		t      = descendants.OfHost(base, mark, hostLives)
		leaves []cgroup.Leaf
		m      = cgroup.Mounted()
		own, _ = m.Own()
	)
	for _, slot := range slots {
		if slot == "" {
			continue
		}
		lines := strings.Split(slot, "\n")
		t.Pipes = append(t.Pipes, lines[1:]...)
		if lines[0] != "" {
			if leaf, err := m.Open(lines[0]); err == nil {
				leaves = append(leaves, leaf)
			}
		}
	}
	// A leaf that was made and not entered yet.
	if own != "" {
		more, _ := filepath.Glob(own + "/ktstr-*-" + base + "*")
		for _, dir := range more {
			if leaf, err := m.Open(dir); err == nil {
				leaves = append(leaves, leaf)
			}
		}
	}
	for _, g := range leaves {
		g.Kill()
	}
	if len(leaves) == 0 && len(t.Pipes) == 0 {
		return // no run was going on
	}
	for pass := 0; pass < 2 && time.Since(start) < patience; pass++ {
		victims, err := t.Kill(time.Hour, true)
		if err != nil {
			break
		}
		t.AwaitDeath(victims, start, patience)
		if len(victims) > 0 {
			pass = -1 // whoever was forked meanwhile is found by another search
		}
	}
	for _, g := range leaves {
		if g.Drain(lastNap) != nil {
			g.Kill()
			g.Drain(max(patience-time.Since(start), 0))
		}
		g.Remove()
	}
}
