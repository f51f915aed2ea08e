// Package plugintest turns an extractor and a folder of captures into test
// results: the same checks as `ktstr plugin verify`, as subtests.
//
//	func TestPlugin(t *testing.T) {
//		plugintest.Run(t, plugintest.Config{Extractor: parser(), Corpus: "corpus"})
//	}
//
// The corpus has one folder a case: what the tool printed (stdout, stderr, file-NAME),
// what is to be read from it (extract.json, the document that
// `ktstr extract -o json` prints), and if known meta.json with "argv" and
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

// Config says what to check: an Extractor in the test's own process, or the
// executable at Path as a host runs it, with the checks that are about processes.
type Config = verify.Config

// Report is what the checks came to.
type Report = verify.Report

// Verify makes all checks. The error says why none could be made.
func Verify(ctx context.Context, c Config) (Report, error) { return verify.Run(ctx, c) }

// Run makes all checks, each as a subtest of its name. A check that cannot be made is
// skipped with its reason.
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

// Sound says what is wrong with what x makes of out, whatever out is: a panic, an
// error, a value that is not finite, a name that is no name. It is what a fuzz
// target should call.
func Sound(x ktstr.Extractor, out ktstr.Output) error { return verify.Sound(x, out) }
