package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
	"github.com/ktstr/ktstr/spawn"
)

// process is one started plugin executable: its pid, its pipes and its end. It
// is also go-plugin's runner.Runner.
type process struct {
	command command
	env     []string              // of the plugin, beside the minimal one
	base    string                // parent of dir, removed as soon as it is not needed
	dir     string                // the only directory that it may write to, with its socket
	read    func(io.Reader) error // gets its standard output. Nil: a handshake line is expected
	readErr error                 // of read, valid after exited

	group    string         // its cgroup with a memory limit, empty for none
	uid      int            // the user that it becomes. 0: no change
	report   sandbox.Answer // its report about its restrictions, valid after reported
	reported chan struct{}

	proc     *os.Process
	launched time.Time // when it was started
	forget   func()    // to be called when it was reaped
	lifeline *os.File  // held open while we live
	stderr   *os.File  // our end of its standard error, closed after exited
	said     tail      // its standard error, and its output before and after the handshake line

	address   string        // that the plugin announced, once it was checked
	handshake chan []byte   // the handshake line, or closed without one
	mismatch  error         // the reason to refuse the handshake line, set before handshake is closed
	noLine    error         // the reason why no line can come although the process lives, set before handshake is closed
	exited    chan struct{} // closed when the process ended and its output was read
	mu        sync.Mutex    // held to signal and to reap
	reaped    bool
	ours      bool             // killed by us
	doomed    bool             // to be killed as soon as it is started
	state     *os.ProcessState // valid after exited
	waitErr   error
}

// command is the command line of a process, and its descriptors.
type command struct {
	path        string               // for exec
	argv        []string             // with argv[0]
	file        *os.File             // descriptor 3 of the process, if not nil
	name        string               // for messages
	sandbox     bool                 // restricts itself, and reports on the next descriptor
	interpreter *sandbox.Interpreter // nil: not a script
	isolated    bool                 // in namespaces of its own where the kernel gives them
	memory      uint64               // limit in bytes of its cgroup, if it is isolated
}

// minimalEnv is the environment of every plugin. It does not depend on the
// host's environment.
func (p *process) minimalEnv() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C", "TZ=UTC", "TMPDIR=" + p.dir}
	if p.command.isolated && p.group == "" {
		// Go starts a thread for each processor, and the limit on threads is low.
		env = append(env, "GOMAXPROCS=4")
	}
	return env
}

// start forks and executes. Standard input is the lifeline unless in is given.
func (p *process) start(in *os.File) (err error) {
	p.handshake, p.exited = make(chan []byte, 1), make(chan struct{})
	var mine, theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			for _, f := range mine {
				f.Close()
			}
			removeGroup(p.group)
			p.group = ""
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	if in == nil {
		r, w := pipe()
		in, p.lifeline = r, w
		theirs, mine = append(theirs, r), append(mine, w)
	}
	outR, outW := pipe()
	errR, errW := pipe()
	theirs, mine = append(theirs, outW, errW), append(mine, outR, errR)
	if err != nil {
		return err
	}
	files := []*os.File{in, outW, errW}
	if p.command.file != nil {
		files = append(files, p.command.file)
	}
	p.reported = make(chan struct{})
	var reportR *os.File
	if p.command.sandbox {
		var w *os.File
		if reportR, w, err = os.Pipe(); err != nil {
			return err
		}
		mine, theirs = append(mine, reportR), append(theirs, w)
		files = append(files, w)
	} else {
		close(p.reported)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doomed {
		return errors.New("stopped before it was started")
	}
	if p.command.isolated {
		p.group, _ = makeGroup(p.command.memory) // without one, other limits apply, and the report says so
	}
	start := func() (int, error) {
		if err := p.fork(files); err != nil {
			return 0, err
		}
		return p.proc.Pid, nil
	}
	err = linux.RetryBusy(func() error {
		p.forget, err = spawn.StartHelper(start)
		return err
	})
	if err != nil {
		return err
	}
	p.launched, p.stderr = time.Now(), errR
	p.follow(outR, errR, reportR)
	return nil
}

// fork starts the process in the best namespaces that can be had.
func (p *process) fork(files []*os.File) (err error) {
	for _, spaces := range namespaces(p.command.isolated) {
		attr := &os.ProcAttr{
			Dir:   "/",
			Env:   append(p.minimalEnv(), p.env...),
			Files: files,
			Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: spaces},
		}
		if spaces&unix.CLONE_NEWUSER != 0 {
			attr.Sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
			attr.Sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		}
		if p.command.sandbox {
			attr.Env = append(attr.Env, p.policy(spaces))
		}
		p.proc, err = os.StartProcess(p.command.path, p.command.argv, attr)
		if err != nil && p.command.file != nil && !p.command.sandbox && errors.Is(err, syscall.EACCES) && sandbox.NoExec(p.command.file) {
			return fmt.Errorf("%w: %s", syscall.EACCES, sandbox.NoExecAdvice)
		}
		if err == nil || spaces == 0 || errors.Is(err, syscall.ETXTBSY) {
			return err
		}
	}
	return err
}

// namespaces lists flags of clone, the wanted ones first.
func namespaces(isolated bool) []uintptr {
	const (
		both = unix.CLONE_NEWPID | unix.CLONE_NEWNET
		all  = both | unix.CLONE_NEWIPC
	)
	switch {
	case !isolated:
		return []uintptr{0}
	case os.Geteuid() == 0:
		return []uintptr{all, both, unix.CLONE_NEWPID, 0}
	}
	const user = unix.CLONE_NEWUSER
	return []uintptr{user | all, user | both, user | unix.CLONE_NEWPID, 0}
}

// policy returns the environment variable that tells the process how to restrict
// itself.
func (p *process) policy(spaces uintptr) string {
	threads, space := sandbox.Processes, uint64(sandbox.AddressSpace)
	if p.command.isolated && p.group == "" {
		threads, space = sandbox.FewProcesses, sandbox.SmallAddressSpace
	}
	policy := sandbox.Policy{
		Cgroup: p.group, Memory: p.command.memory, AddressSpace: space,
		Write: p.dir, UID: p.uid, Threads: threads, Interpreter: p.command.interpreter,
		PIDNamespace: spaces&unix.CLONE_NEWPID != 0, NetNamespace: spaces&unix.CLONE_NEWNET != 0, IPCNamespace: spaces&unix.CLONE_NEWIPC != 0,
	}
	if p.uid == 0 && spaces&unix.CLONE_NEWUSER == 0 {
		// The limit counts all threads of a user whom the plugin shares with others.
		if load, err := linux.ReadLoad(); err == nil {
			policy.Threads += load.Threads
		}
	}
	b, err := json.Marshal(policy)
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	return wire.SandboxKey + "=" + string(b)
}

// lastWords are the last lines that the process has said up to now.
func (p *process) lastWords() []string {
	if p.stderr != nil {
		p.said.catchUp(p.stderr)
	}
	return p.said.lines()
}
