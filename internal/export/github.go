package export

import (
	"fmt"
	"io"
	"strings"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// githubRuns writes Markdown for the job summary of GitHub Actions: a heading with the
// verdict, the tables of the markdown format, and the host.
func githubRuns(w io.Writer, s Source) error {
	failed := 0
	for _, r := range s.Runs {
		if !passed([]runs.Run{r}) {
			failed++
		}
	}
	heading := fmt.Sprintf("✅ ktstr: %d of %d runs passed", len(s.Runs)-failed, len(s.Runs))
	if failed > 0 || len(s.Runs) == 0 {
		heading = "❌" + strings.TrimPrefix(heading, "✅")
	}
	for _, r := range s.Comparisons {
		heading = githubIcon(heading, r) + "; " + cell(r.B.Name) + " against " + cell(r.A.Name) + ": " + r.Summary()
	}
	fmt.Fprintf(w, "## %s\n\n", heading)
	if err := markdownAll(w, s); err != nil {
		return err
	}
	return githubHosts(w, s.Runs)
}

// githubReport writes a comparison.
func githubReport(w io.Writer, s Source) error {
	fmt.Fprintf(w, "## %s: %s\n\n", githubIcon("✅ ktstr compare", *s.Report), s.Report.Summary())
	if err := markdownReport(w, s); err != nil {
		return err
	}
	return githubHosts(w, append(s.Runs[:len(s.Runs):len(s.Runs)], s.Other...))
}

// githubIcon replaces the icon of a heading if the comparison failed or judged nothing. The
// words next to the icon say the same.
func githubIcon(heading string, r compare.Report) string {
	icon := ""
	switch r.ExitStatus(false) {
	case 1:
		icon = "❌"
	case 5:
		icon = "❔"
	}
	if rest, ok := strings.CutPrefix(heading, "✅"); ok && icon != "" {
		return icon + rest
	}
	return heading
}

// githubHosts writes the facts of the hosts, folded.
func githubHosts(w io.Writer, list []runs.Run) error {
	fmt.Fprint(w, "\n<details><summary>Hosts</summary>\n\n| host | kernel | CPU | CPUs | commit |\n|---|---|---|--:|---|\n")
	seen := map[string]bool{}
	for _, r := range list {
		h := r.Record.Host
		if r.Record.NotStarted != "" {
			continue
		}
		line := fmt.Sprintf("| %s | %s | %s | %d | %s |\n", cell(h.Name), cell(h.Kernel), cell(h.CPU), h.CPUs, cell(r.Record.Labels[runs.LabelCommit]))
		if !seen[line] {
			seen[line] = true
			fmt.Fprint(w, line)
		}
	}
	_, err := fmt.Fprint(w, "\n</details>\n")
	return err
}
