package core

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
)

// An extractor gets the exit code, the arguments and its options with each stream.
func TestExtractorLearnsAboutTheRun(t *testing.T) {
	var got []ktstr.Output
	x := ktstr.Parser{
		Description: ktstr.Description{Name: "spy", Version: "1", NoMetrics: true, AllStreams: true, Options: []ktstr.Option{{Name: "mode"}}},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			got = append(got, out)
			return ktstr.Extraction{}, nil
		},
	}
	code := 3
	before := finished.Load()
	r, err := Run(t.Context(), Spec{
		Payload:   payload.Payload{Name: "sh", Binary: "/bin/sh", Args: []string{"-c", "echo a; echo b >&2; exit 3"}, Options: map[string]string{"mode": "x"}},
		Extractor: x,
	})
	if err != nil {
		t.Fatal(err)
	}
	argv := []string{"/bin/sh", "-c", "echo a; echo b >&2; exit 3"}
	want := []ktstr.Output{
		{Stream: ktstr.Stdout, Data: []byte("a\n"), ExitCode: &code, Argv: argv, Options: map[string]string{"mode": "x"}},
		{Stream: ktstr.Stderr, Data: []byte("b\n"), ExitCode: &code, Argv: argv, Options: map[string]string{"mode": "x"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if r.Index != before {
		t.Errorf("index %d, want %d: the number of runs that this process finished before", r.Index, before)
	}
	if e := r.Measured(); len(e.Metrics) == 0 || e.Metrics[0].Name != "run.wall" {
		t.Errorf("measured %v, want run.wall and others", e.Metrics)
	}
}

// A start that fails closes what the instruments have opened.
func TestFailedStartClosesTheInstruments(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	counted := func() (n int) {
		links, _ := filepath.Glob("/proc/self/fd/*")
		for _, link := range links {
			if to, _ := os.Readlink(link); strings.Contains(to, "perf_event") {
				n++
			}
		}
		return n
	}
	before := counted()
	_, err := Start(t.Context(), Spec{Payload: payload.Payload{Name: "broken", Binary: broken, Counters: []string{"all"}}, Extractor: nothing})
	if err == nil {
		t.Fatal("a program without an interpreter was started")
	}
	if after := counted(); after != before {
		t.Errorf("%d counters are open, %d before the start", after, before)
	}
}

// The host of a record is named by its kernel, because runs on two kernels differ.
func TestThisHostHasTheKernel(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip("this host has no /proc/sys/kernel/osrelease to compare with")
	}
	if got, want := ThisHost().Kernel, strings.TrimSpace(string(release)); got != want {
		t.Errorf("kernel %q, want %q", got, want)
	}
}
