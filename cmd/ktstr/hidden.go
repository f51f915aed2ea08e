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

// Commands with which this executable executes itself. They are the first argument and
// are not in the help.
const (
	hiddenPlugin = "_plugin"      // serves a stock plugin
	hiddenNoise  = "_noise"       // the payload noise
	hiddenLaunch = "_launch"      // puts a plugin into the sandbox
	hiddenWatch  = "_watch"       // kills the descendants of runs if ktstr is killed
	hiddenHost   = "_verify-host" // a plugin host that a check of `plugin verify` kills
)

// hidden runs the hidden command args[0]. ok is false if args[0] is another command. It
// comes before the command-line parser because it runs for every plugin.
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
