package main

import (
	"github.com/ktstr/ktstr/spawn"
)

// guardRuns makes ktstr find the descendants of a run that lose their parent: they become
// children of this process (PR_SET_CHILD_SUBREAPER). It also starts a watcher process that
// kills all descendants if ktstr itself is killed. If the system refuses either, a notice
// gives the consequence, and runs go on without it. The caller calls done at the end.
func (a *app) guardRuns(quiet bool) (done func()) {
	if err := spawn.BecomeSubreaper(); err != nil {
		a.notice(quiet)("orphaned processes of a run may not be found: " + err.Error())
	}
	w, err := spawn.StartWatcher(hiddenWatch)
	if err != nil {
		a.notice(quiet)("there is no watcher process: runs may go on if ktstr is killed: " + err.Error())
		return func() {}
	}
	return func() {
		if err := w.Close(); err != nil {
			a.notice(quiet)(err.Error())
		}
	}
}
