package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/sandbox"
	"golang.org/x/sys/unix"
)

// reap waits for the leader, kills the rest of its process group, and takes its
// status. The order matters: the zombie keeps the group's number from being
// reused until the status is taken.
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

// kill sends SIGKILL to the process and its group. It does not wait.
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

// ended reports whether the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// cleanUp removes what the ended process left behind.
func (p *process) cleanUp() {
	p.sweep()
	removeGroup(p.group)
	os.RemoveAll(p.base)
}

// sweep kills the orphaned processes that left the plugin's process group, for
// example by setsid. In its own process namespace a plugin leaves none.
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

// exit describes the end of the process, for example "exit status 3". It is
// empty while the process lives and if the host killed it.
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
