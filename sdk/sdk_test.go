package sdk

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/wire"
)

func TestModes(t *testing.T) {
	code := 3
	x := ktstr.Parser{
		Description: ktstr.Description{Name: "count", Version: "1.0.0"},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			if len(out.Data) == 0 {
				return ktstr.Extraction{}, nil
			}
			m := ktstr.Metric{Name: "bytes", Value: float64(len(out.Data)), Unit: out.Options["unit"]}
			if out.ExitCode != nil {
				m.Value += float64(*out.ExitCode)
			}
			return ktstr.Extraction{Metrics: []ktstr.Metric{m}}, nil
		},
	}
	document := func(out ktstr.Output) string {
		return string(extract.Run(context.Background(), x, []ktstr.Output{out}, nil).AppendJSON(nil)) + "\n"
	}
	for _, c := range []struct {
		args   string
		stdin  string
		code   int
		stdout string
		stderr string // a part
	}{
		{"describe", "", 0, string(wire.DescriptionJSON(x.Description, wire.GRPC)), ""},
		{"extract", "12345", 0, document(ktstr.Output{Stream: "stdout", Data: []byte("12345")}), ""},
		{"extract --stream stderr --exit-code 3 --option unit=B", "12", 0,
			document(ktstr.Output{Stream: "stderr", Data: []byte("12"), ExitCode: &code, Options: map[string]string{"unit": "B"}}), ""},
		{"extract", "", 4, document(ktstr.Output{Stream: "stdout"}), ""},
		{"extract --option unit", "", 2, "", "want NAME=VALUE"},
		{"extract FILE", "", 2, "", "want the capture on standard input"},
		{"", "", 2, "", "x is a plugin of ktstr"},
		{"describe it", "", 2, "", "x describe"},
	} {
		var stdout, stderr bytes.Buffer
		got := run(context.Background(), x, append([]string{"x"}, strings.Fields(c.args)...), strings.NewReader(c.stdin), &stdout, &stderr)
		if got != c.code || stdout.String() != c.stdout || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%q: got %d, stdout %q, stderr %q\nwant %d, %q, with %q", c.args, got, &stdout, &stderr, c.code, c.stdout, c.stderr)
		}
	}
}
