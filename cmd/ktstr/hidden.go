package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/series"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/plugins/noise"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/spawn"
)

// Commands with which this executable executes itself, besides those of package fleet. They
// are the first argument and are not in the help.
const (
	hiddenPlugin = "_plugin"      // serves a stock plugin
	hiddenNoise  = "_noise"       // the payload noise
	hiddenLaunch = "_launch"      // puts a plugin into the sandbox
	hiddenWatch  = "_watch"       // kills the descendants of runs if ktstr is killed
	hiddenHost   = "_verify-host" // a plugin host that a check of `plugin verify` kills
)

// hidden runs the hidden command args[0]. ok is false if args[0] is another command. It
// comes before the command-line parser because it runs for every plugin.
func hidden(args []string, stdin io.Reader, stdout, stderr io.Writer) (status int, ok bool) {
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
	case fleet.JobVerb:
		return hostJob(args[1:]), true
	case fleet.AttachVerb:
		if len(args) == 2 {
			return fleet.Attach(args[1], stdin, stdout), true
		}
	case hiddenPlugin:
		if len(args) == 2 {
			for _, x := range plugins.Plugins() {
				if x.Describe().Name == args[1] {
					sdk.Serve(x)
				}
			}
		}
	default:
		return 0, false
	}
	fmt.Fprintf(stderr, "ktstr: %s: this command is for ktstr itself\n", strings.Join(args, " "))
	return 2, true
}

// hostJob makes the runs that a client of another host wants.
func hostJob(args []string) int {
	if len(args) != 3 {
		fmt.Fprintf(os.Stderr, "ktstr: %s: want NAME FILE MODE\n", fleet.JobVerb)
		return 2
	}
	stops := series.CatchStops() // a client can stop the job at any time after its start
	defer stops.Close()
	return fleet.Job(args[0], args[1], args[2], func(s fleet.Setup) int {
		command := []string{"run", "--out", s.Out}
		for _, p := range s.Plugins {
			command = append(command, "--plugin", p)
		}
		for _, dir := range s.PayloadDirs {
			command = append(command, "--payload-dir", dir)
		}
		a := &app{placed: &s, stops: stops}
		return a.execute(context.Background(), append(command, s.Args...), strings.NewReader(""), io.Discard, s.Stderr)
	})
}
