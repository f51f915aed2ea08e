package core

import (
	"maps"
	"slices"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

// command returns the command that runs the resolved payload p.
func (s Spec) command(p payload.Payload, dir *scratch) spawn.Command {
	c := spawn.Command{
		Path:       p.Binary,
		Dir:        "",
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
	if p.Dir == payload.DirScratch {
		c.Dir = dir.path
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Expand(p.Env[name], dir.path, dir.output))
	}
	c.Env = spawn.Environ(env...)
	return c
}
