package core

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
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

// The host of a record has what makes runs comparable, as other tools report it.
func TestThisHost(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("/proc/" + name)
		if err != nil {
			t.Skip(err)
		}
		return strings.TrimSpace(string(text))
	}
	h := ThisHost()
	for name, got := range map[string]string{"osrelease": h.Kernel, "hostname": h.Name, "random/boot_id": h.BootID} {
		if want := read("sys/kernel/" + name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	var total int64
	if _, err := fmt.Sscanf(read("meminfo"), "MemTotal: %d kB", &total); err != nil || h.Memory != total*1024 {
		t.Errorf("memory %d, want %d kB, %v", h.Memory, total, err)
	}
	if h.CPUs != runtime.NumCPU() || h.Arch != runtime.GOARCH {
		t.Errorf("%d CPUs, %s; want %d, %s", h.CPUs, h.Arch, runtime.NumCPU(), runtime.GOARCH)
	}
	if cpu := strings.Split(read("cpuinfo"), "\n"); h.CPU == "" || !slices.ContainsFunc(cpu, func(line string) bool { return strings.HasSuffix(line, ": "+h.CPU) }) {
		t.Errorf("CPU %q: want a line of /proc/cpuinfo", h.CPU)
	}
}

// A payload that a scheduler ends together with ktstr was interrupted, and did not fail.
func TestInterrupted(t *testing.T) {
	for _, tt := range []struct {
		ended spawn.Result
		asked bool
		want  bool
	}{
		{spawn.Result{Cause: spawn.CauseInterrupt}, true, true},
		{spawn.Result{Cause: spawn.CauseCancel}, false, true},
		{spawn.Result{Cause: spawn.CauseNone, ExitCode: -1, Signal: "SIGTERM"}, true, true},
		{spawn.Result{Cause: spawn.CauseNone, ExitCode: 128}, true, true},
		{spawn.Result{Cause: spawn.CauseNone}, true, false},
		{spawn.Result{Cause: spawn.CauseNone, ExitCode: -1, Signal: "SIGTERM"}, false, false},
		{spawn.Result{Cause: spawn.CauseTimeout, ExitCode: -1, Signal: "SIGKILL"}, true, false},
	} {
		if got := interrupted(tt.ended, tt.asked); got != tt.want {
			t.Errorf("%+v, asked %v: got %v, want %v", tt.ended, tt.asked, got, tt.want)
		}
	}
}
