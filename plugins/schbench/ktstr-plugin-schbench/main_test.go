package main

import (
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr/internal/testenv"
	"github.com/ktstr/ktstr/sdk/plugintest"
)

// C29: the plugin's process makes of every capture what its golden says, which
// is what the parser makes of it in this process.
func TestPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of checks: not with -short")
	}
	path := filepath.Join(testenv.Build(t, "./plugins/schbench/ktstr-plugin-schbench"), "ktstr-plugin-schbench")
	plugintest.Run(t, plugintest.Config{Path: path, Corpus: "../testdata/corpus"})
}
