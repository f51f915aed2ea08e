package verify

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// check is a Check in the making.
type check struct {
	*Check
	keep string
}

func (c check) failf(in *input, format string, args ...any) {
	c.Outcome = Fail
	f := Failure{Message: fmt.Sprintf(format, args...)}
	if in != nil {
		for i := range c.Failures {
			if c.Failures[i].Message == f.Message && c.Failures[i].Input != "" {
				c.Failures[i].Also++
				return
			}
		}
	}
	if len(c.Failures) == mostFailures {
		c.More++
		return
	}
	if in != nil {
		f.Input, f.Said = in.words, in.said
		data := in.streams[in.changed].Data
		const around = 60
		at := min(max(in.at, 0), len(data))
		f.Bytes = bytes.Clone(data[max(at-around, 0):min(at+around, len(data))])
		if c.keep != "" {
			name := filepath.Join(c.keep, fmt.Sprintf("%s-%d", c.Name, len(c.Failures)+1))
			if err := os.WriteFile(name, data, 0o644); err == nil {
				f.File = name
			}
		}
	}
	c.Failures = append(c.Failures, f)
}

// enough reports that more failures would tell nothing new: a plugin that crashes
// each time takes long to be started each time.
func (c check) enough() bool {
	n := len(c.Failures) + c.More
	for _, f := range c.Failures {
		n += f.Also
	}
	return n >= 2*mostFailures
}

func (c check) skipf(format string, args ...any) {
	c.Outcome, c.Detail = Skip, fmt.Sprintf(format, args...)
}

func (c check) notef(format string, args ...any) {
	if c.Detail != "" {
		c.Detail += "; "
	}
	c.Detail += fmt.Sprintf(format, args...)
}

// list returns at most ten members of a set, with commas.
func list(set map[string]bool) string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	if n := len(names) - 10; n > 0 {
		names = append(names[:10], fmt.Sprintf("… (%d more)", n))
	}
	return strings.Join(names, ", ")
}

func now() time.Time { return time.Now() }

// since rounds for a reader.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
