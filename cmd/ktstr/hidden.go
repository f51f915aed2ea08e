package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/plugins/noise"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/spawn"
)

// Names of the commands that this executable runs itself as. They stand
// before the flags of a person, so they are looked at first, and cheaply.
const (
	hiddenPlugin = "_plugin"
	hiddenNoise  = "_noise"
	hiddenLaunch = "_launch"      // puts a plugin into the sandbox
	hiddenHost   = "_verify-host" // a host that a check kills
)

// hidden runs the command of that name, if it is one.
func hidden(args []string, _ io.Reader, stdout, stderr io.Writer) (status int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case hiddenNoise:
		return noise.Main(args[1:], stdout, stderr), true
	case hiddenLaunch:
		return plugin.LauncherMain(args[1:]), true
	case hiddenWatch:
		spawn.WatcherMain()
	case hiddenHost:
		return verify.Host(args[1:]), true
	case hiddenPlugin:
		if len(args) == 2 {
			for _, x := range plugins.Plugins() {
				if x.Describe().Name == args[1] {
					sdk.Serve(x)
				}
			}
		}
		fmt.Fprintf(stderr, "ktstr: %s: want the name of a stock plugin\n", strings.Join(args, " "))
		return 2, true
	}
	return 0, false
}

// hiddenWatch is the process that kills what a killed ktstr leaves behind.
const hiddenWatch = "_watch"
