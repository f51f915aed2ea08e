package spawn

// BecomeSubreaper makes orphaned descendants children of this process, so that
// also one that cleared its environment and closed its streams is found and
// killed with its run, and so that none stays a zombie. It is for a program
// that is about runs, like the ktstr command. From then on spawn takes every
// child that was started during a run, and not by spawn (Start, Run, StartHelper),
// for such an orphan: it is killed and reaped when the run ends. It also marks
// this process, so that a Watcher knows whatever descends from it by its limit
// of file locks (RLIMIT_LOCKS, without meaning since Linux 2.4.25).
func BecomeSubreaper() error { return self.BecomeSubreaper() }

// StartHelper has start fork one child, and return its pid, on a thread that lives
// as long as the process: a parent-death signal comes when the process dies, not
// when some thread does. It is for helpers that live beside the runs, like plugins,
// which in a program that called BecomeSubreaper runs would otherwise take for
// orphans of theirs. Whoever has reaped the child calls reaped.
func StartHelper(start func() (pid int, err error)) (reaped func(), err error) {
	var pid int
	onLastingThread(func() { pid, err = self.Fork(start) })
	if err != nil {
		return nil, err
	}
	return func() { self.Reaped(pid) }, nil
}

// onLastingThread runs f on a thread that lives as long as the process, and
// waits for it. Calls are served one at a time, so f must not block.
func onLastingThread(f func()) {
	done := make(chan struct{})
	lasting() <- func() {
		defer close(done)
		f()
	}
	<-done
}
