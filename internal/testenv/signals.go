package testenv

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// DefaultSignals makes the processes that this test process starts from now on start with the default action of SIGHUP and
// SIGINT. TestMain calls it, because a process inherits signals that are ignored: under nohup, for example, a payload would
// ignore the SIGHUP of a test. The test process itself still ignores the signals that its caller ignores.
func DefaultSignals() {
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT} {
		if signal.Ignored(s) {
			// exec resets a signal that has a handler to its default action. Nothing reads this channel.
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
