package bundle_test

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
)

// one is an extractor that finds one metric in each text.
var one = ktstr.Parser{
	Description: ktstr.Description{Name: "one", Version: "1"},
	Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: float64(len(out.Data))}}}, nil
	},
}

func spec(sinks ...core.Sink) core.Spec {
	return core.Spec{
		Payload: payload.Payload{
			Name: "bench", Summary: "prints", Binary: "/bin/sh",
			Args:    []string{"-c", "echo out; echo err >&2; echo file > {outputs.report}"},
			Outputs: []payload.OutputFile{{Name: "report", Path: "report.txt"}},
			Checks:  []check.Check{check.ExitEquals(0)},
		},
		Extractor: one,
		Sinks:     sinks,
	}
}

func create(t *testing.T, root string) *bundle.Writer {
	t.Helper()
	w, err := bundle.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const nobody = 65534

// plainly calls f without the capabilities by which root ignores file permissions.
func plainly(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and the thread ends with the goroutine
			unix.SetfsuidRetUid(nobody)
		}
		f()
	}()
	<-done
}

// plain is a sink that writes without these capabilities.
type plain struct{ *bundle.Writer }

func (p plain) Raw(r *core.Result) (err error) {
	plainly(func() { err = p.Writer.Raw(r) })
	return err
}
