package core

import (
	"maps"
	"slices"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

// command returns the command that runs the payload once, with its files in dir.
func (r *Prepared) command(dir *scratch) spawn.Command {
	s, p := r.spec, r.definition
	c := spawn.Command{
		Path:       p.Binary,
		Credential: r.account.credential,
		ShareGroup: p.SharesGroup,
		Limit:      s.Limit,
		Timeout:    p.Timeout,
		Leftovers:  spawn.Leftovers(p.Leftovers),
		StopAfter:  p.StopAfter,
		Cgroup:     p.Cgroup,
		NoCgroup:   s.NoCgroup,
		Grace:      s.Grace,
	}
	if len(s.Program) > 0 {
		c.Path, c.Args = s.Program[0], append(c.Args, s.Program[1:]...)
	}
	for _, arg := range p.Args {
		c.Args = append(c.Args, p.Expand(arg, dir.path, dir.output))
	}
	switch p.Dir {
	case "", payload.DirCaller:
	case payload.DirScratch:
		c.Dir = dir.path
	default:
		c.Dir = p.Dir
	}
	env := slices.Clone(r.account.env)
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Expand(p.Env[name], dir.path, dir.output))
	}
	c.Env = spawn.Environ(env...)
	return c
}
