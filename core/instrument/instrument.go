// Package instrument is the interface of an instrument: a part of ktstr that measures
// around one run. An instrument is like an extractor, but its metrics do not come from
// the output of the payload. The packages below this one are the instruments, and
// CONTRIBUTING.md has the steps to add one.
package instrument

import (
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/spawn"
)

// Instrument measures around runs. Several runs can use one Instrument at once.
type Instrument interface {
	// Describe returns the name of the instrument, and a hint for each of its metrics,
	// which gives the unit and the polarity. A hint with Headline marks a metric that is
	// a headline if the extractor of the run gives no metrics by design.
	Describe() ktstr.Description

	// Begin is called right before the payload starts, on the thread that starts it.
	// end is called once, after the payload and its descendants have ended, or after
	// the payload could not be started. In that case the result is the zero Result.
	//
	// A metric that cannot be measured is left out. A diagnostic with the code
	// ktstr.Unavailable, whose message contains the name of the metric, gives the reason.
	Begin() (end func(spawn.Result) ktstr.Extraction)
}

// Begin begins with each of list, and returns the function that ends them and joins
// their answers in the order of list.
func Begin(list []Instrument) (end func(spawn.Result) ktstr.Extraction) {
	ends := make([]func(spawn.Result) ktstr.Extraction, len(list))
	for i, x := range list {
		ends[i] = x.Begin()
	}
	return func(r spawn.Result) (all ktstr.Extraction) {
		for _, end := range ends {
			e := end(r)
			all.Metrics = append(all.Metrics, e.Metrics...)
			all.Diagnostics = append(all.Diagnostics, e.Diagnostics...)
		}
		return all
	}
}

// Hints returns the hints for all metrics of list.
func Hints(list []Instrument) (hints []ktstr.Hint) {
	for _, x := range list {
		hints = append(hints, x.Describe().Hints...)
	}
	return hints
}
