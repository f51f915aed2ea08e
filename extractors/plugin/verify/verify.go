// Package verify checks an extractor against the rules for plugins, with a
// folder of captures as its input. The report has one entry for each check. It is
// the engine of sdk/plugintest and of `ktstr plugin verify`.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// Config is the input of Run. One of Extractor and Path is required.
type Config struct {
	Extractor ktstr.Extractor // checked as a function of this process
	Path      string          // an executable plugin, whose processes are checked too

	// Corpus is a directory with one folder a case, see LoadCorpus. Empty: the checks
	// that need captures of the real tool are skipped.
	Corpus string

	// Update writes the current document of each case to its extract.json instead
	// of comparing the two.
	Update bool

	// Only are the names of the checks to run, for example "golden". None: all.
	Only []string

	// Keep is a directory that gets the input of every failure as a file. Empty:
	// no input is kept.
	Keep string

	// Launcher are arguments with which the running executable becomes a launcher,
	// as in plugin.Config. Nil: the plugin runs without a sandbox.
	Launcher []string

	// Host are arguments with which the running executable becomes a host that
	// may be killed: its main calls Host for them. Nil: the check "orphan" is
	// skipped.
	Host []string

	// Fuzz is the duration of the check "fuzz". 0: the check is left out, or takes
	// ten seconds if Only names it.
	Fuzz time.Duration

	// Progress is called with the name of each check before it starts. It may be nil.
	Progress func(name string)
}

// run is one verification under way.
type run struct {
	cfg    Config
	x      *probe
	desc   ktstr.Description
	corpus []Case
	plain  map[string][]byte // by case: its document, extracted once
	proc   *process          // nil: the extractor is a function
}

// a promise is a check and how it is made.
type promise struct {
	name, about string
	process     bool // about an executable, not about a function
	table       bool // about a table
	server      bool // about one that lives between its calls, not about a script
	timed       bool // a busy machine can break it: it has three tries
	check       func(context.Context, *run, check)
}

// promises are all checks, in order. The documentation lists them
// (docs/plugin-checks.md).
func promises() []promise {
	return []promise{
		{name: "describe", about: "the description is valid, and the same each time", check: checkDescribe},
		{name: "golden", about: "each capture of the corpus gives its extract.json", check: checkGolden},
		{name: "described", about: "every metric has a unit or is hinted, and units agree with the hints", check: checkDescribed},
		{name: "patterns", about: "each pattern of a table matches a line of the corpus", table: true, check: checkPatterns},
		{name: "repeat", about: "the same capture twice gives the same bytes", check: checkRepeat},
		{name: "lines", about: "no headline gets lost with a line unless a diagnostic says so", check: checkLines},
		{name: "cut", about: "a capture cut anywhere gives no wrong number in silence", check: checkCut},
		{name: "empty", about: "nothing in, nothing out", check: checkEmpty},
		{name: "nul", about: "NUL bytes do no harm", check: checkNUL},
		{name: "crlf", about: "line ends of CR LF change no metric", check: checkCRLF},
		{name: "utf8", about: "bytes that are not UTF-8 do no harm", check: checkUTF8},
		{name: "large", about: "16 MiB pass, as many lines and as one", check: checkLarge},
		{name: "parallel", about: "eight at once give what one alone gives", check: checkParallel},
		{name: "thousand", about: "a thousand in a row need no more memory than a hundred", check: checkThousand},
		{name: "cancel", about: "a cancelled extraction ends at once with an error", check: checkCancel},
		{name: "handshake", about: "it speaks to hosts, and only to hosts", server: true, check: checkHandshake},
		{name: "describe-word", about: "`describe` prints what the host is told", server: true, check: checkDescribeWord},
		{name: "extract-word", about: "`extract` prints the document of `ktstr extract -o json`", server: true, check: checkFilter},
		{name: "chunks", about: "the size of the pieces in which a capture comes changes nothing", server: true, check: checkChunks},
		{name: "deadline", about: "a call that is cut short does not spoil the next one", process: true, timed: true, check: checkDeadline},
		{name: "freeze", about: "frozen it uses nothing, and thawed it goes on", server: true, timed: true, check: checkFreeze},
		{name: "idle", about: "idle it should sleep (reported only)", server: true, check: checkIdle},
		{name: "shutdown", about: "asked to end it does, within 300 ms, and leaves no child", server: true, timed: true, check: checkShutdown},
		{name: "orphan", about: "it ends when its host is killed", server: true, timed: true, check: checkOrphan},
		{name: "sandbox", about: "all of this held in the sandbox, which refuses each kind of access", process: true, check: checkSandbox},
		{name: "fuzz", about: "damaged captures do no harm", check: checkFuzz},
		{name: "finite", about: "no extraction of all these held NaN or an infinity", check: checkFinite},
	}
}

// Names are the names of all checks, in order.
func Names() []string {
	var names []string
	for _, p := range promises() {
		names = append(names, p.name)
	}
	return names
}

// Run runs every check that applies. An in-process Extractor skips the checks
// that need an executable. The error says why no check could run, for example
// because the plugin does not start or the corpus cannot be read.
func Run(ctx context.Context, cfg Config) (Report, error) {
	r := &run{cfg: cfg, plain: map[string][]byte{}}
	report := Report{Subject: "in process"}
	if cfg.Corpus != "" {
		var err error
		if r.corpus, err = LoadCorpus(cfg.Corpus); err != nil {
			return report, err
		}
	}
	x := cfg.Extractor
	if cfg.Path != "" {
		report.Subject = cfg.Path
		var err error
		if r.proc, err = startProcess(ctx, cfg); err != nil {
			return report, err
		}
		defer r.proc.close()
		x = r.proc.extractor()
		if t := r.proc.plugin.Table(); t != nil {
			x, r.proc = t, nil
		}
	}
	if x == nil {
		return report, fmt.Errorf("verify.Config: neither Extractor nor Path is set: want one of them")
	}
	r.x = &probe{x: x}
	r.desc = r.x.Describe()
	report.Name, report.Version = r.desc.Name, r.desc.Version
	all := promises()
	for _, name := range cfg.Only {
		if !slices.ContainsFunc(all, func(p promise) bool { return p.name == name }) {
			return report, fmt.Errorf("check %q: there is none of that name: want one of %s", name, strings.Join(Names(), ", "))
		}
	}
	_, isTable := r.x.x.(tabular)
	for _, p := range all {
		switch {
		case p.table && !isTable,
			len(cfg.Only) > 0 && !slices.Contains(cfg.Only, p.name),
			(p.process || p.server) && r.proc == nil,
			p.server && r.proc.script,
			p.name == "fuzz" && cfg.Fuzz == 0 && len(cfg.Only) == 0:
			continue
		}
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		if cfg.Progress != nil {
			cfg.Progress(p.name)
		}
		var c check
		for try := 1; ; try++ {
			c = check{&Check{Name: p.name, About: p.about, Outcome: Pass}, cfg.Keep}
			p.check(ctx, r, c)
			if !p.timed || c.Outcome != Fail || try == 3 {
				if try > 1 && c.Outcome != Fail {
					c.notef("at try %d", try)
				}
				break
			}
		}
		report.Checks = append(report.Checks, *c.Check)
	}
	if len(report.Checks) == 0 { // nothing was checked, which must not look like a pass
		return report, fmt.Errorf("no check of %s applies to this plugin: for example, a table has no process", strings.Join(cfg.Only, ", "))
	}
	return report, nil
}

// document extracts in as the engine would and returns the JSON document. It
// reports to c every mistake that no input excuses, for example a panic.
func (r *run) document(ctx context.Context, c check, in *input) (extract.Result, []byte) {
	x := &probe{x: r.x.x, total: r.x}
	restarts := 0
	if r.proc != nil {
		restarts = r.proc.plugin.Restarts()
	}
	res := extract.Run(ctx, x, in.streams, nil)
	if r.proc != nil && r.proc.plugin.Restarts() > restarts && len(x.problems) == 0 {
		c.failf(in, "its process ended during the extraction, and was started again")
	}
	in.said = x.said
	for _, problem := range x.problems {
		c.failf(in, "%s", problem)
	}
	return res, res.AppendJSON(nil)
}
