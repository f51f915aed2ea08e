package main

import (
	"fmt"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/text"
)

// looks returns the looks of --until-decided.
func (o seriesOptions) looks() []compare.Look {
	return compare.Looks(o.maxRuns, o.statistics.alpha)
}

// look returns which look, from 0, comes after that number of rounds or with it.
func (o seriesOptions) look(rounds int) int {
	for i, l := range o.looks() {
		if l.Runs >= rounds {
			return i
		}
	}
	return len(o.looks()) - 1
}

// enough reports whether the runs are decided after that number of rounds, or whether a
// decision is hopeless.
func (s *seriesView) enough(rounds int) bool {
	looks, at := s.o.series.looks(), s.o.series.look(rounds)
	if looks[at].Runs != rounds || at == len(looks)-1 {
		return false
	}
	decided, hopeless := true, at > 0
	for _, r := range s.reports() {
		decided = decided && r.Decided()
		hopeless = hopeless && (r.Decided() || r.Hopeless(s.o.series.maxRuns))
		if r.ExitStatus(true) == 1 {
			return true
		}
	}
	return decided || hopeless
}

// noteLook adds to the reports of --until-decided at which look they were made, and why no
// more runs follow.
func (s *seriesView) noteLook(reports []compare.Report) {
	rounds := 0
	for _, side := range s.Sides {
		rounds = max(rounds, len(side.Kept))
	}
	looks, at := s.o.series.looks(), s.o.series.look(rounds)
	for i := range reports {
		r := &reports[i]
		note := fmt.Sprintf("look %d of %d, after %s a side, with %.2g of the alpha of %.3g", at+1, len(looks), text.Count(rounds, "run"), looks[at].Alpha, s.o.series.statistics.alpha)
		switch {
		case r.Decided():
		case rounds < looks[at].Runs:
			note += "; stopped before the next look"
		case at < len(looks)-1 && r.Hopeless(s.o.series.maxRuns):
			note += fmt.Sprintf("; stopped, because a decision is hopeless with at most %s", text.Count(s.o.series.maxRuns, "run"))
		}
		r.Notes = append(r.Notes, note)
	}
}
