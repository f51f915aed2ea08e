package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/runs"
)

// A Failure is a message and the runs that failed with it.
type Failure struct {
	Message string
	Runs    []runs.Run
	At      int // the index of the first of them in the list
}

// Failures returns the messages with which runs failed. Each message occurs once, in
// the order of its first occurrence.
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

// messages returns the messages with which a run failed. Some may be empty.
func messages(r core.Record) []string {
	all := []string{r.NotStarted}
	late := ""
	if r.TimedOut {
		late = r.TimeoutText()
	}
	for _, d := range r.Details {
		if d.Kind == check.ExitCode && late != "" { // a timeout ends the run by a signal, so both are one failure
			d.Message, late = late+": "+d.Message, ""
		}
		all = append(all, d.Message)
	}
	return append(all, late)
}

// Diagnostics returns the diagnostics of a run, without those about metrics run.* that
// could not be measured, unless such metrics are the headlines.
func Diagnostics(r core.Record) []ktstr.Diagnostic {
	if r.Extraction.Status == extract.OK && len(r.Printed()) == 0 {
		return r.Extraction.Diagnostics
	}
	return slices.DeleteFunc(slices.Clone(r.Extraction.Diagnostics), func(d ktstr.Diagnostic) bool {
		return d.Code == ktstr.Unavailable && strings.HasPrefix(d.Message, "run.")
	})
}

// DiagnosticText returns a diagnostic on one line, such as "truncated: the output
// ends within a job (stdout line 7)".
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

// Title returns the name of a run's payload, and the variant if it has one.
func Title(r core.Record) string {
	if v := runs.Variant(r); v != "" {
		return r.Payload + " " + v
	}
	return r.Payload
}

// ByTitle groups runs by title, in the order of their first occurrence.
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
