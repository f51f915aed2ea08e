package spawn

// BecomeSubreaper makes orphaned descendants children of this process. Then spawn
// also finds and kills an orphan that cleared its environment and closed its
// streams, and none stays a zombie. Call it only in a program whose purpose is to
// run payloads, such as the ktstr command. From then on spawn takes every child
// that appears during a run for such an orphan, unless spawn has started it
// (Start, Run, StartHelper): it is killed and reaped when the run ends.
//
// BecomeSubreaper also marks this process, so that a Watcher recognises its
// descendants by their limit of file locks (RLIMIT_LOCKS). The error is that of
// prctl(2).
func BecomeSubreaper() error { return self.BecomeSubreaper() }

// StartHelper calls start on a thread that lives as long as the process. start
// forks one child and returns its pid. The child's parent-death signal then comes
// when the process dies, and not when a thread ends. Use it for children that are
// not runs, such as plugins: in a program that called BecomeSubreaper, runs would
// otherwise take them for orphans. Call reaped after the child was reaped. The
// error is that of start.
func StartHelper(start func() (pid int, err error)) (reaped func(), err error) {
	var pid int
	onLastingThread(func() { pid, err = self.Fork(start) })
	if err != nil {
		return nil, err
	}
	return func() { self.Reaped(pid) }, nil
}

// onLastingThread runs f on the lasting thread and waits for it. Calls are served
// one at a time, so f must not block.
func onLastingThread(f func()) {
	done := make(chan struct{})
	lastingThread() <- func() {
		defer close(done)
		f()
	}
	<-done
}
