package plugin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
	"github.com/ktstr/ktstr/spawn"
)

// process is one started plugin executable: its pid, its pipes and its end. It
// is also go-plugin's runner.Runner.
type process struct {
	command command
	env     []string              // of the plugin, beside the minimal one
	base    string                // of dir; removed as soon as it is not needed
	dir     string                // the only directory that it may write to; its socket is there
	read    func(io.Reader) error // gets its standard output; nil: a handshake line is to come
	readErr error                 // of read; valid after exited

	uid      int            // the user that it becomes; 0: none
	report   sandbox.Answer // what it says of its restrictions; valid after reported
	reported chan struct{}

	proc     *os.Process
	forget   func()   // to be called when it was reaped
	lifeline *os.File // held open while we live
	stderr   *os.File // our end of its standard error, closed after exited
	said     tail     // its standard error, and what else it printed

	address   string        // that the plugin announced, once it was checked
	handshake chan []byte   // the handshake line, or closed without one
	mismatch  error         // what is wrong with the handshake line; set before handshake is closed
	noLine    error         // why there will be none although the process goes on; set before handshake is closed
	exited    chan struct{} // closed when the process ended and its output was read
	mu        sync.Mutex    // held to signal and to reap
	reaped    bool
	ours      bool             // killed by us
	doomed    bool             // to be killed as soon as it is started
	state     *os.ProcessState // valid after exited
	waitErr   error
}

// command is what a process executes.
type command struct {
	path     string   // for exec
	argv     []string // with argv[0]
	file     *os.File // descriptor 3 of the process, if not nil
	name     string   // for messages
	sandbox  bool     // told to restrict itself; answers on the descriptor after those
	isolated bool     // in namespaces of its own where the kernel gives them
}

// minimalEnv is what every plugin sees, whatever the host's environment is.
func minimalEnv(tmp string) []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C", "TZ=UTC", "TMPDIR=" + tmp}
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
	start := func() (int, error) {
		if err := p.fork(files); err != nil {
			return 0, err
		}
		return p.proc.Pid, nil
	}
	p.forget, err = spawn.StartHelper(start)
	// A binary that somebody's forked child still holds open for writing, as
	// happens right after it was built, is ready in a moment.
	for try := 0; errors.Is(err, syscall.ETXTBSY) && try < 100; try++ {
		<-time.After(10 * time.Millisecond)
		p.forget, err = spawn.StartHelper(start)
	}
	if err != nil {
		return err
	}
	p.stderr = errR
	p.follow(outR, errR, reportR)
	return nil
}

// fork starts the process in the best namespaces that can be had.
func (p *process) fork(files []*os.File) (err error) {
	for _, spaces := range namespaces(p.command.isolated) {
		attr := &os.ProcAttr{
			Dir:   "/",
			Env:   append(minimalEnv(p.dir), p.env...),
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
	const both = unix.CLONE_NEWPID | unix.CLONE_NEWNET
	switch {
	case !isolated:
		return []uintptr{0}
	case os.Geteuid() == 0:
		return []uintptr{both, unix.CLONE_NEWPID, 0}
	}
	return []uintptr{unix.CLONE_NEWUSER | both, unix.CLONE_NEWUSER | unix.CLONE_NEWPID, 0}
}

// policy returns the environment variable that tells the process how to restrict
// itself.
func (p *process) policy(spaces uintptr) string {
	policy := sandbox.Policy{
		Write: p.dir, UID: p.uid, Threads: sandbox.Processes,
		PIDNamespace: spaces&unix.CLONE_NEWPID != 0, NetNamespace: spaces&unix.CLONE_NEWNET != 0,
	}
	if p.uid == 0 && spaces&unix.CLONE_NEWUSER == 0 {
		// The limit counts all threads of a user whom the plugin shares with others.
		policy.Threads += runningThreads()
	}
	b, err := json.Marshal(policy)
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	return wire.SandboxKey + "=" + string(b)
}

// runningThreads returns how many threads the machine has; 0: unknown.
func runningThreads() int {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text))
	if len(words) < 4 {
		return 0
	}
	_, total, _ := strings.Cut(words[3], "/")
	n, _ := strconv.Atoi(total)
	return n
}

// readReport takes in what the process says of its restrictions, until it closes
// the descriptor by executing the plugin or by itself.
func (p *process) readReport(r *os.File) {
	defer close(p.reported)
	d := json.NewDecoder(io.LimitReader(untilDeadline{r}, 64<<10))
	for {
		var a sandbox.Answer
		if d.Decode(&a) != nil {
			return
		}
		if a.Report != nil {
			p.report.Report = a.Report
		}
		p.report.Error += a.Error
	}
}

// follow reads the process's output until it ended, and then what is left of
// it, and no longer: a grandchild may hold the pipes for ever.
func (p *process) follow(outR, errR, reportR *os.File) {
	pipes := []*os.File{outR, errR}
	var readers sync.WaitGroup
	if reportR != nil {
		pipes = append(pipes, reportR)
		readers.Go(func() { p.readReport(reportR) })
	}
	readers.Go(func() { p.readStdout(outR) })
	readers.Go(func() { p.said.follow(errR) })
	go func() {
		p.reap()
		now := time.Now()
		for _, f := range pipes {
			f.SetReadDeadline(now)
		}
		readers.Wait()
		for _, f := range pipes {
			f.Close()
		}
		if p.lifeline != nil {
			p.lifeline.Close()
		}
		close(p.exited)
	}()
}

// untilDeadline reads a pipe, and after its deadline what was in it.
// It does not embed the file, whose WriteTo io.Copy would prefer.
type untilDeadline struct{ file *os.File }

func (u untilDeadline) Read(b []byte) (n int, err error) {
	n, err = u.file.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	raw, err := u.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b) }); cerr != nil {
		return 0, cerr
	}
	if err != nil || n <= 0 {
		return 0, io.EOF
	}
	return n, nil
}

// handshakeNoise bounds what a plugin may print before its handshake line.
const handshakeNoise = 64 << 10

// readStdout finds the handshake line behind whatever a runtime printed before
// it, and reads on, so that later output never blocks the plugin.
func (p *process) readStdout(r *os.File) {
	if p.read != nil {
		close(p.handshake)
		if p.readErr = p.read(untilDeadline{r}); p.readErr != nil {
			p.kill()
		}
		io.Copy(io.Discard, untilDeadline{r})
		return
	}
	in := bufio.NewReaderSize(untilDeadline{r}, 4096)
	var line []byte
	for noise := 0; noise < handshakeNoise; {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) < handshakeNoise {
			continue
		}
		if _, rest, ok := bytes.Cut(line, []byte{'|'}); ok && len(line) < 1024 && isNumber(line[:len(line)-len(rest)-1]) && bytes.Count(line, []byte{'|'}) >= 3 {
			p.mismatch = checkHandshake(string(bytes.TrimSpace(line)))
			p.handshake <- line
			break
		}
		noise += len(line)
		p.said.Write(line)
		line = line[:0]
		if noise >= handshakeNoise {
			p.noLine = fmt.Errorf("it prints %d KiB and more without a handshake line: want that line first", handshakeNoise>>10)
		}
		if err != nil && p.noLine == nil {
			p.noLine = errors.New("it closed its standard output without a handshake line: flush standard output after that line, before anything else is done to it")
		}
		if err != nil {
			break
		}
	}
	close(p.handshake)
	io.Copy(&p.said, in)
}

func isNumber(b []byte) bool {
	_, err := strconv.ParseUint(string(b), 10, 16)
	return err == nil
}

// checkHandshake says what is wrong with the versions in a handshake line.
func checkHandshake(line string) error {
	f := strings.Split(line, "|")
	if len(f) < 4 {
		return fmt.Errorf("%s is no handshake line", quote(line))
	}
	if f[0] != strconv.Itoa(wire.CoreProtocol) {
		return fmt.Errorf("the plugin speaks version %s of go-plugin's protocol, this host version %d: rebuild the older of the two", quote(f[0]), wire.CoreProtocol)
	}
	if f[1] != strconv.Itoa(wire.Protocol) {
		return fmt.Errorf("the plugin speaks ktstr.plugin version %s, this host version %d: rebuild the older of the two", quote(f[1]), wire.Protocol)
	}
	if len(f) < 5 || f[4] != "grpc" {
		return fmt.Errorf("the handshake line %s does not end in \"|grpc\": want gRPC", quote(line))
	}
	return nil
}

// reap waits for the leader, kills what is left of its group while the zombie
// still keeps the group's number from being used again, and takes its status.
func (p *process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.proc.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	unix.Kill(-p.proc.Pid, unix.SIGKILL)
	p.state, p.waitErr = p.proc.Wait()
	p.forget()
	p.reaped = true
}

// kill ends the process and its group now; it does not wait.
func (p *process) kill() { p.signal(unix.SIGKILL) }

// signal sends s to the process's group, and to the process in case it has left
// that, unless it is gone.
func (p *process) signal(s unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.ours = p.ours || s == unix.SIGKILL
		unix.Kill(-p.proc.Pid, s)
		unix.Kill(p.proc.Pid, s)
	}
}

// stopEarly kills a process that may not have been started yet.
func (p *process) stopEarly() {
	p.mu.Lock()
	p.doomed = true
	started := p.proc != nil
	p.mu.Unlock()
	if started {
		p.kill()
	}
}

// awaitExit waits for a process whose connection broke, kills it if it does not
// end within a second, and reports whether that was not needed.
func (p *process) awaitExit() bool {
	force := time.AfterFunc(time.Second, p.kill)
	<-p.exited
	return force.Stop()
}

// lastWords are the last lines that the process has said up to now.
func (p *process) lastWords() []string {
	if p.stderr != nil {
		p.said.catchUp(p.stderr)
	}
	return p.said.lines()
}

// ended reports whether the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// sweep kills what the ended process left outside of its group. In a process
// namespace of its own nothing outlives it.
func (p *process) sweep() {
	if p.report.Report.Enforced(sandbox.PIDs) {
		return
	}
	mark := []byte("TMPDIR=" + p.dir)
	for try := 0; try < 10; try++ {
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		found := false
		for _, path := range environments {
			env, err := os.ReadFile(path)
			if err != nil || !slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return bytes.Equal(v, mark) }) {
				continue
			}
			if killMarked(path, mark) {
				found = true
			}
		}
		if !found {
			return
		}
	}
}

// killMarked kills the process whose environment file is path, by a descriptor
// that means this process and no later one of its number.
func killMarked(path string, mark []byte) bool {
	pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
	if err != nil {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if env, err := os.ReadFile(path); err != nil || !bytes.Contains(env, mark) {
		return false
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// exit says how the process ended; empty while it lives, and where we killed it.
func (p *process) exit() string {
	if p.exited == nil || !p.ended() {
		return ""
	}
	if p.ours && p.state != nil && p.state.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return ""
	}
	if p.state == nil {
		return fmt.Sprintf("ended, and its status is lost (%v): this program must not ignore SIGCHLD", p.waitErr)
	}
	return p.state.String()
}

// The rest is runner.Runner.
var _ runner.Runner = (*process)(nil)

func (p *process) Start(context.Context) error { return p.start(nil) }

// Stdout gives go-plugin the handshake line and nothing else: its scanner ends
// at a line of 64 KiB.
func (p *process) Stdout() io.ReadCloser {
	return io.NopCloser(&lazyReader{open: func() io.Reader {
		line := <-p.handshake
		return bytes.NewReader(line)
	}})
}

// Stderr only tells go-plugin of the end; we read it ourselves.
func (p *process) Stderr() io.ReadCloser {
	return io.NopCloser(&lazyReader{open: func() io.Reader { <-p.exited; return bytes.NewReader(nil) }})
}

type lazyReader struct {
	open func() io.Reader
	r    io.Reader
}

func (l *lazyReader) Read(b []byte) (int, error) {
	if l.r == nil {
		l.r = l.open()
	}
	return l.r.Read(b)
}

func (p *process) Name() string                    { return p.command.name }
func (p *process) ID() string                      { return strconv.Itoa(p.proc.Pid) }
func (p *process) Diagnose(context.Context) string { return "" }

func (p *process) Wait(context.Context) error {
	<-p.exited
	if p.waitErr != nil {
		return p.waitErr
	}
	if !p.state.Success() {
		return &exec.ExitError{ProcessState: p.state}
	}
	return nil
}

func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// PluginToHost refuses an address that is not a socket right in the plugin's
// own directory: the plugin chooses what the host dials.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != p.dir || filepath.Clean(address) != address {
		return "", "", fmt.Errorf("the plugin announces %s address %s: want a unix socket in its socket directory %s", quote(network), quote(address), p.dir)
	}
	info, err := os.Lstat(address)
	if err != nil {
		return "", "", err
	}
	if info.Mode().Type() != os.ModeSocket {
		return "", "", fmt.Errorf("the plugin announces %s, which is no socket", quote(address))
	}
	p.address = address
	return network, address, nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
