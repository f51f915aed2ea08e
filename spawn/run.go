package spawn

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// run is the state of one child. After fork has returned, the fields above mu
// belong to the goroutine that serves the run.
type run struct {
	c      Command
	path   string // absolute
	grace  time.Duration
	search descendants.Search

	leaf       cgroup.Leaf // nil: none
	leafKilled bool        // processes were in the leaf and were killed
	leafEmpty  bool        // the last look at the leaf found no process of the run
	leafGuests []Survivor  // processes in the leaf that do not belong to the run
	births     int         // how often the child was made again
	traced     bool        // the leader is placed while ptrace stops it: the kernel cannot place it at its birth

	pidfd          int
	null           int // /dev/null: the child's stdin, and the target of dropped bytes
	stdout, stderr stream

	watcher     *Watcher // nil: none
	slot        int      // in the watcher's ledger; -1: none
	watcherUsed Usage    // by the watcher, until right before the fork

	start    time.Time
	selfUsed Usage // by this process, until right after the fork

	cause      Cause
	notices    []string
	killed     []Survivor
	dying      []descendants.Victim // were killed with the leader's group
	killedMore bool                 // more processes were killed than killed lists
	forced     bool                 // we have killed the leader
	unsearched bool                 // a notice says that /proc could not be searched

	mu         sync.Mutex
	pid        int
	wake       int // eventfd that ends the sleep of the loop; -1 when the run is over
	requested  []Cause
	over       bool
	taken      bool
	stopCancel func() bool // ends the wait for the end of the context

	done   chan struct{}
	result Result
	err    error
}

func prepare(ctx context.Context, op string, c Command) (*run, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: not started: %w", c.Path, err)
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("%s: timeout %v: want a duration above 0, or 0 for no timeout", c.Path, c.Timeout)
	}
	if c.StopAfter < 0 {
		return nil, fmt.Errorf("%s: stop after %v: want a duration above 0, or 0 for never", c.Path, c.StopAfter)
	}
	if c.Leftovers != LeftoversKill && c.Leftovers != LeftoversWait {
		return nil, fmt.Errorf("%s: leftovers %q: want %q, or nothing to kill them", c.Path, c.Leftovers, LeftoversWait)
	}
	if c.Cgroup != "" {
		name, err := cgroup.CleanName(op, c.Cgroup)
		if err != nil {
			return nil, err
		}
		c.Cgroup = name
	} else if c.CPUs != "" {
		return nil, fmt.Errorf("%s: %s: processors %q without a cgroup: want Cgroup as well", op, c.Path, c.CPUs)
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	c.Limit = min(max(c.Limit, 0), math.MaxInt)
	r := &run{c: c, grace: c.Grace, pidfd: -1, null: -1, wake: -1, slot: -1, done: make(chan struct{})}
	if r.grace <= 0 {
		r.grace = DefaultGrace
	}
	r.stdout = stream{name: "stdout", fd: -1, limit: c.Limit, tee: c.TeeStdout}
	r.stderr = stream{name: "stderr", fd: -1, limit: c.Limit, tee: c.TeeStderr}
	r.search = self.NewRun()
	var err error
	if r.path, err = lookPath(c.Path); err != nil {
		return nil, err
	}
	return r, nil
}

// endWith makes the run end when ctx ends.
func (r *run) endWith(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { r.request(CauseCancel) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopCancel = stop
	if r.over {
		stop()
	}
}

// request asks the loop to end the run.
func (r *run) request(why Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.wake < 0 {
		return
	}
	r.requested = append(r.requested, why)
	one := [8]byte{1} // an eventfd adds a number in host byte order: this one is not 0 in either order
	unix.Write(r.wake, one[:])
}

// takeRequests returns the requests since the last call.
func (r *run) takeRequests() []Cause {
	r.mu.Lock()
	defer r.mu.Unlock()
	var count [8]byte
	unix.Read(r.wake, count[:])
	requested := r.requested
	r.requested = nil
	return requested
}

// serve brings the run to its end and publishes the result.
func (r *run) serve() {
	r.mu.Lock()
	r.result.Pid = r.pid
	r.result.ExitCode = -1 // until it is known: an error must not look like a success
	r.mu.Unlock()
	if r.leaf != nil {
		r.leaf.Preload()
	}
	err := r.await()
	r.result.Duration = time.Since(r.start)
	r.result.Harness = selfUsage().minus(r.selfUsed)
	r.result.Watcher = r.watcher.since(r.watcherUsed)
	if err == nil {
		err = r.finish()
	}
	r.closeLeaf()
	r.leaveLedger()
	self.Reaped(r.result.Pid)
	r.result.Start = r.start
	r.result.Cause = r.cause
	r.result.Stdout = r.stdout.capture()
	r.result.Stderr = r.stderr.capture()
	r.result.Killed = r.killed
	r.noteKilled()
	r.noteCaptures()
	r.result.Notices = r.notices
	r.err = err

	r.mu.Lock()
	r.over = true
	if r.stopCancel != nil {
		r.stopCancel()
	}
	r.mu.Unlock()
	r.release()
	restoreSIGCHLD()
	r.search.End()
	close(r.done)
}

// closeLeaf reads the counters of the cgroup and removes it.
func (r *run) closeLeaf() {
	if r.leaf == nil {
		return
	}
	if stat, err := r.leaf.Stat(); err == nil {
		r.result.Cgroup = &stat
	} else {
		r.notef("cgroup: its counters could not be read: %v", err)
	}
	if err := r.leaf.Remove(); err != nil {
		r.notef("cgroup: it could not be removed: %v%s", err, inLeaf(r.leafGuests))
	}
	r.leaf = nil
}

// inLeaf says which processes keep a leaf from being removed.
func inLeaf(guests []Survivor) string {
	if len(guests) == 0 {
		return ""
	}
	return fmt.Sprintf(": %s is in it, and is older than the payload, so it was not killed", names(guests))
}

// names lists processes like "sleep (123), sleep (124) and 5 more".
func names(list []Survivor) string {
	const most = 4
	var shown []string
	for _, s := range list[:min(len(list), most)] {
		shown = append(shown, fmt.Sprintf("%s (%d)", text.Line(s.Name), s.Pid))
	}
	if more := len(list) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), more)
	}
	return strings.Join(shown, ", ")
}

// noteKilled adds the notices about the processes that outlived the leader.
func (r *run) noteKilled() {
	if r.killedMore {
		r.notef("more than %d processes were killed: the first %d are listed", descendants.MaxVictims, descendants.MaxVictims)
	}
	if n := len(r.killed); n > 0 && !r.forced {
		r.notef("killed after the end of the payload: %s: let the payload wait for its children, or set leftovers: wait", names(r.killed))
	}
}

// noteCaptures adds the notices about the streams.
func (r *run) noteCaptures() {
	for i, c := range []*Capture{&r.result.Stdout, &r.result.Stderr} {
		s := r.streams()[i]
		if c.Truncated {
			r.notef("%s: %d bytes were printed and the first %d kept (the cap)", s.name, c.Bytes, len(c.Data))
		}
		if !c.Complete {
			r.notef("%s: its end was not seen: %s: what it prints later is lost", s.name, r.holderOf(s))
		}
		if s.teeErr != nil {
			r.notef("%s: its full copy stopped: %v", s.name, s.teeErr)
		}
	}
}

// holderOf describes the process that holds a stream which has not ended.
func (r *run) holderOf(s *stream) string {
	name := descendants.PipeName(s.fd)
	var holders []Survivor
	for _, h := range r.search.Spared {
		if h.Pipe == name {
			holders = append(holders, Survivor(h.Process))
		}
	}
	switch {
	case len(holders) > 0:
		return names(holders) + " holds it, and is older than the payload, so it was not killed"
	case r.c.ShareGroup:
		return "a descendant of the payload holds it"
	}
	return "a process that could not be found or killed holds it"
}

// notef adds a notice to the result.
func (r *run) notef(format string, args ...any) {
	r.notices = append(r.notices, fmt.Sprintf(format, args...))
}

func (r *run) streams() [2]*stream { return [2]*stream{&r.stdout, &r.stderr} }

// release closes all descriptors.
func (r *run) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stdout.close()
	r.stderr.close()
	for _, fd := range []*int{&r.null, &r.pidfd, &r.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}
