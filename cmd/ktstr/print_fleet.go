package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
)

// hostRows shows what happens on each host: on a terminal one row per host, elsewhere a line
// for each change.
type hostRows struct {
	w       io.Writer // nil: nothing is shown
	rows    []string  // the state of each host
	recent  []int     // the hosts, the one with the latest change last
	names   func(int) string
	visible int // rows on the terminal; -1: w is no terminal
}

// showHosts makes the client show its hosts. The caller calls end on the result.
func (a *app) showHosts(c *fleet.Client, quiet bool) *hostRows {
	h := &hostRows{w: a.stderr, rows: make([]string, len(c.Hosts)), visible: -1}
	h.names = func(i int) string { return hostName(c.Hosts[i].Handle()) }
	for i := range c.Hosts {
		h.recent = append(h.recent, i)
	}
	if quiet {
		h.w = nil
	}
	if steerable(a.stderr) {
		h.visible = 0
	}
	c.Note = h.note
	return h
}

// hostName returns the name of a host, or of its job until the engine has chosen the host.
func hostName(h fleet.Handle) string {
	return cmp.Or(h.Name, "job "+h.Job)
}

func (h *hostRows) note(host int, state string) {
	state = line(state)
	if h.w == nil || state == h.rows[host] {
		return
	}
	h.rows[host] = state
	h.recent = append(slices.DeleteFunc(h.recent, func(i int) bool { return i == host }), host)
	if h.visible < 0 {
		fmt.Fprintf(h.w, "%s: %s\n", line(h.names(host)), state)
	} else {
		io.WriteString(h.w, h.draw(terminal(h.w), height(h.w)))
	}
}

// draw returns what draws the rows again on a terminal of that size. If there are more hosts
// than lines, it shows those whose state changed last.
func (h *hostRows) draw(columns, lines int) string {
	var text strings.Builder
	if h.visible > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", h.visible)
	}
	text.WriteString("\r")
	shown := slices.Clone(h.recent)
	if most := max(1, lines-2); len(shown) > most { // below them are the count and the cursor
		shown = shown[len(shown)-most:]
	}
	slices.Sort(shown)
	h.visible = 0
	row := func(text string) string {
		h.visible++
		all := []rune(text)
		return string(all[:min(len(all), max(0, columns-1))]) + "\x1b[K\n" // a wrapped row could not be erased
	}
	for _, i := range shown {
		text.WriteString(row(fmt.Sprintf("%-12s  %s", line(h.names(i)), cmp.Or(h.rows[i], "…"))))
	}
	if more := len(h.rows) - len(shown); more > 0 {
		text.WriteString(row(fmt.Sprintf("… and %s", count(more, "more host"))))
	}
	text.WriteString("\x1b[J")
	return text.String()
}

// end removes the rows from the terminal.
func (h *hostRows) end() {
	if h.w != nil && h.visible > 0 {
		fmt.Fprintf(h.w, "\x1b[%dA\r\x1b[J", h.visible)
	}
}

// height returns the lines of the terminal w, or 24 if they are not known.
func height(w io.Writer) int {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if _, lines, err := term.GetSize(int(f.Fd())); err == nil && lines > 0 {
			return lines
		}
	}
	return 24
}

// printFleet prints the runs of all hosts and returns the error that the command ends with.
func (s *seriesView) printFleet() error {
	s.fill()
	detached := 0
	for _, h := range s.hosts {
		if h.Detached {
			detached++
		}
	}
	if detached > 0 {
		for _, h := range s.hosts {
			if h.Err != nil {
				s.app.printError(&exitError{core.ExitRun, fmt.Errorf("%s: %w", hostName(h.Handle), h.Err)})
			}
		}
		_, err := fmt.Fprintf(s.app.stdout, "%s started. To collect the runs: ktstr run --resume %s\n", count(detached, "host"), s.Set)
		return s.app.joinErrors(outputError(err), exitWith(s.hostStatus()))
	}
	if len(s.Runs()) == len(s.Lost) {
		err := s.noRun(&series.NoResult{Side: s.Sides[0], Interrupted: s.hostStatus() == core.ExitInterrupted, Err: s.hostErrors()})
		return s.app.joinErrors(err, outputError(s.printCount()))
	}
	err := s.app.joinErrors(s.print(nil), exitWith(s.hostStatus()))
	var exit *exitError
	stopped := slices.ContainsFunc(s.hosts, func(h fleet.Result) bool { return h.Stopped })
	if errors.As(err, &exit) && exit.status == core.ExitInterrupted && !stopped {
		exit.status = core.ExitRun // a connection that was lost ended a run, and no person
	}
	return err
}

// hostErrors returns the errors of the hosts, each with its host.
func (s *seriesView) hostErrors() error {
	var all []error
	for _, h := range s.hosts {
		if h.Err != nil {
			all = append(all, fmt.Errorf("%s: %w", hostName(h.Handle), h.Err))
		}
	}
	return errors.Join(all...)
}

// hostStatus returns the exit status because of hosts that gave fewer runs than wanted.
func (s *seriesView) hostStatus() int {
	status := core.ExitPass
	for _, h := range s.hosts {
		switch {
		case h.Err == nil:
		case h.Status == core.ExitInterrupted && h.Stopped:
			status = worstStatus(status, core.ExitInterrupted)
		default:
			status = worstStatus(status, core.ExitRun)
		}
	}
	return status
}

// printHosts prints one line for each host.
func (s *seriesView) printHosts() error {
	t := tableTo(s.app.stdout)
	fmt.Fprintf(t, "host\truns\tverdict\t\n")
	for _, h := range s.hosts {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", line(hostName(h.Handle)), len(h.Runs), hostVerdict(h), line(hostSummary(h)))
	}
	return t.Flush()
}

// hostVerdict returns "pass", "fail", or "no result" of a host, which can have a part of the runs.
func hostVerdict(h fleet.Result) string {
	if len(h.Runs) == 0 {
		return "no result"
	}
	for _, r := range h.Runs {
		// A run that ended with its host says nothing about the payload.
		if r.Record.Verdict != core.Pass && !(r.Record.Interrupted && h.Err != nil) {
			return core.Fail
		}
	}
	if h.Err != nil {
		return "no result"
	}
	return core.Pass
}

// hostSummary returns the error of a host, or its headlines.
func hostSummary(h fleet.Result) string {
	if h.Err != nil {
		return h.Err.Error()
	}
	return strings.TrimSpace(headlinesOf(runs.Side("", h.Runs)))
}

// printCount prints the number of hosts with each verdict, and the names of those that did
// not pass.
func (s *seriesView) printCount() error {
	names := map[string][]string{}
	for _, h := range s.hosts {
		v := hostVerdict(h)
		names[v] = append(names[v], hostName(h.Handle))
	}
	text := fmt.Sprintf("%s: %d passed", count(len(s.hosts), "host"), len(names[core.Pass]))
	for _, v := range []struct{ verdict, text string }{{core.Fail, "failed"}, {"no result", "without a result"}} {
		if list := names[v.verdict]; len(list) > 0 {
			text += fmt.Sprintf(", %d %s (%s)", len(list), v.text, strings.Join(list, ", "))
		}
	}
	_, err := fmt.Fprintln(s.app.stdout, line(text))
	return err
}
