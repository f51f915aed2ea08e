// Package spawn turns a command into a Result: it starts one child process,
// captures its two streams from the first byte, waits for it in the kernel,
// and leaves nothing of it behind — no descendant, no zombie, no descriptor,
// no cgroup.
//
// The package is for Linux 5.4 or later (pidfd), and for payloads whose
// measurement must not be disturbed: one loop a run does all the work, it
// sleeps while the payload is silent, and drains lazily while it writes.
// Features says which kernel facilities are there and what is lost without
// them.
//
// What ends a run, in the order of the promises: the leader's own exit, the
// timeout, Interrupt, Kill, the end of the context, Close. Whatever is left of
// the run then is killed before the pipes are read to their end.
//
// What is left is found by its cgroup, or where the run has none by what it
// inherited: the cookie in its environment (CookieVar), the pipes, and the mark,
// a number that is this run's alone, as its limit of file locks (RLIMIT_LOCKS).
// That limit is without meaning since Linux 2.4.25; of all three it is what
// nothing sheds by accident, and unprivileged nothing can. A payload sees a
// number there in place of unlimited. The leader gets its mark when its program
// has just been executed: what it manages to fork before that is known by the
// other two, or in a program that called BecomeSubreaper as its orphan.
package spawn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
)

// Defaults of Command.
const (
	DefaultLimit = 16 << 20        // bytes kept of each stream
	DefaultGrace = 5 * time.Second // from the polite request to the kill
)

// CookieVar is the environment variable that every process of a run carries.
const CookieVar = descendants.CookieVar

// BecomeSubreaper makes orphaned descendants children of this process, so that
// also one that cleared its environment and closed its streams is found and
// killed with its run, and so that none stays a zombie. It is for a program
// that is about runs, like the ktstr command. From then on spawn takes every
// child that was started during a run, and not by spawn (Start, Run, StartHelper),
// for such an orphan: it is killed and reaped when the run ends. It also marks
// this process, so that a Watcher knows whatever descends from it by its limit
// of file locks (RLIMIT_LOCKS, without meaning since Linux 2.4.25).
func BecomeSubreaper() error { return self.BecomeSubreaper() }

// Command says what to run. Only Path is required.
type Command struct {
	// Path is the program. Without a slash it is looked up in PATH; with one
	// it is relative to the caller's working directory, whatever Dir says.
	Path string

	// Args are the arguments after argv[0]; argv[0] is Path as given.
	Args []string

	// Env is the environment; nil means Environ(), the caller's with LC_ALL=C.
	// The run's cookie (see CookieVar) is added to either.
	Env []string

	// Dir is the working directory; empty means the caller's.
	Dir string

	// Stdin is the child's standard input; nil means /dev/null, or with
	// ShareGroup the caller's.
	Stdin *os.File

	// ShareGroup keeps the child in the caller's process group. Then only the
	// leader is ever signalled, its descendants are its own affair, and a
	// stream that one of them holds open is given up after Grace.
	ShareGroup bool

	// Limit is how many bytes of each stream are kept; 0 means DefaultLimit,
	// a negative value that nothing is kept. The rest is counted and dropped.
	Limit int64

	// TeeStdout and TeeStderr get the full streams, uncapped, as they are
	// drained. They should be files: what blocks in them blocks the drain. A
	// write that fails ends the tee, with a notice, and disturbs nothing else.
	TeeStdout, TeeStderr *os.File

	// Timeout ends the run that long after the spawn, as Kill does; 0 means
	// never. Negative is refused.
	Timeout time.Duration

	// Grace is how long Interrupt waits before it kills, and how long after
	// the leader's end or a kill the run may take to be over; 0 means
	// DefaultGrace.
	Grace time.Duration

	// Cgroup is the cgroup v2 in which a fresh leaf is made for the run, relative
	// to the cgroup that this process is in; a leading slash is dropped, and what
	// is absent is made and removed again. Empty means a private leaf directly
	// below our own, where one can be made, and none with ShareGroup. On a host
	// with cgroup v1 only, a named cgroup is made in the freezer hierarchy.
	Cgroup string

	// NoCgroup says that without Cgroup there is to be none at all.
	NoCgroup bool

	// CPUs confines the leaf of a named cgroup to processors like "0-3,7"; empty
	// means no change. It wants the cpuset controller in force there.
	CPUs string

	// Cgroups makes the leaf; nil means on the mounted cgroup filesystem.
	Cgroups cgroup.Creator

	// Warn is told when a handle was dropped and its result lost; nil means
	// slog's default logger.
	Warn func(message string)
}

// Cause says which of our own actions ended a run.
type Cause string

// Causes. CauseNone means that the payload ended by itself, or that somebody
// else's signal ended it.
const (
	CauseNone      Cause = ""
	CauseTimeout   Cause = "timeout"
	CauseInterrupt Cause = "interrupt"
	CauseKill      Cause = "kill"
	CauseCancel    Cause = "cancel"
)

// Result is what is known about a run that is over.
type Result struct {
	Pid        int
	ExitCode   int    // as the child gave it; -1 when a signal ended it
	Signal     string // the signal that ended it ("SIGSEGV"); empty when it exited
	CoreDumped bool
	Cause      Cause

	Stdout, Stderr Capture

	// Killed lists the processes that had left the payload's process group,
	// or were re-parented to us, and had to be killed: the first 256.
	Killed []Survivor

	// Notices are odd but survivable facts, one sentence each.
	Notices []string

	Start    time.Time     // when the spawn began
	Duration time.Duration // from Start to the leader's end

	// Payload is what the leader and the descendants that it waited for used.
	Payload Usage

	// Cgroup is what the kernel counted for the run's cgroup; nil without one.
	Cgroup *cgroup.Stat

	// Harness is what the whole process that called Start used from the spawn
	// to the leader's end; the work of other goroutines, and of overlapping
	// runs, is in it.
	Harness Usage

	// Watcher is what the Watcher of the process used in that time, as
	// Watcher.Usage counts it; nil without one.
	Watcher *Usage
}

// Capture is what was read of one stream.
type Capture struct {
	// Data is the first Limit bytes, raw. It belongs to the caller until
	// Result.Release.
	Data []byte

	// Bytes counts all that was read, also what was dropped.
	Bytes int64

	// Truncated means that Bytes is more than Data.
	Truncated bool

	// Complete means that the stream's end was seen: nobody can have written
	// anything that is not counted here.
	Complete bool

	scratch *[]byte // the pooled buffer that Data is in; nil: Data is its own
}

// Survivor is a process that was found and killed.
type Survivor struct {
	Pid  int
	Name string // comm, at most 15 bytes
}

// Usage is resource usage as getrusage(2) counts it.
type Usage struct {
	User, System time.Duration
	Voluntary    int64 // context switches by waiting: the wake-ups
	Involuntary  int64 // context switches by preemption
	MinorFaults  int64
	MajorFaults  int64
	MaxRSS       int64 // bytes; 0 where it is a difference of two readings
}

// Release gives the memory of the captures back for later runs. It is
// optional, at most once, and Stdout.Data and Stderr.Data must not be used
// afterwards.
func (r *Result) Release() {
	r.Stdout.release()
	r.Stderr.release()
}

// ErrTaken is wrapped by the errors of a handle whose result was handed out.
var ErrTaken = errors.New("the result was already taken")

// Process is a run in the background. Its methods may be called from several
// goroutines. It gives its Result exactly once, by Wait, TryWait or Kill; one
// that becomes unreachable before is killed, reaped, and warned about.
type Process struct {
	r       *run
	cleanup runtime.Cleanup
}

// Start starts c and returns when the program has been executed. When ctx
// ends, the run ends as by Kill, with CauseCancel.
func Start(ctx context.Context, c Command) (*Process, error) {
	r, err := prepare(ctx, "start", c)
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The thread that forks must outlive the child: the parent-death
		// signal is sent when that thread ends, not when the process does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.fork()
		started <- err
		if err == nil {
			r.serve()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p := &Process{r: r}
	p.cleanup = runtime.AddCleanup(p, (*run).abandon, r)
	r.watchContext(ctx)
	return p, nil
}

// Run starts c and waits for its end. The error says that the program could
// not be executed, or that what is known of the run cannot be trusted; a
// timeout, a cancelled context or a failing exit are data.
func Run(ctx context.Context, c Command) (Result, error) {
	r, err := prepare(ctx, "run", c)
	if err != nil {
		return Result{}, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := r.fork(); err != nil {
		return Result{}, err
	}
	r.watchContext(ctx)
	r.serve()
	return r.result, r.err
}

// Pid is the leader's process id while the run lasts, and 0 afterwards, when
// the number may be another's.
func (p *Process) Pid() int {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.over {
		return 0
	}
	return p.r.pid
}

// Wait waits for the end of the run and takes its result.
func (p *Process) Wait() (Result, error) {
	<-p.r.done
	return p.take()
}

// TryWait takes the result if the run is over; otherwise it gives false.
func (p *Process) TryWait() (Result, bool, error) {
	select {
	case <-p.r.done:
		res, err := p.take()
		return res, true, err
	default:
		return Result{}, false, nil
	}
}

// Kill ends the run and takes its result: what was captured until then.
func (p *Process) Kill() (Result, error) {
	p.r.request(CauseKill)
	<-p.r.done
	return p.take()
}

// Interrupt sends SIGINT to the payload's process group (with ShareGroup, to
// the leader alone), and kills the run if it is not over after Grace. A second
// call kills at once. It does not wait, and does nothing once the run is over.
func (p *Process) Interrupt() error {
	p.r.request(CauseInterrupt)
	return nil
}

// Done is closed when the run is over and its result can be taken.
func (p *Process) Done() <-chan struct{} { return p.r.done }

// Close ends the run if its result was not taken, and says so as an error. It
// returns when nothing of the run is left; after Wait, TryWait or Kill it does
// nothing.
func (p *Process) Close() error {
	if _, err := p.Kill(); errors.Is(err, ErrTaken) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%s: closed before its result was taken; what it printed is lost", p.r.c.Path)
}

func (p *Process) take() (Result, error) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.taken {
		return Result{}, fmt.Errorf("%s: %w", p.r.c.Path, ErrTaken)
	}
	p.r.taken = true
	p.cleanup.Stop()
	res := p.r.result
	p.r.result = Result{} // the captures are the caller's alone
	return res, p.r.err
}

// abandon ends the run of a handle that nobody can reach any more.
func (r *run) abandon() {
	r.request(CauseKill)
	message := fmt.Sprintf("%s: its handle was dropped; the run was killed and what it printed is lost", r.c.Path)
	if r.c.Warn != nil {
		r.c.Warn(message)
		return
	}
	slog.Warn(message)
}

// Environ is the caller's environment with LC_ALL=C, because tools print other
// numbers in other locales, and with the given NAME=VALUE pairs; of several
// with one name the last wins.
func Environ(extra ...string) []string {
	return mergeEnv(os.Environ(), append([]string{"LC_ALL=C"}, extra...))
}

func mergeEnv(base, extra []string) []string {
	env := make([]string, 0, len(base)+len(extra)+1)
	seen := make(map[string]bool, len(extra))
	for i := len(extra) - 1; i >= 0; i-- {
		name, _, ok := strings.Cut(extra[i], "=")
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		env = append(env, extra[i])
	}
	for _, kv := range base {
		if name, _, _ := strings.Cut(kv, "="); !seen[name] {
			env = append(env, kv)
		}
	}
	return env
}

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
