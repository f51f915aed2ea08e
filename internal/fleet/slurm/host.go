package slurm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/remote"
)

const (
	// connecting is the number of srun processes that connect at the same time.
	connecting = 8
	// connectTime is how long srun may take until its command runs in a job that runs. slurmd may be slow to start a step.
	connectTime = 2 * time.Minute
	// downTime is how long a job may wait for a node that is down. The node may just start again.
	downTime = 5 * time.Minute
)

// host is a node with its job.
type host struct {
	engine Engine
	order  fleet.Order
	node   string
	labels map[string]string
	queue  *queue
	slots  chan struct{} // holds a value for each srun that connects

	err  error     // why there is no job
	seen int       // the last look at the queue
	down time.Time // since when the job waits for a node that is down

	job string // its id; empty: there is none

	mu    sync.Mutex
	stops int // calls of Cancel
}

func (h *host) Handle() fleet.Handle { return fleet.Handle{Name: h.node, Job: h.job, Labels: h.labels} }

// Attach waits until the job runs, and connects by a step in it. For a job that has ended, it connects by a job of its own on
// the node.
func (h *host) Attach(ctx context.Context, note func(state string)) (fleet.Conn, error) {
	if h.err != nil {
		return nil, &fleet.LostError{Err: h.err}
	}
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		j, err := h.wait(ctx, note)
		if err != nil {
			return nil, err
		}
		if ended(j.state) {
			return h.collect(ctx, j, note)
		}
		conn, err := h.connect(ctx, j, note)
		// srun fails while slurmd is down, and as the job ends. The queue knows more then.
		if err == nil || !errors.As(err, new(*remote.NotRunError)) || ctx.Err() != nil {
			return conn, err
		}
		note("cannot connect, tries again: " + err.Error())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// wait returns the job as soon as it runs or has ended.
func (h *host) wait(ctx context.Context, note func(string)) (job, error) {
	var said string
	for {
		jobs, seen, err := h.queue.after(ctx, h.seen)
		if ctx.Err() != nil {
			return job{}, ctx.Err()
		}
		h.seen = seen
		j, known := jobs[h.job]
		state := ""
		switch {
		case err != nil: // slurmctld may just start again
			state = err.Error()
		case !known: // it ended some minutes ago
			return job{id: h.job, state: gone, node: h.node}, nil
		case j.state == running || ended(j.state):
			return j, h.lost(j)
		default:
			state = waiting(j)
			if err := h.impossible(ctx, j); err != nil {
				return j, err
			}
		}
		if state != said {
			note(state)
			said = state
		}
	}
}

const (
	running = "RUNNING"
	gone    = "gone" // of a job that squeue does not know any more
)

// ended reports whether a job in that state does not start again. A job that is COMPLETING may.
func ended(state string) bool {
	switch state {
	case gone, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED":
		return true
	}
	return false
}

// lost returns a *fleet.LostError if no runs of the job can be on its node.
func (h *host) lost(j job) error {
	status, _ := strconv.Atoi(j.exit)
	var err error
	switch {
	case j.state == running:
		return nil
	case j.state == "BOOT_FAIL":
		err = fmt.Errorf("node %s did not boot for job %s (%s)", h.node, j.id, j.reason)
	case j.state == "CANCELLED" && j.node == "" && h.stopped():
		err = errors.New("stopped before it began")
	case j.node == "":
		err = fmt.Errorf("job %s ended before it began (%s, %s): somebody or a limit of Slurm ended it", j.id, j.state, j.reason)
	case status == exitNoPlace<<8:
		err = fmt.Errorf("job %s on node %s had no absolute path in XDG_CACHE_HOME or HOME: set HOME", j.id, h.node)
	case status == exitNoKtstr<<8:
		err = fmt.Errorf("job %s on node %s ran nothing, because ktstr did not come within %d seconds: want a client that waits for the job, or a home directory that the nodes share", j.id, h.node, kitSeconds)
	default:
		return nil
	}
	return &fleet.LostError{Err: err}
}

// impossible takes a job from the queue that cannot start, and returns a *fleet.LostError with the reason.
func (h *host) impossible(ctx context.Context, j job) error {
	var err error
	switch {
	case never(j.reason):
		err = fmt.Errorf("job %s for node %s can never start (%s): it was cancelled", j.id, h.node, j.reason)
	case !strings.Contains(j.reason, "UnavailableNodes"):
		h.down = time.Time{}
	case h.down.IsZero():
		h.down = time.Now()
	case time.Since(h.down) > downTime:
		err = fmt.Errorf("node %s is down, and job %s waited %v for it (%s): it was cancelled", h.node, j.id, downTime, j.reason)
	}
	if err == nil {
		return nil
	}
	if _, e := run(ctx, "", "scancel", j.id); e != nil {
		err = fmt.Errorf("%w, but %w", err, e)
	}
	return &fleet.LostError{Err: err}
}

// never reports whether a job that waits for that reason waits for ever.
func never(reason string) bool {
	switch reason {
	case "PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "DependencyNeverSatisfied":
		return true
	}
	return strings.HasSuffix(reason, "MaxWallDurationPerJobLimit")
}

// waiting says why a job does not run yet, such as "queued (Resources)".
func waiting(j job) string {
	if j.state != "PENDING" {
		return strings.ToLower(j.state)
	}
	switch j.reason {
	case "None", "":
		return "queued"
	case "BeginTime":
		return "queued (BeginTime: it was given a later time, or Slurm starts it again)"
	}
	return "queued (" + j.reason + ")"
}

// srun returns the program that starts `ktstr _host-attach` on the node.
func (h *host) srun(options ...string) (remote.Program, error) {
	words, err := remote.Words(h.order.Ktstr, hostJob(h.order.Name, h.node))
	args := []string{"srun", "--quiet", "--unbuffered", "--nodes=1", "--ntasks=1", "--export=ALL", "--chdir=/", "--mpi=none"}
	return remote.Program{Args: append(append(args, options...), words...), Env: environment()}, err
}

// connect connects by a step in the job, which runs.
func (h *host) connect(ctx context.Context, j job, note func(string)) (fleet.Conn, error) {
	p, err := h.srun("--jobid="+j.id, "--overlap", "--mem=0")
	if err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.Time, p.Began = connectTime, sync.OnceFunc(func() { <-h.slots })
	defer p.Began()
	note("connects")
	return remote.Connect(ctx, p, h.order.Ktstr, note)
}

// collect connects by a job of its own on the node, because the job of the runs has ended.
func (h *host) collect(ctx context.Context, j job, note func(string)) (fleet.Conn, error) {
	p, err := h.srun(append([]string{"--job-name=ktstr-collect", "--nodelist=" + h.node}, h.engine.access()...)...)
	if err != nil {
		return nil, err
	}
	if err := h.reachable(ctx, j); err != nil {
		return nil, err
	}
	note("has ended, and its runs are collected when the node is free")
	ctx, cancel := context.WithCancelCause(ctx)
	began := make(chan struct{})
	p.Began = sync.OnceFunc(func() { close(began) })
	go h.watch(ctx, cancel, j, began)
	conn, err := remote.Connect(ctx, p, h.order.Ktstr, note)
	if err == nil {
		return &collection{conn, j, cancel}, nil
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		err = cause // of watch
	}
	cancel(nil)
	return nil, err
}

// reachable returns an error if the node of a job that has ended is down.
func (h *host) reachable(ctx context.Context, j job) error {
	out, err := run(ctx, "", "sinfo", "--noheader", "--Node", "--nodes="+h.node, "--format="+nodeFormat)
	if err != nil {
		return nil // srun says more
	}
	line, _, _ := strings.Cut(out, "\n")
	n, _, err := parseNode(line)
	switch {
	case err != nil || n.err == nil:
		return err
	case j.state == "NODE_FAIL":
		return fmt.Errorf("%w. --resume collects what it has when it is back", fate(j))
	}
	return fmt.Errorf("node %s is %s: --resume collects the runs of job %s when it is back", h.node, n.state, j.id)
}

// watchTime is the time between two looks at a node from which the runs of a job are collected.
const watchTime = 15 * time.Second

// watch ends an srun that waits for a node which is down.
func (h *host) watch(ctx context.Context, cancel context.CancelCauseFunc, j job, began <-chan struct{}) {
	again := time.NewTicker(watchTime)
	defer again.Stop()
	for {
		select {
		case <-began:
			return
		case <-ctx.Done():
			return
		case <-again.C:
			if err := h.reachable(ctx, j); err != nil {
				cancel(err)
				return
			}
		}
	}
}

// access returns the arguments of sbatch that decide whether the user may use the node. srun has the same.
func (e Engine) access() (args []string) {
	if e.Partition != "" {
		args = append(args, "--partition="+e.Partition)
	}
	for _, arg := range e.SbatchArgs {
		for _, option := range []string{"--account=", "-A", "--qos=", "-q", "--reservation=", "--wckey="} {
			if strings.HasPrefix(arg, option) {
				args = append(args, arg)
			}
		}
	}
	return args
}

// A collection is a connection with a job that has ended.
type collection struct {
	*remote.Conn
	job    job
	cancel context.CancelCauseFunc
}

// Close returns how the job ended, if its own end was not the reason.
func (c *collection) Close() error {
	err := c.Conn.Close()
	c.cancel(nil)
	switch c.job.state {
	case gone, "COMPLETED":
		return err
	}
	return fate(c.job)
}

// fate returns how a job ended, if that was not its own end.
func fate(j job) error {
	if j.state == "NODE_FAIL" {
		return fmt.Errorf("node %s failed while job %s ran on it (%s), which says nothing about the benchmark", j.node, j.id, j.reason)
	}
	return fmt.Errorf("job %s on node %s ended with %s (%s)", j.id, j.node, j.state, j.reason)
}

func (h *host) stopped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stops > 0
}

// Cancel takes the job from the queue. If it runs, ktstr gets SIGINT, and gives the payload its grace. The third call ends
// the job.
func (h *host) Cancel(ctx context.Context) error {
	h.mu.Lock()
	h.stops++
	n := h.stops
	h.mu.Unlock()
	if h.job == "" {
		return nil
	}
	if n > 2 {
		_, err := run(ctx, "", "scancel", h.job)
		return err
	}
	_, err := run(ctx, "", "scancel", "--quiet", "--state=PENDING", h.job)
	if err != nil {
		return err
	}
	_, err = run(ctx, "", "scancel", "--quiet", "--state=RUNNING", "--batch", "--signal=INT", h.job)
	return err
}
