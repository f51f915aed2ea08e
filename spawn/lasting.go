package spawn

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
