package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet/kubernetes"
)

// emitOptions are the flags of `ktstr run` about a manifest by which another system makes the
// runs.
type emitOptions struct {
	format string // kubernetes; empty: ktstr makes the runs
	image  string
	claim  string
	args   []string // of ktstr run in the container
	placed placedFlag
}

const emitKubernetes = "kubernetes"

func emitFlags(f *pflag.FlagSet, o *emitOptions) {
	f.StringVar(&o.format, "emit", "", "run nothing, print a manifest that makes the runs elsewhere: `FORMAT` is kubernetes, for a Job, see docs/kubernetes.md")
	f.StringVar(&o.image, "image", "", "with --emit, the container `IMAGE` that has ktstr and the benchmark, such as registry.example/bench:1")
	f.StringVar(&o.claim, "claim", "ktstr-bundles", "with --emit, keep the bundles on the PersistentVolumeClaim `NAME`")
	f.Var(&o.placed, kubernetes.Placed, "the place of the runs, from --emit: `ENGINE:HOST:JOB:SET`")
	f.MarkHidden(kubernetes.Placed)
}

// notEmitted are the flags that go not with --emit, and the reason.
var notEmitted = []struct{ flag, reason string }{
	{"on", "the manifest has its own hosts: want --nodes N"},
	{"detach", "the Job runs on its own"},
	{"constraint", "add a nodeSelector to the Job"},
	{"sbatch-arg", "it is an option of Slurm"},
	{"wait", "the Job waits for free nodes"},
	{"out", "the bundles are on the volume claim: want --claim NAME"},
	{"env", "its value would be in the manifest for all to read: add a Secret of the cluster to the Job"},
	{"plugin", "the image must have the plugin: want it installed there"},
	{"baseline", "the baseline is on this host: compare the bundles afterwards"},
	{"last", "it goes with --baseline"},
	{"export", "the file would be lost with the container: ktstr runs show --export writes it afterwards"},
	{"bisect", "it is for git bisect run on this host"},
}

// check returns an error for flags that do not go with --emit, or need it. It sets o.args.
func (o *emitOptions) check(c *cobra.Command, all runOptions) error {
	given := c.Flags().Changed
	if !given("emit") {
		if given("image") || given("claim") {
			return errors.New("--image, --claim: go with --emit")
		}
		return nil
	}
	if o.format != emitKubernetes {
		return fmt.Errorf("--emit %s: want %s", o.format, emitKubernetes)
	}
	for _, n := range notEmitted {
		if given(n.flag) {
			return fmt.Errorf("--%s: goes not with --emit: %s", n.flag, n.reason)
		}
	}
	if !given("image") {
		return errors.New("--emit kubernetes: want --image IMAGE, a container image that has ktstr and the benchmark, such as registry.example/bench:1")
	}
	for flag, path := range map[string]string{"cwd": all.cwd, "scratch": all.scratch} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("--%s %s: want an absolute path of the container", flag, path)
		}
	}
	for _, p := range all.payloads {
		if strings.Contains(p, "/") && !filepath.IsAbs(p) {
			return fmt.Errorf("payload %s: want an absolute path of the container, such as /usr/local/bin/%s", p, filepath.Base(p))
		}
	}
	o.args = append(givenFlags(c.Flags(), []string{"emit", "image", "claim", "nodes", "exclusive", "payload-dir"}), all.payloadArgs()...)
	return nil
}

// emitManifest prints the manifest for the runs of the view.
func (a *app) emitManifest(view *seriesView) error {
	o := view.o
	nodes := 1
	if o.fleet.nodes != "" {
		var err error
		if nodes, err = strconv.Atoi(o.fleet.nodes); err != nil || nodes < 1 {
			return fmt.Errorf("--nodes %s: want a number with --emit kubernetes. To choose nodes, add a nodeSelector to the Job", o.fleet.nodes)
		}
	}
	job := kubernetes.Job{
		Name: "ktstr-" + strings.ToLower(strings.TrimPrefix(view.Set, "set-")), Set: view.Set,
		Image: o.emit.image, Claim: o.emit.claim, Nodes: nodes, Args: o.emit.args, Payloads: map[string]string{},
		Limit: view.limit(), Grace: o.grace,
	}
	for _, side := range view.Sides {
		if err := side.Spec.Validate(); err != nil {
			return err
		}
		p := side.Spec.Payload
		if x := side.Spec.Plugin; x != nil && x.Path != "" {
			a.notice(o.quiet)(fmt.Sprintf("the image must have the plugin %s installed", p.Extractor))
		}
		if len(p.Raw) == 0 || !strings.Contains(p.Source, "/") {
			continue
		}
		if p.HasSecrets() {
			return fmt.Errorf("payload %s: the values of its secrets would be in the manifest for all to read: add a Secret of the cluster to the Job, and leave them out of %s", p.Name, p.Source)
		}
		job.Payloads[p.Name+".yaml"] = string(p.Raw)
	}
	text, err := job.Manifest()
	if err != nil {
		return fmt.Errorf("--emit: %w", err)
	}
	_, err = a.stdout.Write(text)
	return outputError(err)
}

// placedFlag is the place of the runs that an emitted manifest makes.
type placedFlag struct {
	where core.Where
	set   string
}

func (p *placedFlag) String() string { return "" }
func (p *placedFlag) Type() string   { return "place" }

// Set implements pflag.Value.
func (p *placedFlag) Set(value string) error {
	parts := strings.Split(value, ":")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return errors.New("want ENGINE:HOST:JOB:SET")
	}
	p.where, p.set = core.Where{Engine: parts[0], Host: parts[1], Job: parts[2]}, parts[3]
	return nil
}
