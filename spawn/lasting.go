package spawn

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// lasting runs functions on one thread that lives as long as the process.
var lasting = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // and never unlocked
		for f := range work {
			f()
		}
	}()
	return work
})

// OnLastingThread runs f on a thread that lives as long as the process, and
// waits for it. A child that f forks with a parent-death signal gets it when
// this process dies, not when some thread does. Calls are served one at a
// time, so f must not block.
func OnLastingThread(f func()) {
	done := make(chan struct{})
	lasting() <- func() {
		defer close(done)
		f()
	}
	<-done
}

// StartCmd starts cmd so that SIGKILL reaches it when this process dies by
// whatever cause. It is for helpers that live beside the runs, like plugins:
// their waiting and killing stays with cmd.
func StartCmd(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	var err error
	OnLastingThread(func() {
		_, err = family.fork(func() (int, error) {
			if err := cmd.Start(); err != nil {
				return 0, err
			}
			return cmd.Process.Pid, nil
		})
	})
	return err
}
