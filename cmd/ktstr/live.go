package main

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/spawn"
)

// watch passes signals on to the payload and, on a terminal, keeps a line with
// the time that has passed and when the timeout would end it. Without one it
// sleeps until something happens, so that it does not disturb a
// measurement. It returns the first signal, if there was one.
func (a *app) watch(h *core.Handle, spec core.Spec, ended <-chan struct{}, quiet bool) (first os.Signal) {
	var ticks <-chan time.Time
	if !quiet && steerable(a.stderr) {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		ticks = ticker.C
		defer fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	start := time.Now()
	asked := 0
	for {
		select {
		case <-ended:
			return first
		case s := <-a.stops:
			if ticks != nil {
				fmt.Fprint(a.stderr, "\r\x1b[K")
			}
			if asked++; asked == 1 {
				first = s
				a.notice(quiet)(fmt.Sprintf("%v: asking %s to stop; once more kills it at once, else it is killed after %v", s, h.Name(), cmp.Or(spec.Grace, spawn.DefaultGrace)))
			} else {
				a.notice(quiet)(fmt.Sprintf("%v: killing %s", s, h.Name()))
			}
			if err := h.Interrupt(); err != nil {
				a.notice(quiet)(err.Error())
			}
			if asked == 2 {
				signal.Reset(stopping...) // the third ends ktstr itself
			}
		case now := <-ticks:
			line := liveLine(h.Name(), now.Sub(start), spec.Deadline())
			if a.progress != nil {
				line += a.progress(now)
			}
			if runes := []rune(line); len(runes) >= terminal(a.stderr) { // a wrapped line could not be erased
				line = string(runes[:max(0, terminal(a.stderr)-1)])
			}
			fmt.Fprintf(a.stderr, "\r\x1b[K%s", line)
		}
	}
}

// liveLine says how long a run has gone on, and after how long it is killed: how
// long it will still take nobody knows.
func liveLine(name string, elapsed, timeout time.Duration) string {
	line := fmt.Sprintf("%s  running %s", printable(name), elapsed.Round(time.Second))
	if timeout > 0 {
		line += fmt.Sprintf(", killed at %s", timeout)
	}
	return line
}
