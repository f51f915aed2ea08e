package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/shlex"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/huge"
	"github.com/ktstr/ktstr/internal/runs"
)

// extractOptions are the flags of `ktstr extract`.
type extractOptions struct {
	stdout, stderr string
	files          []string
	argv           string
	exitCode       int
	hasExitCode    bool
	options        []string
	output         format
	replay         string
	write          bool
	out            string
	maxInput       size
}

// defaultMaxInput is how much of one stream is read where --max-input says
// nothing: more than any capture has by default, and what fits into memory with
// its metrics. A pipe need not end.
const defaultMaxInput = 256 << 20

func (a *app) extractCommand() *cobra.Command {
	var o extractOptions
	c := &cobra.Command{
		Use:   "extract EXTRACTOR [flags] | extract RUN | extract --replay RUNS",
		Short: "Extract metrics from saved output, without running anything",
		Long: `Extract metrics from what a benchmark printed earlier. With the name of an
extractor the text comes from files, or from standard input; with a run from its
raw output, by the extractor that its payload names. RUN is a bundle, or a tag or
set of one run (see ktstr runs list), or a path, with a / in it; a name that is an
extractor's is that. RUNS may be several.`,
		Example: `  fio --output-format=json job.fio | ktstr extract fio
  ktstr extract schbench --stderr saved.txt
  ktstr extract 20261123T191500Z-noise-1b2c3d4e
  ktstr extract --replay nightly`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case o.replay == "" && o.write:
				return errors.New("extract --write: goes with --replay RUNS")
			case o.replay == "":
				return extractArgs(c, args)
			case len(args) > 0:
				return fmt.Errorf("extract --replay %s: unexpected %q: the runs' records name their extractors", o.replay, args[0])
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
			names, directive := a.completeExtractors(c, args, begin)
			if len(args) == 0 {
				of, _ := a.completeRuns(c, args, begin)
				names = append(names, of...)
			}
			return names, directive
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.replay != "" {
				if err := refuseFlags(c, "the runs have it", "stdout", "stderr", "file", "argv", "exit-code", "option", "documents", "max-input"); err != nil {
					return err
				}
				return a.replay(c.Context(), o)
			}
			o.hasExitCode = c.Flags().Changed("exit-code")
			if strings.Contains(args[0], "/") {
				if err := refuseFlags(c, "a bundle has it", "stdout", "stderr", "file", "argv", "exit-code", "option", "documents", "max-input", "out"); err != nil {
					return err
				}
				return a.extractBundle(c.Context(), args[0], o)
			}
			err := a.extract(c.Context(), args[0], o)
			// Runs are looked for last, so that they cost an extractor nothing.
			if unknown := (*catalog.UnknownError)(nil); errors.As(err, &unknown) {
				dir, err := namedRun(args[0], o.out, unknown)
				if err != nil {
					return err
				}
				if err := refuseFlags(c, "a bundle has it", "stdout", "stderr", "file", "argv", "exit-code", "option", "documents", "max-input"); err != nil {
					return err
				}
				return a.extractBundle(c.Context(), dir, o)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.stdout, "stdout", "", "read what was printed on stdout from `FILE`; - is standard input (default, if no other file is given)")
	f.StringVar(&o.stderr, "stderr", "", "read what was printed on stderr from `FILE`")
	f.StringArrayVar(&o.files, "file", nil, "read the payload's output file NAME from FILE, as `NAME=FILE` (repeatable)")
	f.StringVar(&o.argv, "argv", "", "the `COMMAND` that printed it, quoted as in a shell, for parsers that need to know")
	f.IntVar(&o.exitCode, "exit-code", 0, "the exit `CODE` of the command that printed it")
	f.StringArrayVar(&o.options, "option", nil, "set the extractor's option `NAME=VALUE` (repeatable)")
	documentsFlag(f, &o.options)
	outputFlag(f, &o.output)
	f.StringVar(&o.replay, "replay", "", "extract kept runs again with today's extractors and show which metrics change; `RUNS` is a tag, a set, a bundle or a path")
	f.BoolVar(&o.write, "write", false, "with --replay: keep the new record beside the old one")
	f.StringVar(&o.out, "out", "", "with the name of runs: the bundles are below `DIR` (default $XDG_STATE_HOME/ktstr/runs)")
	f.Var(&o.maxInput, "max-input", "refuse files of more than `SIZE`, such as 1GiB (default 256MiB)")
	c.RegisterFlagCompletionFunc("replay", a.completeRuns)
	return c
}

// namedRun is the bundle of the one run of that name, which is no extractor's.
func namedRun(name, out string, unknown *catalog.UnknownError) (dir string, err error) {
	store, err := openStore(out)
	if err != nil {
		return "", fmt.Errorf("%w; nor is a run called that: %w", unknown, err)
	}
	list, err := runs.Named(store, name)
	if none := (*runs.UnknownError)(nil); errors.As(err, &none) {
		hint := "see ktstr runs list"
		if none.Near != "" {
			hint = "did you mean " + none.Near + "?"
		}
		return "", fmt.Errorf("%w; nor is a run called that: %s", unknown, hint)
	}
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("run %s: %s: want one, or ktstr extract --replay %[1]s", name, count(len(list), "run"))
	}
	return list[0].Dir, nil
}

// refuseFlags refuses flags that would be given in vain.
func refuseFlags(c *cobra.Command, reason string, names ...string) error {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return fmt.Errorf("extract --%s: %s: want it left out", name, reason)
		}
	}
	return nil
}

func extractArgs(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("extract: want the name of an extractor (see ktstr plugin list), or a run (see ktstr runs list)")
	case len(args) > 1:
		return fmt.Errorf("extract %s: unexpected %q: want --stdout FILE or --stderr FILE for saved output", args[0], args[1])
	}
	return nil
}

func (a *app) extract(ctx context.Context, name string, o extractOptions) error {
	options, err := parseOptions(o.options)
	if err != nil {
		return err
	}
	known := ktstr.Output{Options: options}
	if o.hasExitCode {
		known.ExitCode = &o.exitCode
	}
	if o.argv != "" {
		if known.Argv, err = shlex.Split(o.argv); err != nil {
			return fmt.Errorf("--argv %s: %w", o.argv, err)
		}
	}
	x, err := a.catalog(false).Start(ctx, name)
	if err != nil {
		return err
	}
	defer x.Close()
	if o.out != "" {
		return errors.New("extract --out: goes with the name of a run, or --replay RUNS: want it left out")
	}
	if err := core.CheckOptions(x.Describe(), options); err != nil {
		return err
	}
	streams, err := a.savedStreams(o, known)
	if err != nil {
		return err
	}
	return a.extractStreams(ctx, x, streams, nil, o.output)
}

// savedStreams reads the files that the flags name, as the streams of a run.
func (a *app) savedStreams(o extractOptions, known ktstr.Output) ([]ktstr.Output, error) {
	if o.stdout == "" && o.stderr == "" && len(o.files) == 0 {
		o.stdout = "-"
	}
	var streams []ktstr.Output
	add := func(stream ktstr.Stream, path string) error {
		data, err := a.readInput(path, int64(cmp.Or(o.maxInput, defaultMaxInput)))
		if err != nil {
			return err
		}
		out := known
		out.Stream, out.Data = stream, data
		streams = append(streams, out)
		return nil
	}
	if o.stdout != "" {
		if err := add(ktstr.Stdout, o.stdout); err != nil {
			return nil, err
		}
	}
	if o.stderr != "" {
		if err := add(ktstr.Stderr, o.stderr); err != nil {
			return nil, err
		}
	}
	for _, pair := range o.files {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--file %s: want NAME=FILE", pair)
		}
		if err := add(ktstr.FileStream(name), path); err != nil {
			return nil, err
		}
	}
	return streams, nil
}

// readInput reads a file, or standard input for "-", of at most limit bytes.
func (a *app) readInput(path string, limit int64) ([]byte, error) {
	f, name := a.stdin, "standard input"
	var expected int64
	if path != "-" {
		opened, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		info, err := opened.Stat()
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a directory: want a file with what the benchmark printed (a bundle is read by: ktstr extract PATH)", path)
		}
		f, name, expected = opened, path, info.Size()
	}
	tooMuch := func() error { // units are only looked up where they are printed
		return fmt.Errorf("%s: more than %s: want less, or --max-input SIZE to read so much", name, unit.Scale(float64(limit), "B"))
	}
	if expected > limit {
		return nil, tooMuch()
	}
	var b bytes.Buffer
	if expected > 0 {
		b = *bytes.NewBuffer(huge.Pages(make([]byte, 0, int(expected)+bytes.MinRead)))
	}
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(b.Len()) > limit {
		return nil, tooMuch()
	}
	return b.Bytes(), nil
}

func (a *app) extractBundle(ctx context.Context, dir string, o extractOptions) error {
	b, err := bundle.Load(dir)
	if err != nil {
		return fmt.Errorf("%w; want the directory of a run, as printed by ktstr run", err)
	}
	x, err := a.catalog(false).Start(ctx, b.Payload.Extractor)
	if err != nil {
		return err
	}
	defer x.Close()
	return a.extractStreams(ctx, x, b.Streams, b.Payload.MetricHints(), o.output)
}

func (a *app) extractStreams(ctx context.Context, x ktstr.Extractor, streams []ktstr.Output, hints []ktstr.Hint, output format) error {
	r := extract.Run(ctx, x, streams, hints)
	var lost error
	if output == formatJSON {
		if lost = r.WriteJSON(escaping{a.stdout}); lost == nil {
			_, lost = fmt.Fprintln(a.stdout)
		}
	} else {
		lost = printMetrics(a.stdout, r.Metrics)
	}
	a.explain(core.Record{Extraction: core.ExtractionOf(r)}, false, "")
	status := core.ExitPass
	if r.Status != extract.OK {
		status = core.ExitExtraction
	}
	return a.together(notPrinted(lost), ending(status))
}
