package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// Prepared is a run in which every mistake that can be found beforehand was
// looked for. Start may be called several times, also from several goroutines:
// each call makes a run of its own.
type Prepared struct {
	spec       Spec
	definition payload.Payload // the payload as the run uses it
	account    account         // the user that it runs as
	tool       string          // the version that the payload's program printed; empty: it was not asked, or did not tell
	note       string          // how the program's version changed the definition, or why it could not be asked
}

// Prepare validates s, asks the payload's program for its version if the payload
// needs to know it, and resolves the definition that the run uses. A mistake in s
// is a *UsageError. Any other error says that ctx ended or that the program is too
// old.
func Prepare(ctx context.Context, s Spec) (*Prepared, error) {
	return new(Prober).Prepare(ctx, s)
}

// Prepare is Prepare for several runs that belong together, for example the two
// variants of a comparison: p asks each program once.
func (p *Prober) Prepare(ctx context.Context, s Spec) (*Prepared, error) {
	if err := s.validate(); err != nil {
		return nil, &UsageError{err}
	}
	r := &Prepared{spec: s}
	var err error
	if r.account, err = lookUpAccount(s.user()); err != nil {
		return nil, &UsageError{fmt.Errorf("payload %s: %w", s.Payload.Name, err)}
	}
	if err := r.ask(ctx, p); err != nil {
		return nil, err
	}
	if r.definition, err = s.resolve(r.definition); err != nil {
		return nil, &UsageError{fmt.Errorf("payload %s: %w", s.Payload.Name, err)}
	}
	return r, nil
}

// String is a summary for debugging, as that of the Spec.
func (p Prepared) String() string { return p.spec.String() }

// GoString is String, so that %#v shows no more than %v.
func (p Prepared) GoString() string { return p.String() }

// Definition returns the payload as the run uses it: with the arguments, checks,
// options, timeout and cgroup of the Spec and of the program's version.
func (p *Prepared) Definition() payload.Payload { return p.definition }

// Note says how the program's version changed the definition, for example "fio
// 2.1: without --lat_percentiles", or why the program could not be asked. It is
// empty if there is nothing to say.
func (p *Prepared) Note() string { return p.note }

// ask sets p.definition to the variant of the payload for the installed version of
// its program. A program that is not installed changes nothing: the start fails
// with a message that says how to install it.
func (p *Prepared) ask(ctx context.Context, prober *Prober) error {
	p.definition = p.spec.Payload
	if len(p.definition.Needs) == 0 {
		return nil
	}
	found, err := prober.askAs(ctx, p.account, p.definition.Needs[0], p.definition.AsksHelp())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("payload %s: %w", p.definition.Name, err)
	case err != nil:
		return nil
	}
	p.tool = found.Version
	if p.definition, p.note, err = payload.Resolve(p.definition, found); err != nil {
		return fmt.Errorf("payload %s: %w", p.spec.Payload.Name, err)
	}
	return nil
}

// validate refuses what is wrong whatever program is installed.
func (s Spec) validate() error {
	p := s.Payload
	switch {
	case p.Name == "":
		return fmt.Errorf("payload without a name: want core.Spec.Payload")
	case p.Kind == payload.Scheduler: // C3
		return fmt.Errorf("payload %s: it is a scheduler: schedulers are launched by the framework, not here", p.Name)
	case s.Extractor == nil:
		return fmt.Errorf("payload %s: no extractor: want core.Spec.Extractor", p.Name)
	case s.timeout() < 0:
		return fmt.Errorf("payload %s: timeout %v: want 0 for none, or more", p.Name, s.timeout())
	case s.stopAfter() < 0:
		return fmt.Errorf("payload %s: stop after %v: want 0 for never, or more", p.Name, s.stopAfter())
	case s.Grace < 0:
		return fmt.Errorf("payload %s: grace %v: want 0 for 5 s, or more", p.Name, s.Grace)
	case s.Limit < 0:
		return fmt.Errorf("payload %s: capture limit %d: want 0 for 16 MiB, or more", p.Name, s.Limit)
	}
	if name := s.cgroup(); name != "" { // C19
		if err := cgroup.CheckName("", name); err != nil {
			return fmt.Errorf("payload %s: %w", p.Name, err)
		}
	}
	if p.Summary == "" { // an embedding program needs none, a payload file does
		p.Summary = "The payload " + p.Name
	}
	p.Env, p.Secrets = s.env()
	p.Dir, p.User = s.dir(), s.user()
	if err := p.Validate(); err != nil {
		return fmt.Errorf("payload %s: %w", p.Name, err)
	}
	return p.CheckFlags(s.Args) // C4
}

// resolve returns the payload p, which is s.Payload for the installed version of
// its program, with the arguments, checks, options, timeout and cgroup of this run.
// It refuses everything that could only fail later.
func (s Spec) resolve(p payload.Payload) (payload.Payload, error) {
	s.Payload = p
	p, err := s.settle(p)
	if err != nil {
		return p, err
	}
	return p, checkFiles(p)
}

// Validate returns a *UsageError for a mistake in s that can be found on any host. It looks
// at no file and asks no program.
func (s Spec) Validate() error {
	err := s.validate()
	if err == nil {
		if _, err = s.settle(s.Payload); err != nil {
			err = fmt.Errorf("payload %s: %w", s.Payload.Name, err)
		}
	}
	if err != nil {
		return &UsageError{err}
	}
	return nil
}

// checkFiles returns an error if the working directory or a file that p needs is missing.
func checkFiles(p payload.Payload) error {
	if filepath.IsAbs(p.Dir) {
		if info, err := os.Stat(p.Dir); err != nil {
			return fmt.Errorf("working directory %s: %w: want a directory that exists before the run", p.Dir, errors.Unwrap(err))
		} else if !info.IsDir() {
			return fmt.Errorf("working directory %s: not a directory", p.Dir)
		}
	}
	for _, name := range p.Files {
		path := name
		if filepath.IsAbs(p.Dir) && !filepath.IsAbs(name) {
			path = filepath.Join(p.Dir, name)
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("file %s, which it needs: %w: want it there before the run", name, errors.Unwrap(err))
		}
	}
	return nil
}

// settle returns the payload p, which is s.Payload, with the settings of s.
func (s Spec) settle(p payload.Payload) (payload.Payload, error) {
	p.Env, p.Secrets = s.env()
	p.Dir, p.User = s.dir(), s.user()
	description := s.Extractor.Describe()
	p.Extractor = description.Name
	p.Args, p.Checks, p.Options = s.args(), s.checks(), s.options()
	p.Timeout, p.StopAfter, p.Cgroup, p.Counters = s.timeout(), s.stopAfter(), s.cgroup(), s.counters()
	if err := p.CheckArgs(); err != nil {
		return p, err
	}
	if err := CheckOptions(description, p.Options); err != nil {
		if len(s.Options) == 0 {
			err = p.ErrorAt("options", err)
		}
		return p, err
	}
	for i, name := range p.Counters {
		if err := counters.Check([]string{name}); err != nil {
			if s.Counters == nil {
				err = p.ErrorAt(fmt.Sprintf("counters[%d]", i), err)
			}
			return p, err
		}
	}
	if err := check.Preflight(p.Checks, hintUnit(p, s.Hints, p.MetricHints(), description.Hints)); err != nil { // C34
		return p, err
	}
	return p, nil
}

// hintUnit tells the unit that hints give to a name. Earlier sources go before
// later ones. The metrics of the instruments of p come last, and patterns do not apply
// to them.
func hintUnit(p payload.Payload, sources ...[]ktstr.Hint) func(string) string {
	r := extract.NewResolver(sources...)
	measured := instrument.Hints(instruments(p))
	var exact [][]ktstr.Hint
	for _, s := range sources {
		exact = append(exact, extract.Exact(s))
	}
	own := extract.NewResolver(append(exact, measured)...)
	return func(name string) string {
		if isMeasured(measured, name) {
			return own.Hint(name).Unit
		}
		return r.Hint(name).Unit
	}
}

// CheckOptions refuses options that the extractor of that description does not
// have, and values that it does not take.
func CheckOptions(d ktstr.Description, options map[string]string) error {
	for name, value := range options {
		known := false
		var names []string
		for _, o := range d.Options {
			names = append(names, o.Name)
			if o.Name != name {
				continue
			}
			known = true
			if len(o.Values) > 0 && !slices.Contains(o.Values, value) {
				return fmt.Errorf("extractor %s: option %s=%s: want %s", d.Name, name, value, strings.Join(o.Values, ", "))
			}
		}
		if !known {
			return fmt.Errorf("extractor %s: option %s: not one that it has: want %s", d.Name, name, cmp.Or(strings.Join(names, ", "), "none"))
		}
	}
	return nil
}
