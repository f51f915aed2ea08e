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
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
)

// Defaults of Command.
const (
	DefaultLimit = 16 << 20        // bytes kept of each stream
	DefaultGrace = 5 * time.Second // from the polite request to the kill
)

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

// Release gives the memory of the captures back for later runs. It is
// optional, at most once, and Stdout.Data and Stderr.Data must not be used
// afterwards.
func (r *Result) Release() {
	r.Stdout.release()
	r.Stderr.release()
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

// CookieVar is the environment variable that every process of a run carries.
const CookieVar = descendants.CookieVar

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
