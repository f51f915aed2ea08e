package spawn

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// run is the state of one child. The fields above mu belong to the goroutine
// that serves the run, once fork has returned.
type run struct {
	c          Command
	path       string // absolute
	search     descendants.Search
	leaf       cgroup.Leaf // nil: none
	leafKilled bool        // somebody was in it and was killed
	leafEmpty  bool        // nobody was in it when that was asked last
	stopped    bool        // placed by stopping it, because the kernel could not at its birth
	grace      time.Duration
	pidfd      int
	null       int // /dev/null: the child's stdin, and the sink of what is not kept
	out, err_  stream
	watcher    *Watcher // nil: none
	slot       int      // in its ledger
	start      time.Time
	before     Usage // of this process, right after the fork
	watched    Usage // of the watcher, right before it
	cause      Cause
	notices    []string
	killed     []Survivor
	killedMore bool // than killed lists

	mu        sync.Mutex
	pid       int
	wake      int // eventfd that ends the loop's sleep; -1 once over
	asked     []Cause
	over      bool
	taken     bool
	stopWatch func() bool // of the context

	done   chan struct{}
	result Result
	err    error
}

func prepare(ctx context.Context, op string, c Command) (*run, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: not started: %w", c.Path, err)
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("%s: timeout %v: want 0 for none, or more", c.Path, c.Timeout)
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
	r := &run{c: c, grace: c.Grace, pidfd: -1, null: -1, wake: -1, done: make(chan struct{})}
	if r.grace <= 0 {
		r.grace = DefaultGrace
	}
	r.out = stream{name: "stdout", fd: -1, limit: c.Limit, tee: c.TeeStdout}
	r.err_ = stream{name: "stderr", fd: -1, limit: c.Limit, tee: c.TeeStderr}
	r.search = self.NewRun()
	var err error
	if r.path, err = lookPath(c.Path); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *run) watchContext(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { r.request(CauseCancel) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopWatch = stop
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
	r.asked = append(r.asked, why)
	one := [8]byte{1} // any value but 0 in either byte order
	unix.Write(r.wake, one[:])
}

func (r *run) requests() []Cause {
	r.mu.Lock()
	defer r.mu.Unlock()
	var count [8]byte
	unix.Read(r.wake, count[:])
	asked := r.asked
	r.asked = nil
	return asked
}

// serve brings the run to its end and publishes the result.
func (r *run) serve() {
	r.mu.Lock()
	r.result.Pid = r.pid
	r.mu.Unlock()
	if r.leaf != nil {
		r.leaf.Preload()
	}
	err := r.watch()
	r.result.Duration = time.Since(r.start)
	r.result.Harness = selfUsage().minus(r.before)
	r.result.Watcher = r.watcher.since(r.watched)
	if err == nil {
		err = r.finish()
	}
	r.closeLeaf()
	r.unwatch()
	self.Reaped(r.result.Pid)
	r.result.Start = r.start
	r.result.Cause = r.cause
	r.result.Stdout = r.out.capture()
	r.result.Stderr = r.err_.capture()
	r.result.Killed = r.killed
	r.note()
	r.result.Notices = r.notices
	r.err = err

	r.mu.Lock()
	r.over = true
	r.pid = 0
	if r.stopWatch != nil {
		r.stopWatch()
	}
	r.mu.Unlock()
	r.release()
	dropChildren()
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
		r.notices = append(r.notices, fmt.Sprintf("cgroup: its counters could not be read: %v", err))
	}
	if err := r.leaf.Remove(); err != nil {
		r.notices = append(r.notices, fmt.Sprintf("cgroup: it was left behind: %v", err))
	}
	r.leaf = nil
}

// note writes the notices about the streams, and about the list of the killed.
func (r *run) note() {
	if r.killedMore {
		r.notices = append(r.notices, fmt.Sprintf("more than %d processes that had left the payload's group were killed: the first ones are listed", descendants.MaxVictims))
	}
	for i, s := range []*stream{&r.out, &r.err_} {
		c := []*Capture{&r.result.Stdout, &r.result.Stderr}[i]
		if c.Truncated {
			r.notices = append(r.notices, fmt.Sprintf("%s: %d bytes were printed and the first %d kept (the cap)", s.name, c.Bytes, len(c.Data)))
		}
		if !c.Complete {
			r.notices = append(r.notices, fmt.Sprintf("%s: its end was not seen: a process that was not ours to kill still holds it; what it prints later is lost", s.name))
		}
		if s.fault != nil {
			r.notices = append(r.notices, fmt.Sprintf("%s: its full copy stopped: %v", s.name, s.fault))
		}
	}
}

// release closes whatever is open.
func (r *run) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.close()
	r.err_.close()
	for _, fd := range []*int{&r.null, &r.pidfd, &r.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}
