package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin"
)

// examineSandbox puts a process into the sandbox of a plugin and returns the
// restrictions that the kernel granted.
func examineSandbox(ctx context.Context) ([]core.Measure, error) {
	probed, err := plugin.Probe(ctx, []string{hiddenLaunch})
	if err != nil {
		return nil, err
	}
	var all []core.Measure
	for _, m := range probed.Report {
		all = append(all, core.Measure(m))
	}
	tried := core.Measure{Name: "accesses", Enforced: true, Detail: fmt.Sprintf("%d kinds of access were tried in the sandbox", len(probed.Accesses))}
	if holes := probed.Holes(); len(holes) > 0 {
		tried.Enforced, tried.Detail = false, "allowed, although a part above should refuse it: "+strings.Join(holes, ", ")
	}
	return append(all, tried), nil
}

func sandboxRows(measures []core.Measure) (rows [][3]string) {
	for _, m := range measures {
		state := "enforced"
		if !m.Enforced {
			state = "not enforced"
		}
		rows = append(rows, [3]string{m.Name, state, m.Detail})
	}
	return rows
}
