// Package catalog finds payloads and extractors by name: those that ship with
// ktstr, those in payload files, and those of plugins. It also starts the extractor
// that it found.
package catalog

import (
	"github.com/hashicorp/go-hclog"
)

// Catalog holds the places to search. Its zero value finds the built-in extractors, the
// installed plugins, the stock payloads and the user's payload files.
type Catalog struct {
	PayloadDirs []string // directories with payload files, searched before all other places
	Plugins     []string // plugin executables as NAME=PATH, searched before all other plugins

	Lock string // path of the ktstr.lock; empty: that of the working directory, if there is one

	// ktstr executes itself for some entries. These are the first arguments of that
	// command line.
	Launch       []string // puts a plugin into its sandbox; nil: plugins run without one
	ServeStock   []string // serves the stock plugin whose name follows
	StockProgram string   // prefix of the command that is the program of a stock payload, for example "_" for "_noise"

	Log    hclog.Logger // of the plugin hosts; nil: no log
	Notice func(string) // is called with a message for the user, for example that a plugin is not in a ktstr.lock; nil: messages are dropped
}

func (c *Catalog) notice(text string) {
	if c.Notice != nil {
		c.Notice(text)
	}
}
