// Package extractors holds the built-in extractors. JSON turns the numbers of
// JSON documents into metrics. ExitCode gives no metrics: it is for payloads
// that are judged by their exit status alone.
package extractors

import "github.com/ktstr/ktstr"

// ExitCode returns the extractor "exit-code". It gives no metrics for any
// output, and that is a success.
func ExitCode() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{Name: "exit-code", Summary: "No number of the output: the exit status, and the cost of the run.", Version: "1", NoMetrics: true},
		Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, nil },
	}
}
