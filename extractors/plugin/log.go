package plugin

import (
	"cmp"
	"errors"
	"time"
)

// step logs a step of the plugin's life that began at that time: a success at
// debug level, a fault at warn level. args are pairs as in hclog.
func (p *Plugin) step(name string, began time.Time, err error, args ...any) {
	args = append([]any{"plugin", cmp.Or(p.name(), p.config.Path), "took", time.Since(began).Round(time.Microsecond)}, args...)
	if err == nil {
		p.config.Log.Debug(name, args...)
		return
	}
	var e *Error
	if errors.As(err, &e) {
		args = append(args, "fault", e.Fault, "exit", e.Exit, "stderr", e.Stderr)
		if e.Err != nil {
			args = append(args, "error", e.Err)
		}
	} else {
		args = append(args, "error", err)
	}
	p.config.Log.Warn(name+" failed", args...)
}
