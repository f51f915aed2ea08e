package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/sdk"
)

// The test binary is its own launcher, and the plugin "echo" under that name.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_launch" {
		os.Exit(plugin.LauncherMain(os.Args[2:]))
	}
	if filepath.Base(os.Args[0]) == "ktstr-plugin-echo" {
		sdk.Serve(ktstr.Parser{
			Description: ktstr.Description{Name: "echo", Version: "1.0.0"},
			Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, nil },
		})
	}
	os.Exit(testkit.Run(m))
}
