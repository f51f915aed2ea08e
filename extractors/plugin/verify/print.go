package verify

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/ktstr/ktstr/internal/text"
)

// Print writes the report as text: one line for each check, and the failures
// below it. Bytes of captures are quoted, so that none reaches the terminal raw.
func (r Report) Print(w io.Writer) error {
	p := &printer{w: w}
	p.printf("plugin %s %s (%s)\n", text.Line(r.Name), text.Line(r.Version), text.Line(r.Subject))
	width := 0
	for _, c := range r.Checks {
		width = max(width, len(c.Name))
	}
	n := map[Outcome]int{}
	for _, c := range r.Checks {
		n[c.Outcome]++
		detail := c.About
		if c.Outcome == Skip {
			detail = "skipped: " + c.Detail
		} else if c.Detail != "" {
			detail += " (" + c.Detail + ")"
		}
		p.printf("%-4s  %-*s  %s\n", c.Outcome, width, c.Name, text.Line(detail))
		for _, f := range c.Failures {
			p.printf("      - %s\n", text.Line(f.Message))
			if len(f.Said) > 0 {
				p.printf("        its last lines on standard error:\n")
			}
			for _, line := range f.Said {
				p.printf("          %s\n", text.Line(line))
			}
			if f.Input != "" {
				p.printf("        input: %s\n        bytes: %q\n", text.Line(f.Input), f.Bytes)
			}
			if f.File != "" {
				p.printf("        kept:  %s\n", text.Line(f.File))
			}
			if f.Also > 0 {
				p.printf("        the same with %d more inputs\n", f.Also)
			}
		}
		if c.More > 0 {
			p.printf("      - and %d more\n", c.More)
		}
	}
	p.printf("%s: %d passed, %d failed, %d skipped\n", text.Count(len(r.Checks), "check"), n[Pass], n[Fail], n[Skip])
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// MarshalJSON writes the report as {"schema": "ktstr.verify/v1", "subject", "name",
// "version", "ok", "checks": [{"name", "about", "outcome": "pass|fail|skip",
// "detail", "failures": [{"message", "also", "input", "bytes", "said", "file"}], "more"}]}. Bytes are in
// base64.
func (r Report) MarshalJSON() ([]byte, error) {
	type failure struct {
		Message string   `json:"message"`
		Also    int      `json:"also,omitempty"`
		Input   string   `json:"input,omitempty"`
		Bytes   []byte   `json:"bytes,omitempty"`
		Said    []string `json:"said,omitempty"`
		File    string   `json:"file,omitempty"`
	}
	type check struct {
		Name     string    `json:"name"`
		About    string    `json:"about"`
		Outcome  Outcome   `json:"outcome"`
		Detail   string    `json:"detail,omitempty"`
		Failures []failure `json:"failures,omitempty"`
		More     int       `json:"more,omitempty"`
	}
	v := struct {
		Schema  string  `json:"schema"`
		Subject string  `json:"subject"`
		Name    string  `json:"name"`
		Version string  `json:"version"`
		OK      bool    `json:"ok"`
		Checks  []check `json:"checks"`
	}{"ktstr.verify/v1", r.Subject, r.Name, r.Version, r.OK(), []check{}}
	for _, c := range r.Checks {
		j := check{Name: c.Name, About: c.About, Outcome: c.Outcome, Detail: c.Detail, More: c.More}
		for _, f := range c.Failures {
			j.Failures = append(j.Failures, failure(f))
		}
		v.Checks = append(v.Checks, j)
	}
	return json.Marshal(v)
}
