// Package spawn turns a command into a Result. It starts one child process,
// captures its two streams from the first byte, waits for it in the kernel, and
// leaves nothing of it: no descendant, no zombie, no descriptor, no cgroup.
//
// The package is for Linux 5.4 or later (pidfd), and for payloads whose
// measurement must not be disturbed. One loop does all the work of a run. It
// sleeps while the payload is silent, and reads in large pieces while the payload
// writes. Features reports which kernel facilities exist and the consequence of
// each one that is missing.
//
// These events end a run: the exit of the payload's first process (the leader),
// the timeout, Interrupt, Kill, the end of the context, Close. Then spawn kills
// the descendants that still live, and reads the pipes to their end.
//
// A cgroup holds all descendants together. Without one they are recognised by
// what they inherited: the cookie in the environment (CookieVar), the pipes, and
// the mark. The mark is a number that only this run has, as the limit of file
// locks (RLIMIT_LOCKS). Linux has ignored that limit since 2.4.25. A process
// cannot lose its mark by accident, and only root can remove it on purpose. A
// payload sees a number there instead of "unlimited". docs/processes.md says
// which sign allows which action.
//
// # Reading order
//
// Each file refers to the files after it:
//
//   - spawn.go: Command, Start, Run, Result
//   - process.go: Process, the handle of a run in the background
//   - run.go: the life of one run, from its state to its notices
//   - start.go: fork and placement
//   - wait.go: the loop until the leader has exited
//   - finish.go: kill the descendants, drain the pipes, reap the leader
//   - poller.go: where the loop sleeps
//   - stream.go: one captured pipe
//   - leader.go: signals to the leader, and its exit status
//   - errors.go: why a program could not be executed
//   - watcher.go, watcher_main.go: the process that acts when this one is killed
//   - helper.go: children that are not runs
//   - features.go: what this kernel offers
//   - global.go: all state that exists once per process
//
// Package cgroup, below this one, has the cgroup of a run. Package
// internal/descendants decides which processes belong to a run.
package spawn

import (
	"context"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
)

// Defaults of Command.
const (
	DefaultLimit = 16 << 20        // bytes kept of each stream
	DefaultGrace = 5 * time.Second // from the polite request to the kill
)

// Command describes the program to run. Only Path is required. Start and Run
// copy it, so the caller may change it afterwards.
type Command struct {
	// Path is the program. A name without a slash is looked up in PATH. A name
	// with a slash is relative to the caller's working directory, not to Dir.
	Path string

	// Args are the arguments after argv[0]. argv[0] is Path.
	Args []string

	// Env is the environment. nil means Environ(): the caller's environment with
	// LC_ALL=C. The cookie of the run (CookieVar) is added in both cases.
	Env []string

	// Dir is the working directory. Empty means the caller's.
	Dir string

	// Credential is the user and the groups of the child, which also owns the pipes
	// of its streams. nil means the caller's. Only a privileged caller can set it.
	Credential *syscall.Credential

	// Stdin is the child's standard input. nil means /dev/null, or the caller's
	// standard input with ShareGroup.
	Stdin *os.File

	// ShareGroup keeps the child in the caller's process group. Then only the
	// leader is ever signalled. Its descendants are not killed, and a stream that
	// one of them holds open is given up after Grace.
	ShareGroup bool

	// Limit is how many bytes of each stream are kept. 0 means DefaultLimit. A
	// negative value keeps nothing. Bytes past the limit are counted and dropped.
	Limit int64

	// TeeStdout and TeeStderr get the full streams, without the limit, as they
	// are read. A write that blocks also blocks the run's loop, so use files. A
	// write that fails ends the copy, with a notice, and changes nothing else.
	TeeStdout, TeeStderr *os.File

	// Timeout ends the run that long after its start, as Kill does. 0 means no
	// timeout. A negative value is an error.
	Timeout time.Duration

	// StopAfter ends the run on purpose that long after its start, for a payload that
	// runs for ever: as Interrupt does, but with CauseStop. 0 means never. A negative
	// value is an error.
	StopAfter time.Duration

	// Leftovers says what happens to descendants that outlive the leader. The zero
	// value, LeftoversKill, kills them.
	Leftovers Leftovers

	// Grace is how long Interrupt waits before it kills. It is also how long the
	// end of the run may take after the leader has exited or was killed. 0 means
	// DefaultGrace.
	Grace time.Duration

	// Cgroup names the cgroup v2 in which a fresh leaf is made for the run. The
	// name is relative to the cgroup of this process, for example "bench/a". A
	// leading slash is dropped. Missing cgroups are made, and removed afterwards.
	// Empty means a private leaf directly below our own cgroup, if one can be
	// made, and no cgroup with ShareGroup. On a host that has only cgroup v1, a
	// named cgroup is made in the freezer hierarchy.
	Cgroup string

	// NoCgroup means no cgroup at all when Cgroup is empty.
	NoCgroup bool

	// CPUs restricts the leaf of a named cgroup to processors like "0-3,7". Empty
	// means no restriction. The cpuset controller must be enabled there.
	CPUs string

	// Cgroups makes the leaf. nil means on the mounted cgroup filesystem.
	Cgroups cgroup.Creator

	// BeforeStart is called on the thread that starts the child, right before it does.
	// The thread's perf events with inherit are passed on to the child. nil means no
	// call.
	BeforeStart func()

	// Dropped is called when the handle became unreachable before its result was
	// taken. At that time the run has been killed, and nothing of it is left. The
	// call has its own goroutine. nil means that the message goes to slog's
	// default logger. A function that refers to the Process keeps it reachable.
	Dropped func(message string)
}

// Start starts c and returns when the program has been executed. When ctx ends,
// the run ends as by Kill, with CauseCancel.
//
// The errors are *StartError (the program cannot be executed),
// *cgroup.PlacementError, *cgroup.NameError, the error of ctx, and errors about
// fields of c. After an error nothing is left.
func Start(ctx context.Context, c Command) (*Process, error) {
	r, err := prepare(ctx, "start", c)
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the thread that forked
		// ends, so this thread must outlive the child.
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
	p := newProcess(r)
	r.endWith(ctx)
	return p, nil
}

// Run starts c and waits for its end. An error means that the program could not
// be executed (see Start), or that the Result cannot be trusted, for example
// because the output could not be read to its end. Then the Result has what is
// known. A timeout, a cancelled context and an exit code that is not 0 are no
// errors.
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
	r.endWith(ctx)
	r.serve()
	return r.result, r.err
}

// Leftovers is what happens to descendants that outlive the leader.
type Leftovers string

const (
	// LeftoversKill kills them as soon as the leader has exited.
	LeftoversKill Leftovers = ""

	// LeftoversWait lets the run go on until the streams have ended, that is, until no
	// process holds them any more, or until the timeout. It also ends when no descendant
	// is left. An older process can still hold the streams then. The remaining
	// descendants are killed.
	LeftoversWait Leftovers = "wait"
)

// Cause is the action of ours that ended a run.
type Cause string

// Causes. CauseNone means that the payload ended by itself, or by a signal of
// another process.
const (
	CauseNone      Cause = ""
	CauseTimeout   Cause = "timeout"   // Command.Timeout
	CauseInterrupt Cause = "interrupt" // Process.Interrupt
	CauseKill      Cause = "kill"      // Process.Kill, or a dropped handle
	CauseCancel    Cause = "cancel"    // the context
	CauseStop      Cause = "stop"      // Command.StopAfter
)

// Result is what is known about a run that is over.
type Result struct {
	Pid        int
	ExitCode   int    // as the child gave it; -1 when a signal ended it
	Signal     string // the signal that ended it, for example "SIGSEGV"; empty when it exited
	CoreDumped bool
	Cause      Cause

	Stdout, Stderr Capture

	// Killed lists the processes that were killed with the run, or because they had
	// outlived the leader: the first 256. The leader is not among them.
	Killed []Survivor

	// Notices are unusual facts that do not make the run wrong, one sentence each.
	Notices []string

	Start    time.Time     // when the leader was forked
	Duration time.Duration // from Start to the leader's end, or to the streams' end with LeftoversWait

	// Payload is what the leader used, and the descendants that it waited for. It is
	// the zero Usage if it could not be read.
	Payload Usage

	// OwnPeak is the peak memory (VmHWM) of the calling process in bytes. The kernel
	// starts the peak of the leader at this value, because the two share their memory
	// until the leader executes its program. If the peak of the leader is not clearly
	// larger, Payload.MaxRSS is 0.
	OwnPeak int64

	// Cgroup is what the kernel counted for the run's cgroup. nil without one.
	Cgroup *cgroup.Stat

	// Harness is what the calling process used from the start to the leader's
	// end. It includes other goroutines and other runs of that time.
	Harness Usage

	// Watcher is what the Watcher of this process used in that time, as
	// Watcher.Usage counts it. nil without a watcher.
	Watcher *Usage
}

// Release gives the memory of the captures back for later runs. Calling it is
// optional. Stdout.Data and Stderr.Data must not be used afterwards.
func (r *Result) Release() {
	r.Stdout.release()
	r.Stderr.release()
}

// Capture is what was read of one stream.
type Capture struct {
	// Data is the first Limit bytes, raw. It belongs to the caller until
	// Result.Release.
	Data []byte

	// Bytes counts all bytes that were read, dropped ones included.
	Bytes int64

	// Truncated means that Bytes is more than len(Data).
	Truncated bool

	// Complete means that the end of the stream was seen: no process can write to
	// it any more, and all that was written is counted here.
	Complete bool

	scratch *[]byte // the pooled buffer that Data is in; nil: Data is its own
}

// Survivor is a process of the run that was killed.
type Survivor struct {
	Pid  int
	Name string // comm, at most 15 bytes
}

// Usage is resource usage as getrusage(2) counts it.
type Usage struct {
	User, System time.Duration
	Voluntary    int64 // context switches because it waited: the wake-ups
	Involuntary  int64 // context switches because it was preempted
	MinorFaults  int64
	MajorFaults  int64
	BytesRead    int64 // from storage, 0 if Linux was built without CONFIG_TASK_IO_ACCOUNTING
	BytesWritten int64 // to storage, as BytesRead
	MaxRSS       int64 // bytes; 0 if unknown, or if the Usage is a difference of two readings
}

// CookieVar is the environment variable that every process of a run has. Its
// value is the run's cookie, after the cookies of the runs around it, separated
// by colons: outer:inner.
const CookieVar = descendants.CookieVar

// Environ is the caller's environment with LC_ALL=C and the given NAME=VALUE
// pairs. LC_ALL=C is there because tools print other numbers in other locales,
// for example 3,14. Of several pairs with one name the last wins. Strings without
// "=" are ignored.
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
