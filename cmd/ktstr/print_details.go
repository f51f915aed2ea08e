package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/runs"
)

// printDetails prints the facts about a run besides its metrics, for example the command
// line, the host, the exit code and the CPU time. An unknown fact has no line.
func (a *app) printDetails(run runs.Run) error {
	r := run.Record
	t := tableTo(a.stdout)
	last := ""
	row := func(key, text string) {
		if text = strings.TrimSpace(text); text == "" {
			return
		}
		if key == last {
			key = ""
		} else {
			last = key
		}
		fmt.Fprintf(t, "%s\t%s\n", key, line(text))
	}
	for _, o := range r.Checks {
		row("check", o.Check+": "+o.Status)
	}
	row("argv", shellescape.QuoteCommand(r.Argv))
	row("directory", r.Dir)
	if r.Scratch != nil {
		dir := r.Scratch.Dir
		if dir == r.Dir {
			dir = ""
		}
		row("scratch", commas(dir, r.Scratch.Filesystem))
	}
	if !r.Start.IsZero() {
		row("start", r.Start.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	row("ended", endText(r))
	row("host", hostText(r.Host))
	if r.Exclusive && len(r.Overlapped) == 0 {
		row("exclusive", "no other run of ktstr on the host")
	}
	for _, o := range r.Overlapped {
		row("overlapped", overlapText(o))
	}
	row("tool", r.Tool)
	row("extractor", extractorText(r))
	for _, d := range r.Extraction.Diagnostics {
		row("diagnostic", string(d.Code)+": "+d.Message)
	}
	row("captured", capturedText(r.Capture))
	row("used", costText(r.Used))
	if c := r.Cgroup; c != nil {
		row("cgroup", cgroupText(*c))
	}
	row("ktstr used", costText(r.Harness))
	row("watcher used", costText(r.Watcher))
	row("plugin used", costText(r.Frozen)) // while it was stopped
	for _, k := range r.Killed {
		row("killed", fmt.Sprintf("%s (pid %d)", k.Name, k.Pid))
	}
	for _, n := range r.Notices {
		row("note", n)
	}
	for _, l := range labelRows([]runs.Run{run}) {
		row(l[0], l[1])
	}
	row("bundle", run.Dir)
	return t.Flush()
}

// endText returns how a payload ended, for example "exit code 0, after 1.5s".
func endText(r core.Record) string {
	if r.NotStarted != "" {
		return "no result"
	}
	text := fmt.Sprintf("exit code %d", r.ExitCode)
	if r.Signal != "" {
		text = r.Signal
	}
	if r.CoreDumped {
		text += ", core dumped"
	}
	after := time.Duration(r.Duration).Round(time.Millisecond)
	switch {
	case r.TimedOut:
		text += ", timed out"
	case r.Interrupted:
		text += ", interrupted"
	}
	return fmt.Sprintf("%s, after %v", text, after)
}

func hostText(h core.Host) string {
	cpus, governor, memory := "", "", ""
	if h.CPUs > 0 {
		cpus = count(h.CPUs, "CPU")
	}
	if h.Governor != "" {
		governor = "governor " + h.Governor
	}
	if h.Memory > 0 {
		memory = unit.Scale(float64(h.Memory), "B")
	}
	return commas(h.Name, strings.TrimSpace(h.Kernel+" "+h.Arch), h.CPU, cpus, governor, memory)
}

func extractorText(r core.Record) string {
	text := core.VersionOf(r.Extraction).String()
	if r.Plugin == nil {
		return text
	}
	from := r.Plugin.From
	if r.Plugin.Path != "" {
		from += " " + r.Plugin.Path
	}
	lock := "locked"
	if !r.Plugin.Locked {
		lock = "not locked"
	} else if r.Plugin.Lock != "" {
		lock += " by " + r.Plugin.Lock
	}
	sandbox := "no sandbox"
	if len(r.Plugin.Sandbox) > 0 {
		sandbox = "sandboxed"
		var missing []string
		for _, m := range r.Plugin.Sandbox {
			if !m.Enforced {
				missing = append(missing, m.Name)
			}
		}
		if len(missing) > 0 {
			sandbox += " but for " + strings.Join(missing, ", ")
		}
	}
	return commas(text, from, lock, sandbox)
}

// capturedText returns how much of each stream was read, for example "stdout 2 KiB".
func capturedText(capture map[string]core.Seen) string {
	var streams []string
	for stream := range capture {
		streams = append(streams, stream)
	}
	// stdout, then stderr, then the files by name.
	order := []string{string(ktstr.Stdout), string(ktstr.Stderr)}
	slices.SortFunc(streams, func(x, y string) int {
		i, j := slices.Index(order, x), slices.Index(order, y)
		switch {
		case i >= 0 && j >= 0:
			return i - j
		case i >= 0:
			return -1
		case j >= 0:
			return 1
		}
		return strings.Compare(x, y)
	})
	var parts []string
	for _, stream := range streams {
		seen := capture[stream]
		text := stream + " " + unit.Scale(float64(seen.Bytes), "B")
		if seen.Truncated {
			text += " (not all kept)"
		}
		if !seen.Complete {
			text += " (its end was not seen)"
		}
		parts = append(parts, text)
	}
	return commas(parts...)
}

func costText(c *core.Cost) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s CPU, %d voluntary and %d involuntary switches", seconds(c.CPU), c.VoluntarySwitches, c.InvoluntarySwitches)
}

func cgroupText(c core.Cgroup) string {
	throttled, memory, waited := "", "", ""
	if c.Throttled > 0 {
		throttled = fmt.Sprintf("throttled for %s in %s", seconds(c.Throttled), count(int(c.ThrottledPeriods), "period"))
	}
	if c.MemoryPeak > 0 {
		memory = unit.Scale(float64(c.MemoryPeak), "B") + " memory at most"
	}
	var pressures []string
	for _, p := range []struct {
		name string
		core.Pressure
	}{{"CPU", c.CPUPressure}, {"memory", c.MemoryPressure}, {"I/O", c.IOPressure}} {
		if p.Some > 0 {
			pressures = append(pressures, fmt.Sprintf("%s %s", p.name, seconds(p.Some)))
		}
	}
	if len(pressures) > 0 {
		waited = "waited for " + strings.Join(pressures, ", ")
	}
	return commas(fmt.Sprintf("%s CPU (%s user, %s system)", seconds(c.CPU), seconds(c.User), seconds(c.System)), throttled, memory, waited)
}

func seconds(s core.Seconds) string { return unit.Scale(time.Duration(s).Seconds(), "s") }

// commas joins the parts that are not empty.
func commas(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// printFacts prints the facts about several runs of one payload, for example the kernel.
// If runs differ, it lists the values.
func (a *app) printFacts(list []runs.Run) error {
	t := tableTo(a.stdout)
	row := func(name string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(t, "%s\t%s\n", line(name), line(anyOf(values)))
		}
	}
	var names []string
	values := map[string][]string{}
	add := func(name, value string) {
		if value == "" {
			return
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !slices.Contains(values[name], value) {
			values[name] = append(values[name], value)
		}
	}
	for _, r := range runs.Side("", list).Runs {
		for _, f := range r.About {
			if f.Name != "payload version" { // a digest, which tells the reader nothing
				add(f.Name, f.Value)
			}
		}
	}
	for _, name := range names {
		row(name, values[name])
	}
	exclusive, overlapped := exclusiveText(list)
	row("exclusive", exclusive)
	row("overlapped", overlapped)
	for _, l := range labelRows(list) {
		row(l[0], []string{l[1]})
	}
	return t.Flush()
}

// labelRows returns the labels of the runs, for example the set, the commit and the tags.
func labelRows(list []runs.Run) [][2]string {
	var rows [][2]string
	add := func(name string, of func(runs.Run) []string) {
		var values []string
		for _, r := range list {
			for _, v := range of(r) {
				if v != "" && !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
		}
		if len(values) > 0 {
			rows = append(rows, [2]string{name, anyOf(values)})
		}
	}
	label := func(name string) func(runs.Run) []string {
		return func(r runs.Run) []string { return []string{r.Record.Labels[name]} }
	}
	add("set", label(runs.LabelSet))
	add("variant", label(runs.LabelVariant))
	add("commit", func(r runs.Run) []string {
		commit := r.Record.Labels[runs.LabelCommit]
		if commit != "" && r.Record.Labels[runs.LabelDirty] == "true" {
			commit += " with changes"
		}
		return []string{commit}
	})
	add("ktstr", label(runs.LabelVersion))
	add("tags", func(r runs.Run) []string { return r.Tags })
	return rows
}

// anyOf lists the first values, for example "A | B | 3 more".
func anyOf(values []string) string {
	const some = 5
	text := strings.Join(values[:min(some, len(values))], " | ")
	if more := len(values) - some; more > 0 {
		text += fmt.Sprintf(" | %d more", more)
	}
	return text
}
