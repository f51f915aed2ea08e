package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/shlex"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/huge"
	"github.com/ktstr/ktstr/internal/runs"
)

// extractOptions are the argument and the flags of `ktstr extract`.
type extractOptions struct {
	name           string // of an extractor or a run; empty with --replay; lines with --match alone
	stdout, stderr string
	files          []string
	argv           string
	exitCode       int
	options        extractorOptions
	match          matchOptions
	hints          hintOptions
	output         format
	replay         string
	write          bool
	out            string
	maxInput       size
	raw            bool

	given func(flag string) bool // reports whether a flag was given
}

// defaultMaxInput is the default of --max-input. It is more than the default of
// --max-capture, and fits into memory together with its metrics. Without a limit, a
// pipe that never ends would fill the memory.
const defaultMaxInput = 256 << 20

func (a *app) extractCommand() *cobra.Command {
	var o extractOptions
	c := &cobra.Command{
		Use:   "extract EXTRACTOR [flags] | extract --match PATTERN [flags] | extract RUN | extract --replay RUNS",
		Short: "Extract metrics from saved output, without a run",
		Long: `Extract metrics from output that a benchmark printed earlier.

EXTRACTOR, such as fio, reads files (--stdout, --stderr, --file) or standard
input. RUN reads the raw output of a kept run with the extractor of its payload.
RUN is a bundle, or a tag or set with one run (see ktstr runs list), or a path
with a / in it. If a name is both an extractor and a run, it means the extractor.

--match reads numbers on lines of text, without an extractor. With a RUN, it reads
the output of the run with these patterns.

--replay extracts the metrics of one or more runs again and shows the metrics
that changed, for example after an update of ktstr or of a plugin.`,
		Example: `  fio --output-format=json job.fio | ktstr extract fio
  ktstr extract schbench --stderr saved.txt
  ktstr extract --match 'Throughput: {throughput} {unit}' --stdout saved.txt
  ktstr extract 20261123T191500Z-noise-1b2c3d4e
  ktstr extract --replay nightly`,
		Args:              func(_ *cobra.Command, args []string) error { return o.checkArgs(args) },
		ValidArgsFunction: a.completeExtractorsAndRuns,
		RunE: func(c *cobra.Command, args []string) error {
			if o.match.given() {
				o.name = lines.Name
			}
			if len(args) > 0 {
				o.name = args[0]
			}
			o.given = c.Flags().Changed
			return a.extract(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.stdout, "stdout", "", "read the benchmark's stdout from `FILE`, - for standard input (default -, if no other file is given)")
	f.StringVar(&o.stderr, "stderr", "", "read the benchmark's stderr from `FILE`")
	f.StringArrayVar(&o.files, "file", nil, "read the file NAME that the benchmark wrote from FILE, as `NAME=FILE` (repeatable)")
	f.StringVar(&o.argv, "argv", "", "the `COMMAND` that printed the output, quoted as in a shell, for extractors that need it")
	f.IntVar(&o.exitCode, "exit-code", 0, "the exit `CODE` of that command, for extractors that need it (default: unknown)")
	optionFlags(f, &o.options)
	matchFlags(f, &o.match)
	hintFlags(f, &o.hints)
	outputFlag(f, &o.output)
	f.StringVar(&o.replay, "replay", "", "extract the kept `RUNS` again and show which metrics changed; RUNS is a tag, set, bundle or path")
	f.BoolVar(&o.write, "write", false, "with --replay: keep the new record next to the old one")
	f.StringVar(&o.out, "out", "", "find the name of runs in `DIR` (default $XDG_STATE_HOME/ktstr/runs)")
	f.Var(&o.maxInput, "max-input", "refuse files of more than `SIZE`, such as 1GiB (default 256MiB)")
	f.BoolVar(&o.raw, "raw", false, "do not remove colours and line prefixes, such as \"app-1  | \", from saved output (default: remove them if the raw text cannot be read)")
	c.RegisterFlagCompletionFunc("replay", a.completeRuns)
	return c
}

func (o extractOptions) checkArgs(args []string) error {
	switch {
	case o.replay == "" && o.write:
		return errors.New("extract --write: goes with --replay RUNS")
	case o.replay != "" && len(args) > 0:
		return fmt.Errorf("extract --replay %s: unexpected argument %q: the record of each run names its extractor", o.replay, args[0])
	case o.replay != "" && o.match.given():
		return fmt.Errorf("extract --replay %s: unexpected --match or --match-re: the record of each run has its patterns", o.replay)
	case o.replay == "" && len(args) == 0 && !o.match.given():
		return errors.New("extract: want the name of an extractor (see ktstr plugin list) or of a run (see ktstr runs list)")
	case len(args) > 1:
		return fmt.Errorf("extract %s: unexpected argument %q: want --stdout FILE or --stderr FILE for saved output", args[0], args[1])
	}
	return nil
}

// extract reads a path as a run, and another name as an extractor or else as a run.
// Runs are searched last because the search costs time.
func (a *app) extract(ctx context.Context, o extractOptions) error {
	const noInput = "goes with the name of an extractor: a run has its own input"
	switch {
	case o.replay != "":
		if err := o.refuse(noInput, inputFlags...); err != nil {
			return err
		}
		if err := o.refuse("goes with an extractor or a run: the record of each run has its own hints", hintFlagNames...); err != nil {
			return err
		}
		return a.replay(ctx, o)
	case strings.Contains(o.name, "/"):
		if err := o.refuse(noInput, append(inputFlags, "out")...); err != nil {
			return err
		}
		return a.extractBundle(ctx, o.name, o)
	}
	err := a.extractFiles(ctx, o)
	var unknown *catalog.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	dir, err := namedRun(o.name, o.out, unknown)
	if err != nil {
		return err
	}
	if err := o.refuse(noInput, inputFlags...); err != nil {
		return err
	}
	return a.extractBundle(ctx, dir, o)
}

// inputFlags are the flags that describe saved output.
var inputFlags = []string{"stdout", "stderr", "file", "argv", "exit-code", "option", "documents", "max-input", "raw"}

// refuse returns an error if one of the flags was given.
func (o extractOptions) refuse(reason string, flags ...string) error {
	for _, flag := range flags {
		if o.given(flag) {
			return fmt.Errorf("extract --%s: %s", flag, reason)
		}
	}
	return nil
}

// namedRun returns the bundle of the run of that name. unknown is the error that no
// extractor has the name.
func namedRun(name, out string, unknown *catalog.UnknownError) (dir string, err error) {
	store, err := openStore(out)
	if err != nil {
		return "", addSentence(unknown, "There is no run of that name either: "+err.Error())
	}
	list, err := runs.Named(store, name)
	if none := (*runs.UnknownError)(nil); errors.As(err, &none) {
		if none.Near != "" {
			return "", addSentence(unknown, "There is no run of that name either. Did you mean "+none.Near+"?")
		}
		return "", addSentence(unknown, "There is no run of that name either (see ktstr runs list)")
	}
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("%s names %s: want one, or for several: ktstr extract --replay %[1]s", name, count(len(list), "run"))
	}
	return list[0].Dir, nil
}

// extractFiles extracts with the extractor o.name from the files that the flags name.
func (a *app) extractFiles(ctx context.Context, o extractOptions) error {
	options, err := o.options.parse()
	if err != nil {
		return err
	}
	known := ktstr.Output{Options: options}
	if o.given("exit-code") {
		known.ExitCode = &o.exitCode
	}
	if o.argv != "" {
		if known.Argv, err = shlex.Split(o.argv); err != nil {
			return fmt.Errorf("--argv %s: %w", o.argv, err)
		}
	}
	table, hints, err := o.tableAndHints()
	if err != nil {
		return err
	}
	if err := o.checkMatch(a.catalog(false)); err != nil {
		return err
	}
	x, err := a.catalog(false).StartOf(ctx, payload.Payload{Extractor: o.name, Table: table})
	if err != nil {
		return err
	}
	defer x.Close()
	if o.out != "" {
		return errors.New("extract --out: goes with the name of a run, or with --replay RUNS")
	}
	if err := core.CheckOptions(x.Describe(), options); err != nil {
		return err
	}
	streams, err := a.savedStreams(o, known)
	if err != nil {
		return err
	}
	saved := extract.Saved(x)
	if o.raw {
		saved = x
	}
	return a.extractStreams(ctx, saved, streams, o.output, hints)
}

// tableAndHints returns what the flags say about lines and metrics.
func (o extractOptions) tableAndHints() (t lines.Table, hints []ktstr.Hint, err error) {
	if t, err = o.match.table(); err == nil {
		hints, err = o.hints.hints()
	}
	return t, hints, err
}

// checkMatch returns an error if --match was given together with another extractor.
func (o extractOptions) checkMatch(c *catalog.Catalog) error {
	if !o.match.given() || o.name == lines.Name {
		return nil
	}
	if _, err := c.Extractor(o.name); err != nil {
		return err // perhaps the name of a run
	}
	return o.match.checkExtractor(o.name)
}

// savedStreams reads the files that the flags name. Each stream has the fields of known.
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
		if slices.ContainsFunc(streams, func(o ktstr.Output) bool { return o.Stream == ktstr.FileStream(name) }) {
			return nil, fmt.Errorf("--file %s: the file %s was given twice: want it once", pair, name)
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
			return nil, fmt.Errorf("%s: it is a directory: want a file with the output of a benchmark, or for a bundle: ktstr extract PATH", path)
		}
		f, name, expected = opened, path, info.Size()
	}
	tooMuch := func() error {
		return fmt.Errorf("%s: it has more than %s: want less, or a greater --max-input SIZE", name, unit.Scale(float64(limit), "B"))
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
		return fmt.Errorf("%w: want the directory of a run, as printed by ktstr run", err)
	}
	table, hints, err := o.tableAndHints()
	if err != nil {
		return err
	}
	p := b.Payload
	if o.match.given() {
		p.Extractor, p.Table = lines.Name, table
	}
	x, err := a.catalog(false).StartOf(ctx, p)
	if err != nil {
		return err
	}
	defer x.Close()
	return a.extractStreams(ctx, extract.Captured(x), b.Streams, o.output, hints, b.Record.Hints, b.Payload.MetricHints())
}

func (a *app) extractStreams(ctx context.Context, x ktstr.Extractor, streams []ktstr.Output, output format, hints ...[]ktstr.Hint) error {
	r := extract.Run(ctx, x, streams, hints...)
	var failed error
	if output == formatJSON {
		if failed = r.WriteJSON(escaping{a.stdout}); failed == nil {
			_, failed = fmt.Fprintln(a.stdout)
		}
	} else {
		failed = printMetrics(a.stdout, r.Metrics)
	}
	a.printProblems(core.Record{Extraction: core.ExtractionOf(r)}, false, "")
	status := core.ExitPass
	if r.Status != extract.OK {
		status = core.ExitExtraction
	}
	return a.joinErrors(outputError(failed), exitWith(status))
}
