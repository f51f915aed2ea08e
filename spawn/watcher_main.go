package spawn

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// watcherVar is the environment variable that gives the watcher the beginning of
// its host's cookies, and the common part of its host's marks.
const watcherVar = "KTSTR_WATCH"

// WatcherMain is the main function of the process that StartWatcher starts. It
// sleeps until its host has died, kills the processes of the host's runs, and
// exits. It does not return. In a process that StartWatcher did not start it
// prints a message and exits with status 2.
func WatcherMain() {
	const lifeline, ledger, asleep = 3, 4, 5
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	base, marks, _ := strings.Cut(os.Getenv(watcherVar), ":")
	mark, err := strconv.ParseUint(marks, 16, 64)
	if len(base) != len(self.Cookies()) || err != nil {
		fmt.Fprintf(os.Stderr, "%s: only ktstr itself starts this command, during a run\n", os.Args[0])
		os.Exit(2)
	}
	// The read ends when the host dies or sends its farewell. It sleeps in the
	// runtime's own poller, because the runtime's monitor would tick for another ten
	// milliseconds next to a thread that blocks in a system call.
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

// entry is what the ledger says about a run.
type entry struct {
	leaf  string // directory of its cgroup; empty: none
	began uint64 // before its leader was forked, in ticks since boot
	pipes []descendants.Pipe
}

func (e entry) text() string {
	lines := []string{e.leaf, strconv.FormatUint(e.began, 10)}
	for _, p := range e.pipes {
		lines = append(lines, p.Name)
	}
	return strings.Join(lines, "\n")
}

// parseEntry parses the text of an entry. The ledger is memory that only the host
// writes, so a bad text does not occur.
func parseEntry(text string) entry {
	lines := strings.Split(text, "\n")
	e := entry{leaf: lines[0]}
	if len(lines) > 1 {
		e.began, _ = strconv.ParseUint(lines[1], 10, 64)
		for _, name := range lines[2:] {
			e.pipes = append(e.pipes, descendants.Pipe{Name: name})
		}
	}
	return e
}

// cleanUpLimit is how long the watcher tries to end the processes of the runs.
const cleanUpLimit = 10 * time.Second

// cleanUp kills the processes of a host's runs: each process that has a cookie or
// a mark of the host. A process with the mark of the host itself is a plugin, or
// was forked before its leader got a mark of its own. While the host lives, such
// a process is spared, because the host has that mark too.
func cleanUp(base string, mark uint64, hostLives bool, slots []string) {
	start := time.Now()
	var (
		dirs  []string
		pipes []descendants.Pipe
		since = linux.Now() // when the first run began
	)
	for _, slot := range slots {
		if slot == "" {
			continue
		}
		e := parseEntry(slot)
		since = min(since, e.began)
		for _, p := range e.pipes {
			pipes = append(pipes, descendants.Pipe{Name: p.Name, Since: e.began})
		}
		if e.leaf != "" {
			dirs = append(dirs, e.leaf)
		}
	}
	s := descendants.OfHost(base, mark, hostLives, since)
	s.Pipes = pipes
	// A leaf can have been made and not entered into the ledger yet.
	if own, err := mounted().Own(); err == nil {
		more, _ := filepath.Glob(own + "/ktstr-*-" + base + "*")
		dirs = append(dirs, more...)
	}
	slices.Sort(dirs)
	var leaves []cgroup.Leaf
	for _, dir := range slices.Compact(dirs) {
		if leaf, err := mounted().Open(dir); err == nil {
			leaves = append(leaves, leaf)
		}
	}
	for _, g := range leaves {
		g.Kill(s.Foreign)
	}
	if len(leaves) == 0 && len(s.Pipes) == 0 {
		return // no run was going on
	}
	for pass := 0; pass < 2 && time.Since(start) < cleanUpLimit; pass++ {
		victims, err := s.Kill(time.Hour, true)
		if err != nil {
			break
		}
		s.AwaitDeath(victims, start, cleanUpLimit)
		if len(victims) > 0 {
			pass = -1 // another search finds the processes that were forked meanwhile
		}
	}
	for _, g := range leaves {
		if g.Drain(longNap) != nil {
			g.Kill(s.Foreign)
			g.Drain(max(cleanUpLimit-time.Since(start), 0))
		}
		g.Remove()
	}
}
