// Package catalog finds payloads and extractors by name: those that ship with
// ktstr, those in payload files, and those of plugins. It also starts the extractor
// that it found.
package catalog

import (
	"github.com/hashicorp/go-hclog"
)

// Catalog says where to look. Its zero value finds the built-in extractors, the
// installed plugins, the stock payloads and the user's payload files.
type Catalog struct {
	PayloadDirs []string // directories with payload files, searched before all other places
	Plugins     []string // plugin executables as NAME=PATH, searched before all other plugins

	// The executable runs itself for some of the entries. These are the words that
	// come first on its command line then.
	Launch       []string // puts a plugin into its sandbox; nil: plugins run without one
	ServeStock   []string // serves the stock plugin whose name follows
	StockProgram string   // prefix of the command that is the program of a stock payload, for example "_" for "_noise"

	Log    hclog.Logger // of the plugin hosts; nil: no log
	Notice func(string) // is told what the user should know at once, for example that a plugin is used unlocked; nil: nothing is told
}

func (c *Catalog) notice(text string) {
	if c.Notice != nil {
		c.Notice(text)
	}
}
