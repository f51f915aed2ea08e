package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/hostfile"
	"github.com/ktstr/ktstr/internal/fleet/slurm"
	"github.com/ktstr/ktstr/internal/fleet/ssh"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
)

// fleetOptions are the flags of `ktstr run` about other hosts.
type fleetOptions struct {
	on         string
	nodes      string // of Slurm
	constraint string // of Slurm
	sbatchArgs []string
	detach     bool
	resume     string
	hostArgs   []string // of ktstr run on the hosts
}

func fleetFlags(f *pflag.FlagSet, o *fleetOptions) {
	f.StringVar(&o.on, "on", "", "make the runs on other hosts, see docs/fleet.md: `WHERE` is "+wherePlaces)
	f.StringVar(&o.nodes, "nodes", "", "with --on slurm, the nodes: `NODES` is their names, such as n[1-20], or their number; with --emit kubernetes, their number")
	f.StringVar(&o.constraint, "constraint", "", "with --on slurm, nodes with these features only, all of them without --nodes. `EXPR` is as for sbatch, such as milan")
	f.StringArrayVar(&o.sbatchArgs, "sbatch-arg", nil, "with --on slurm, give sbatch the option `ARG`, such as --sbatch-arg=--qos=low (repeatable)")
	f.BoolVar(&o.detach, "detach", false, "with --on, start the runs and do not wait for them: ktstr run --resume SET collects them")
	f.StringVar(&o.resume, "resume", "", "go on with the runs of --on whose client ended: collect the runs of the set `SET`")
}

// wherePlaces lists the values of --on.
const wherePlaces = "ssh:HOST,…, slurm, slurm:PARTITION or a file with hosts such as ./lab.yaml"

// engineOf returns the engine that --on names, and the engine's name.
func engineOf(o fleetOptions) (e fleet.Engine, name string, err error) {
	name, rest, given := strings.Cut(o.on, ":")
	switch {
	case name == "ssh" && given:
		e, err := o.sshEngine(ssh.ParseHosts(rest))
		return e, name, err
	case name == "slurm":
		e := slurm.Engine{Partition: rest, Nodes: o.nodes, Constraint: o.constraint, SbatchArgs: o.sbatchArgs}
		return e, name, e.Check()
	case strings.Contains(o.on, "/"):
		return engineOfFile(o)
	}
	return nil, "", fmt.Errorf("--on %s: want %s", o.on, wherePlaces)
}

// engineOfFile returns the engine of the file that --on names.
func engineOfFile(o fleetOptions) (e fleet.Engine, name string, err error) {
	f, err := hostfile.Load(o.on)
	if err != nil {
		return nil, "", fmt.Errorf("--on: %w", err)
	}
	switch name, rest, _ := strings.Cut(f.Engine, ":"); {
	case name == "slurm":
		e := slurm.Engine{Partition: rest, Hosts: f.Hosts, Nodes: o.nodes, Constraint: o.constraint, SbatchArgs: o.sbatchArgs}
		return e, name, e.Check()
	case f.Engine == "ssh":
		e, err := o.sshEngine(f.Hosts)
		return e, "ssh", err
	}
	return nil, "", fmt.Errorf("--on %s: engine %q: want ssh, slurm or slurm:PARTITION", o.on, f.Engine)
}

func (o fleetOptions) sshEngine(hosts []fleet.Handle) (fleet.Engine, error) {
	if o.ofSlurm() {
		return nil, fmt.Errorf("--nodes, --constraint and --sbatch-arg: go with --on slurm, not with --on %s", o.on)
	}
	e := ssh.Engine{Hosts: hosts}
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("--on: %w", err)
	}
	return e, nil
}

// ofSlurm reports whether flags were given that only Slurm has.
func (o fleetOptions) ofSlurm() bool {
	return o.nodes != "" || o.constraint != "" || len(o.sbatchArgs) > 0
}

// check returns an error for flags that do not go with --on, or need it.
func (o fleetOptions) check(all runOptions) error {
	if o.on == "" {
		if o.detach {
			return errors.New("--detach: goes with --on")
		}
		if o.ofSlurm() && all.emit.format == "" { // which has --nodes too, and refuses the others
			return errors.New("--nodes, --constraint and --sbatch-arg: go with --on slurm")
		}
		return nil
	}
	if all.series.until {
		return errors.New("--until-decided: looks at the runs of one host: want --repeat with --on")
	}
	if all.cwd != "" && !filepath.IsAbs(all.cwd) {
		return fmt.Errorf("--cwd %s: want an absolute path with --on", all.cwd)
	}
	return nil
}

// onlyHere are the flags of `ktstr run` that have their effect on the client and not on the
// host.
var onlyHere = []string{
	"on", "nodes", "constraint", "sbatch-arg", "detach", "resume", "out", "output", "quiet", "all", "plugin", "payload-dir", "log-level", "tag", "baseline", "base", "last", "bisect",
	"metric", "min-effect", "margin", "alpha", "strict", "export",
}

// argsOnHost returns the arguments of `ktstr run` on a host: the flags that were given here,
// the payloads and their arguments.
func (o runOptions) argsOnHost(flags *pflag.FlagSet) []string {
	args := givenFlags(flags, onlyHere)
	if !o.host.exclusive {
		args = append(args, "--exclusive")
	}
	return append(args, o.payloadArgs()...)
}

// givenFlags returns the flags that were given, except those named.
func givenFlags(flags *pflag.FlagSet, except []string) (args []string) {
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if several, ok := f.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		for _, v := range values {
			if !slices.Contains(except, f.Name) {
				args = append(args, "--"+f.Name+"="+v)
			}
		}
	})
	return args
}

// payloadArgs returns the payloads and their arguments for another host.
func (o runOptions) payloadArgs() (args []string) {
	for _, p := range o.payloads {
		if path, err := filepath.Abs(p); err == nil && strings.Contains(p, "/") {
			p = path // the working directory of the host is another one
		}
		args = append(args, p)
	}
	if len(o.args) > 0 {
		args = append(append(args, "--"), o.args...)
	}
	return args
}

// place gives the request the set and the labels that were chosen on another host, or by a
// command that is resumed.
func (a *app) place(r *series.Request, o runOptions) {
	switch {
	case a.placed != nil:
		r.Set, r.Labels = a.placed.Set, map[string]string{}
		maps.Copy(r.Labels, a.placed.Labels)
	case a.resumed != nil:
		r.Set = a.resumed.Set
	case o.emit.placed.set != "":
		r.Set, r.Where = o.emit.placed.set, &o.emit.placed.where
	case o.fleet.on != "", o.emit.format != "":
		r.Set = series.NewSet()
	}
}

// runOnHosts makes the runs of the view on other hosts, prints them and returns the error
// that the command ends with.
func (a *app) runOnHosts(ctx context.Context, view *seriesView, stops *series.Stops) error {
	for _, side := range view.Sides {
		if err := side.Spec.Validate(); err != nil {
			return err
		}
	}
	find := a.engine
	if find == nil {
		find = engineOf
	}
	engine, name, err := find(view.o.fleet)
	if err != nil {
		return err
	}
	saved := a.resumed
	if saved == nil {
		if saved, err = view.order(); err != nil {
			return err
		}
		saved.Command = a.args
	}
	if engine.Starts() { // a job may start without a client, on a host that shares the directory of the kit
		if err := saved.Order.Keep(); err != nil {
			return fmt.Errorf("the files for the hosts: %w", err)
		}
	}
	if err := saved.Write(); err != nil {
		return err
	}
	order := saved.Order.Order(saved.Set)
	submitting, submitted := stops.Until(ctx)
	var hosts []fleet.Host
	if a.resumed != nil {
		hosts, err = engine.Reopen(submitting, order, saved.Handles())
	} else {
		hosts, err = engine.Submit(submitting, order)
	}
	stopped := submitting.Err() != nil && ctx.Err() == nil
	submitted()
	if err == nil {
		saved.Placed(hosts)
		err = saved.Write()
	}
	if err != nil {
		if a.resumed == nil {
			err = errors.Join(err, saved.Remove())
		}
		return view.noRun(&series.NoResult{Side: view.Sides[0], Interrupted: stopped, Err: err})
	}
	client := &fleet.Client{
		Engine: name, Hosts: hosts, Order: order, Kit: saved.Order.Kit, Starts: engine.Starts(), Root: view.Root, Saved: saved,
		Resumed: a.resumed != nil,
	}
	if order.Limit == 0 && engine.Starts() && a.resumed == nil {
		fmt.Fprintf(a.stderr, "ktstr: the payload has no timeout, so that its jobs get the default time limit of %s: want --timeout\n", name)
	}
	if !view.o.quiet && a.resumed == nil && !order.Detach {
		fmt.Fprintf(a.stderr, "ktstr: if this command is killed, ktstr run --resume %s goes on\n", saved.Set)
	}
	view.engine = name
	live := a.showHosts(client, view.o.quiet)
	if order.Detach && engine.Starts() {
		view.hosts = client.Detached()
	} else {
		view.hosts = client.Run(ctx, stops.Requests())
	}
	live.end()
	return view.printFleet()
}

// order returns the order for the hosts.
func (s *seriesView) order() (*fleet.Saved, error) {
	request := fleet.Request{Set: s.Set, Args: s.o.fleet.hostArgs, Payloads: map[string]string{}}
	var kit []fleet.File
	for _, side := range s.Sides {
		spec := side.Spec
		request.Labels = spec.Labels
		if p := spec.Payload; len(p.Raw) > 0 && strings.Contains(p.Source, "/") {
			request.Payloads[p.Name+".yaml"] = string(p.Raw)
		}
		if p := spec.Plugin; p != nil && p.Path != "" {
			file, err := fleet.NewFile(p.Path)
			if err != nil {
				return nil, err
			}
			if file.SHA256 != p.SHA256 {
				return nil, fmt.Errorf("%s was replaced while ktstr used it: run the command again", p.Path)
			}
			if !slices.Contains(kit, file) {
				kit = append(kit, file)
				request.Plugins = append(request.Plugins, fleet.Plugin{Name: spec.Payload.Extractor, Base: filepath.Base(p.Path), File: file})
			}
			if p.Lock != "" {
				text, err := os.ReadFile(p.Lock)
				if err != nil {
					return nil, err
				}
				request.Lock = string(text)
			}
		}
	}
	// The host names the set, the variant and the definition itself.
	labels := map[string]string{}
	for _, name := range []string{runs.LabelCommit, runs.LabelCommitTime, runs.LabelDirty} {
		if v, ok := request.Labels[name]; ok {
			labels[name] = v
		}
	}
	request.Labels = labels
	text, err := request.Encode()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ktstr, err := fleet.NewFile(self)
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return &fleet.Saved{
		Set: s.Set, Dir: dir,
		Order: fleet.SavedOrder{Request: text, Ktstr: ktstr, Kit: kit, Limit: s.limit(), Grace: s.o.grace, Detach: s.o.fleet.detach},
	}, nil
}

// limit returns the longest time that the runs on one host can take, or 0 if it is not known.
func (s *seriesView) limit() time.Duration {
	const start = 10 * time.Second // of a run, besides the payload
	var round time.Duration
	for _, side := range s.Sides {
		d := side.Spec.Deadline()
		if stop := cmp.Or(side.Spec.StopAfter, side.Spec.Payload.StopAfter); stop > 0 && (d == 0 || stop < d) {
			d = stop
		}
		if d == 0 {
			return 0
		}
		round += d + s.o.grace + start
	}
	begin := time.Minute + s.o.host.wait
	if rounds := s.Rounds(); rounds > 0 && s.For == 0 {
		return begin + time.Duration(rounds)*round
	}
	return begin + s.For + round
}

// resume goes on with an earlier command.
func (a *app) resume(c *cobra.Command, o runOptions) error {
	var other string
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "resume" {
			other = f.Name
		}
	})
	if other != "" {
		return fmt.Errorf("--%s: goes not with --resume, which uses the flags of the first command", other)
	}
	saved, err := fleet.Resume(o.fleet.resume)
	if err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	if err := os.Chdir(saved.Dir); err != nil {
		return fmt.Errorf("--resume: the working directory of the first command: %w", err)
	}
	saved.Order.Detach = false
	again := &app{resumed: saved, engine: a.engine}
	return exitWith(again.execute(c.Context(), saved.Command, a.stdin, a.stdout, a.stderr))
}

// fill gives the runs of the hosts to the sides of the series, and notes each host that gave
// fewer runs than wanted.
func (s *seriesView) fill() {
	earlier := s.earlier()
	for i := range s.hosts {
		h := &s.hosts[i]
		if h.Earlier {
			h.Runs = earlier[core.Where{Engine: s.engine, Host: h.Name, Job: h.Job}]
		}
		for _, side := range s.Sides {
			n := len(side.Kept)
			for _, r := range h.Runs {
				if r.Record.Labels[runs.LabelSet] != side.Set {
					continue
				}
				if err := s.Keep(side, r); err != nil {
					h.Err = err
					continue
				}
				s.printProblemsOnce(side, r.Record)
			}
			if wanted := s.Rounds(); h.Err == nil && !h.Detached && len(side.Kept)-n < max(wanted, 1) {
				h.Err = s.fewer(*h, side, len(side.Kept)-n)
			}
		}
		if h.Err != nil {
			s.NoResultOn(core.Where{Engine: s.engine, Host: h.Name, Job: h.Job}, &series.NoResult{Side: s.Sides[0], Interrupted: h.Status == core.ExitInterrupted, Err: h.Err})
		}
	}
}

// fewer returns the error of a host that made only some of the wanted runs of a side. The
// last line that ktstr printed there is the reason.
func (s *seriesView) fewer(h fleet.Result, side *series.Side, made int) error {
	text := fmt.Sprintf("%d of %s of %s", made, count(max(s.Rounds(), 1), "run"), side.Name)
	switch {
	case h.Status == core.ExitInterrupted:
		return errors.New(text + ", then it was interrupted")
	case len(h.Log) > 0:
		return fmt.Errorf("%s: %s", text, strings.TrimPrefix(h.Log[len(h.Log)-1], "ktstr: "))
	}
	return errors.New(text)
}

// earlier returns the runs of the sets that an earlier client kept, by host.
func (s *seriesView) earlier() map[core.Where][]runs.Run {
	if !slices.ContainsFunc(s.hosts, func(h fleet.Result) bool { return h.Earlier }) {
		return nil
	}
	of := map[core.Where][]runs.Run{}
	for _, side := range s.Sides {
		list, _ := runs.Open(s.Root).List(runs.Filter{Set: side.Set}) // a host without runs is reported as such
		for _, r := range list {
			if w := r.Record.Where; w != nil {
				of[*w] = append(of[*w], r)
			}
		}
	}
	return of
}
