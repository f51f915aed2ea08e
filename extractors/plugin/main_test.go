package plugin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/sdk"
)

// The test binary is every plugin of these tests: as `_plugin NAME`, and under
// the name ktstr-plugin-NAME.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_launch" {
		os.Exit(LauncherMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "_host" {
		hostMain()
	}
	name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "ktstr-plugin-")
	if len(os.Args) == 3 && os.Args[1] == "_plugin" {
		name, ok = os.Args[2], true
	}
	if ok {
		serve, known := testPlugins[name]
		if !known {
			fmt.Fprintf(os.Stderr, "no test plugin %q\n", name)
			os.Exit(1)
		}
		serve()
	}
	os.Exit(m.Run())
}

// testPlugins are the plugins of these tests, good and bad.
var testPlugins = map[string]func(){
	"echo":     func() { sdk.Serve(parser("echo", echo)) },
	"no-start": func() { fmt.Fprintln(os.Stderr, "libwanted.so.1 is not there"); os.Exit(3) },
	"silent":   func() { select {} },
	"busy": func() {
		go func() {
			for {
				time.Sleep(time.Millisecond)
			}
		}()
		sdk.Serve(parser("busy", echo))
	},
	"moody": func() { sdk.Serve(parser("moody", moody)) },
}

func parser(name string, parse func(ktstr.Output) (ktstr.Extraction, error)) ktstr.Parser {
	return ktstr.Parser{Description: ktstr.Description{Name: name, Version: "1.0.0"}, Parse: parse}
}

// echo tells what it was given.
func echo(out ktstr.Output) (ktstr.Extraction, error) {
	x := ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: float64(len(out.Data)), Unit: "B", Polarity: ktstr.Higher, Line: 1}}}
	say := func(code, message string) {
		x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{Code: ktstr.Code(code), Message: message})
	}
	var sum float64
	for _, b := range out.Data {
		sum += float64(b)
	}
	x.Metrics = append(x.Metrics, ktstr.Metric{Name: "sum", Value: sum})
	say("stream", string(out.Stream))
	say("truncated", fmt.Sprint(out.Truncated))
	if out.ExitCode != nil {
		say("exit", fmt.Sprint(*out.ExitCode))
	}
	say("argv", fmt.Sprintf("%q", out.Argv))
	say("options", fmt.Sprint(out.Options))
	x.Hints = []ktstr.Hint{{Name: "by*", Unit: "B", Polarity: ktstr.Lower, Headline: true}}
	return x, nil
}

// moody does what the capture says.
func moody(out ktstr.Output) (ktstr.Extraction, error) {
	good := ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "good", Value: 1}}}
	switch string(out.Data) {
	case "error":
		return good, errors.New("the report has no version line: want sysbench 1.0")
	case "panic":
		panic("index of the parser is out of range")
	case "exit":
		fmt.Println("to fd 1 of old")
		fmt.Fprintln(os.Stderr, "license server unreachable")
		os.Exit(7)
	case "hang":
		select {}
	case "nan":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p99", Value: math.NaN()})
	case "inf":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p99", Value: math.Inf(-1)})
	case "long":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: strings.Repeat("n", 1<<20), Value: 1})
	case "unnamed":
		good.Metrics = append(good.Metrics, ktstr.Metric{Value: 1})
	case "polarity":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "p", Polarity: "sideways"})
	case "latin1":
		good.Metrics = append(good.Metrics, ktstr.Metric{Name: "caf\xe9", Value: 1})
	}
	return good, nil
}

// start starts a bundled test plugin.
func start(t *testing.T, name string) *Plugin {
	t.Helper()
	return startConfig(t, Config{Name: name, Self: []string{"_plugin", name}})
}

func startConfig(t *testing.T, c Config) *Plugin {
	t.Helper()
	testkit.LeavesNothing(t)
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
