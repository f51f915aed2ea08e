package main

import (
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/ktstr/ktstr/internal/text"
)

// logLevels are the values of --log-level, the most verbose first.
const logLevels = "trace, debug, info, warn, error, off"

// startLog sets a.log from --log-level, or from KTSTR_LOG if the flag was not given.
func (a *app) startLog(given bool) error {
	name, level := "--log-level", a.logLevel
	if !given {
		name, level = "KTSTR_LOG", os.Getenv("KTSTR_LOG")
		if level == "" {
			return nil
		}
	}
	parsed := hclog.LevelFromString(level)
	if parsed == hclog.NoLevel {
		return fmt.Errorf("%s %s: want one of %s", name, level, logLevels)
	}
	if parsed == hclog.Off {
		return nil
	}
	a.log = hclog.New(&hclog.LoggerOptions{Name: "ktstr", Level: parsed, Output: safeWriter{a.stderr}})
	return nil
}

// safeWriter replaces control characters, because a log has text of plugins in it.
type safeWriter struct{ w io.Writer }

func (s safeWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(s.w, text.Printable(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
