package plugin

import (
	"encoding/json"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/sandbox/access"
)

// hostile tries the access that the capture names: "NAME TARGETS".
func hostile(out ktstr.Output) (ktstr.Extraction, error) {
	name, arg, _ := strings.Cut(string(out.Data), " ")
	var targets access.Targets
	if err := json.Unmarshal([]byte(arg), &targets); err != nil {
		return ktstr.Extraction{}, err
	}
	r := access.Try(name, targets)
	could := 1.0
	if r.Refused {
		could = 0
	}
	return ktstr.Extraction{
		Metrics:     []ktstr.Metric{{Name: "could", Value: could}},
		Diagnostics: []ktstr.Diagnostic{{Code: "attempt", Message: r.Detail}},
	}, nil
}
