package external

import (
	"errors"
	"os"
	"path/filepath"
)

// command returns what to execute for the plugin.
func (p *Plugin) command() (command, error) {
	switch {
	case p.config.Path != "" && p.config.Self == nil:
		abs, err := filepath.Abs(p.config.Path)
		if err != nil {
			return command{}, p.fail("start", Refused, nil, err)
		}
		return command{path: abs, argv: []string{abs}, name: p.config.Path}, nil
	case p.config.Path == "" && p.config.Self != nil:
		return command{path: "/proc/self/exe", argv: append([]string{os.Args[0]}, p.config.Self...), name: os.Args[0]}, nil
	}
	return command{}, p.fail("start", Refused, nil, errors.New("want either a Path or Self"))
}
