// Command start measures what the start of ktstr and of its plugins costs, as a ratio to an empty Go program, and compares the
// ratios with those of kept.txt. See README.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
)

const (
	document = "extractors/testdata/fio.json" // 7 KB
	kept     = "bench/start/kept.txt"
)

func main() {
	rounds := flag.Int("rounds", 100, "how often each command runs")
	keep := flag.Bool("keep", false, "write the figures to "+kept+" instead of comparing them")
	flag.Parse()
	if err := run(*rounds, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "bench/start:", err)
		os.Exit(1)
	}
}

func run(rounds int, keep bool) error {
	dir, err := os.MkdirTemp("", "bench-start-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // ktstr refuses a plugin below a directory that others can write
		return err
	}
	if err := build(dir); err != nil {
		return fmt.Errorf("%w (run it in the root of the repository)", err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	capture, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	subjects := []subject{
		{"empty", "an empty Go program", command(at("empty"))},
		{"linked", "a program with the code of ktstr whose main returns at once", command(at("linked"))},
		{"version", "`ktstr --version`", command(at("ktstr"), "--version")},
		{"extract-json", "`ktstr extract json -o json` of 7 KB", command(at("ktstr"), "extract", "json", "--stdout", document, "-o", "json")},
		{"plugin", "`ktstr-plugin-fio`, served: Describe, and Extract of 7 KB", serve(at("ktstr-plugin-fio"), capture)},
		{"extract-fio", "`ktstr extract fio` of 7 KB: the command and the plugin that it serves", command(at("ktstr"), "extract", "fio", "--stdout", document)},
	}
	figures, err := measure(rounds, subjects)
	if err != nil {
		return err
	}
	for _, name := range []string{"ktstr", "ktstr-plugin-fio"} {
		info, err := os.Stat(at(name))
		if err != nil {
			return err
		}
		figures = append(figures, figure{name: "size-" + name, about: "`" + name + "`, bytes", value: float64(info.Size())})
	}
	if keep {
		return write(figures)
	}
	if err := compare(figures); err != nil {
		return err
	}
	for _, p := range []struct{ about, path string }{{"ktstr", at("ktstr")}, {"a program that only imports go-plugin", at("goplugin")}} {
		if err := printInit(p.about, p.path, rounds); err != nil {
			return err
		}
	}
	return nil
}

// build builds what is measured with the flags of `make build`.
func build(dir string) error {
	source, err := filepath.Abs("cmd/ktstr/main.go")
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: filepath.Join(dir, "linked.go")}})
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"empty.go":     "package main\n\nfunc main() {}\n",
		"goplugin.go":  "package main\n\nimport _ \"github.com/hashicorp/go-plugin\"\n\nfunc main() {}\n",
		"linked.go":    linked,
		"overlay.json": string(overlay),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, args := range map[string][]string{
		"empty":            {filepath.Join(dir, "empty.go")},
		"goplugin":         {filepath.Join(dir, "goplugin.go")},
		"linked":           {"-overlay", filepath.Join(dir, "overlay.json"), "./cmd/ktstr"},
		"ktstr":            {"./cmd/ktstr"},
		"ktstr-plugin-fio": {"./plugins/fio/ktstr-plugin-fio"},
	} {
		path := filepath.Join(dir, name)
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-tags", "grpcnotrace", "-o", path}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w\n%s", cmd.Args, err, out)
		}
		// A linker writes through a mapping. Until the next boot the page cache then has the file in single pages, and each start
		// maps them one by one. A copy, such as an installed program, is in large pieces.
		code, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path+".new", code, 0o755)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// linked is a main.go for cmd/ktstr. The condition is never true, but the linker does not know that.
const linked = `package main

import (
	"context"
	"os"
)

func main() {
	if os.Args == nil {
		run(context.Background(), nil, os.Stdin, os.Stdout, os.Stderr)
	}
}
`

// subject is something to measure. once does it one time.
type subject struct {
	name, about string
	once        func() error
}

// command returns a function that runs a command.
func command(argv ...string) func() error {
	return func() error {
		cmd := exec.Command(argv[0], argv[1:]...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%q: %w\n%s", argv, err, &stderr)
		}
		return nil
	}
}

// serve returns a function that starts a plugin, asks for its description, sends it a capture, and stops it.
func serve(path string, capture []byte) func() error {
	return func() error {
		p, err := plugin.Start(context.Background(), plugin.Config{Path: path, Interface: plugin.GRPC})
		if err != nil {
			return err
		}
		_, err = p.Extract(context.Background(), ktstr.Output{Stream: ktstr.Stdout, Data: capture})
		return errors.Join(err, p.Close())
	}
}

// figure is a measured ratio to the empty program, or a size. noise is the standard error of the ratio.
type figure struct {
	name, about  string
	value, noise float64
	cpu          time.Duration // median, 0 for a size
}

// measure runs every subject once in each round, in changing order, so that other work on the machine disturbs all of them. A
// ratio is the median over the rounds of the CPU time of a subject over that of the first subject in the same round.
func measure(rounds int, subjects []subject) ([]figure, error) {
	const warmUp = 3
	cpu := make([][]float64, len(subjects))
	for round := range rounds + warmUp {
		for i := range subjects {
			at := (i + round) % len(subjects)
			before := childrenCPU()
			if err := subjects[at].once(); err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[at].name, err)
			}
			if round >= warmUp {
				cpu[at] = append(cpu[at], float64(childrenCPU()-before))
			}
		}
	}
	figures := make([]figure, len(subjects))
	for i, s := range subjects {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = cpu[i][r] / cpu[0][r]
		}
		value := median(ratios)
		deviations := make([]float64, rounds)
		for r := range ratios {
			deviations[r] = math.Abs(ratios[r] - value)
		}
		// The median absolute deviation times 1.48 estimates the standard deviation of a normal distribution. The standard error
		// of its median is 1.25 times that of its mean.
		noise := 1.25 * 1.48 * median(deviations) / math.Sqrt(float64(rounds))
		figures[i] = figure{s.name, s.about, value, noise, time.Duration(median(cpu[i]))}
	}
	return figures, nil
}

// childrenCPU is the CPU time of all child processes that have ended, and of their children.
func childrenCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) // fails only for a wrong first argument
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// write writes kept.txt.
func write(figures []figure) error {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# load average of the machine: %s\n", strings.Fields(string(load))[0])
	b.WriteString("# name, CPU time as a ratio to an empty Go program (or bytes), standard error. `bench/start/run -keep` writes this file.\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "%s %s %s\n", f.name, number(f.value), number(f.noise))
	}
	return os.WriteFile(kept, []byte(b.String()), 0o644)
}

func number(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// compare prints the figures next to the kept figures. A rise is marked if it is above three standard errors of the difference
// and above a limit: 5 % of a ratio, 1 % of a size.
func compare(figures []figure) error {
	text, err := os.ReadFile(kept)
	if err != nil {
		return fmt.Errorf("%w: write it with bench/start/run -keep", err)
	}
	old := map[string]figure{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var f figure
		if _, err := fmt.Sscan(line, &f.name, &f.value, &f.noise); err != nil {
			return fmt.Errorf("%s: %q: %w: want a name and two numbers", kept, line, err)
		}
		old[f.name] = f
	}
	fmt.Println("| CPU time of | now | over the empty program | kept | change | |\n|---|--:|--:|--:|--:|---|")
	for _, f := range figures {
		was, ok := old[f.name]
		limit, cpu := 0.05, fmt.Sprintf("%.2f ms", float64(f.cpu)/1e6)
		if f.cpu == 0 {
			limit, cpu = 0.01, ""
		}
		change, mark := "", ""
		if ok {
			change = fmt.Sprintf("%+.1f %%", 100*(f.value/was.value-1))
			if rise := f.value - was.value; rise > limit*was.value && rise > 3*math.Hypot(f.noise, was.noise) {
				mark = "**rise**"
			}
		}
		fmt.Printf("| %s | %s | %s ± %s | %s | %s | %s |\n", f.about, cpu, number(f.value), number(f.noise), number(was.value), change, mark)
	}
	return nil
}

// printInit prints how long the initialisation of packages takes before main: of packages outside the standard library, and of
// all packages.
func printInit(about, path string, rounds int) error {
	var outside, all []float64
	for range rounds {
		cmd := exec.Command(path, "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var trace bytes.Buffer
		cmd.Stderr = &trace
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", about, err)
		}
		var sum, whole float64
		for line := range strings.Lines(trace.String()) {
			// init PACKAGE @TIME ms, DURATION ms clock, ...
			f := strings.Fields(line)
			if len(f) < 6 || f[0] != "init" {
				continue
			}
			ms, err := strconv.ParseFloat(f[4], 64)
			if err != nil {
				return fmt.Errorf("inittrace: %q: %w", line, err)
			}
			whole += ms
			if host, _, _ := strings.Cut(f[1], "/"); strings.Contains(host, ".") {
				sum += ms
			}
		}
		outside, all = append(outside, sum), append(all, whole)
	}
	fmt.Printf("\ninitialisation of %s: %.2f ms, with the standard library %.2f ms\n", about, median(outside), median(all))
	return nil
}
