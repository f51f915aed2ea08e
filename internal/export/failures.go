package export

import (
	"fmt"
	"slices"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/runs"
)

// Failure is a message and the runs that failed with it.
type Failure struct {
	Message string
	Runs    []runs.Run
	At      int // index of the first of them in the list
}

// Failures lists what the runs failed with, each message once, in the order of
// their first occurrence.
func Failures(list []runs.Run) []Failure {
	var all []Failure
	at := map[string]int{}
	for n, r := range list {
		seen := map[string]bool{"": true}
		for _, message := range messages(r.Record) {
			if seen[message] {
				continue
			}
			seen[message] = true
			i, ok := at[message]
			if !ok {
				i = len(all)
				at[message], all = i, append(all, Failure{Message: message, At: n})
			}
			all[i].Runs = append(all[i].Runs, r)
		}
	}
	return all
}

// messages are what a run failed with.
func messages(r core.Record) []string {
	all := []string{r.NotStarted}
	late := ""
	if r.TimedOut {
		late = r.TimeoutText()
	}
	for _, d := range r.Details {
		if d.Kind == check.ExitCode && late != "" { // which is how a timeout ends it
			d.Message, late = late+": "+d.Message, ""
		}
		all = append(all, d.Message)
	}
	return append(all, late)
}

// DiagnosticText is a diagnostic as one line for people.
func DiagnosticText(d ktstr.Diagnostic) string {
	where := ""
	if d.Stream != "" {
		where = " (" + string(d.Stream)
		if d.Line > 0 {
			where += fmt.Sprintf(" line %d", d.Line)
		}
		where += ")"
	}
	return string(d.Code) + ": " + d.Message + where
}

// Title names what a run is one of: its payload, and the variant of that.
func Title(r core.Record) string {
	if v := runs.Variant(r); v != "" {
		return r.Payload + " " + v
	}
	return r.Payload
}

// ByTitle splits runs by title, in the order of their first occurrence.
func ByTitle(list []runs.Run) [][]runs.Run {
	var groups [][]runs.Run
	for _, r := range list {
		i := slices.IndexFunc(groups, func(g []runs.Run) bool { return Title(g[0].Record) == Title(r.Record) })
		if i < 0 {
			groups, i = append(groups, nil), len(groups)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}
