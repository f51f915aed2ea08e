package plugintest_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/sdk/plugintest"
)

// The test of a plugin is one call. Each check is a subtest, for example
// TestPlugin/golden.
func ExampleRun() {
	testPlugin := func(t *testing.T) { // in the plugin this is func TestPlugin
		plugintest.Run(t, plugintest.Config{Extractor: demo(), Corpus: "testdata/corpus"})
	}
	_ = testPlugin

	// Verify runs the same checks without a *testing.T.
	report, err := plugintest.Verify(context.Background(), plugintest.Config{Extractor: demo(), Corpus: "testdata/corpus"})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range report.Checks[:3] {
		fmt.Println(c.Outcome, c.Name)
	}
	fmt.Println("all passed:", report.OK())
	// Output:
	// pass describe
	// pass golden
	// pass described
	// all passed: true
}

// A fuzz target calls Sound.
func ExampleSound() {
	fuzzParser := func(f *testing.F) { // in the plugin this is func FuzzParser
		f.Fuzz(func(t *testing.T, data []byte) {
			if err := plugintest.Sound(demo(), ktstr.Output{Data: data}); err != nil {
				t.Error(err)
			}
		})
	}
	_ = fuzzParser

	fmt.Println(plugintest.Sound(demo(), ktstr.Output{Data: []byte("demo 1\nthroughput: nan MiB/s\n")}))
	// Output: <nil>
}
