package main

import (
	"github.com/ktstr/ktstr/spawn"
)

// guardRuns makes sure that no descendant of a run outlives it: one that lost
// its parent becomes a child of this process, and a watcher ends all of them
// when this process is killed. Where either cannot be had, a person is told,
// and the runs keep what spawn promises by itself.
func (a *app) guardRuns(quiet bool) (done func()) {
	if err := spawn.BecomeSubreaper(); err != nil {
		a.notice(quiet)("descendants that leave a run are only found by their traces: " + err.Error())
	}
	w, err := spawn.StartWatcher(hiddenWatch)
	if err != nil {
		a.notice(quiet)("runs are not watched, and may go on if ktstr is killed: " + err.Error())
		return func() {}
	}
	return func() {
		if err := w.Close(); err != nil {
			a.notice(quiet)(err.Error())
		}
	}
}
