// Package plugintest runs the checks of `ktstr plugin verify` as subtests.
//
//	func TestPlugin(t *testing.T) {
//		plugintest.Run(t, plugintest.Config{Extractor: parser(), Corpus: "corpus"})
//	}
//
// The corpus has one folder for each case. The folder holds the output of the tool
// (stdout, stderr, file-NAME), the expected document (extract.json, as
// `ktstr extract -o json` prints it), and optionally meta.json with "argv" and
// "exit_code". docs/plugin-checks.md lists the checks.
package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
)

// Config selects the subject of the checks: an Extractor in the test's own
// process, or the executable at Path, as a host runs it. The checks of processes
// need a Path.
type Config = verify.Config

// Report holds the results of the checks.
type Report = verify.Report

// Verify runs the checks without a *testing.T. The error says why no check could
// run.
func Verify(ctx context.Context, c Config) (Report, error) { return verify.Run(ctx, c) }

// Run runs each check as a subtest with the name of the check. A check that cannot
// run is skipped with the reason.
func Run(t *testing.T, c Config) {
	t.Helper()
	report, err := Verify(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range report.Checks {
		t.Run(check.Name, func(t *testing.T) {
			switch check.Outcome {
			case verify.Skip:
				t.Skip(check.Detail)
			case verify.Fail:
				var b bytes.Buffer
				fmt.Fprintf(&b, "%s: not so:", check.About)
				for _, f := range check.Failures {
					fmt.Fprintf(&b, "\n- %s", f.Message)
					if f.Input != "" {
						fmt.Fprintf(&b, "\n  input: %s\n  bytes: %q", f.Input, f.Bytes)
					}
					if f.Also > 0 {
						fmt.Fprintf(&b, "\n  the same with %d more inputs", f.Also)
					}
				}
				if check.More > 0 {
					fmt.Fprintf(&b, "\n- and %d more", check.More)
				}
				t.Error(b.String())
			default:
				if check.Detail != "" {
					t.Log(check.Detail)
				}
			}
		})
	}
}

// Sound extracts out with x and returns an error for each mistake that no input
// excuses: a panic, an error, a value that is not finite, an invalid name. Call it
// in a fuzz target.
func Sound(x ktstr.Extractor, out ktstr.Output) error { return verify.Sound(x, out) }
