package perfstat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// read returns the metrics and diagnostics of a text on stderr.
func read(text string, argv ...string) string {
	e, err := parse(ktstr.Output{Stream: ktstr.Stderr, Data: []byte(text), Argv: argv})
	var parts []string
	for _, m := range e.Metrics {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit)))
	}
	for _, d := range e.Diagnostics {
		parts = append(parts, "!"+string(d.Code))
	}
	if err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}

func TestForms(t *testing.T) {
	const (
		head    = "\n Performance counter stats for 'x':\n\n"
		elapsed = "\n       0.102478361 seconds time elapsed\n"
	)
	csv := []string{"perf", "stat", "-x,", "true"}
	for _, c := range []struct {
		name, text, want string
		argv             []string
	}{
		{"multiplexed", head + "     5,373,530,212      cycles:u       #    2.510 GHz    ( +-  1.19% )  (62.35%)\n" + elapsed,
			"cycles:u=5.373530212e+09 count; cycles:u.frequency=2.51 GHz; cycles:u.stddev_percent=1.19 %; cycles:u.running=62.35 %; time.elapsed=0.102478361 s", nil},
		{"Indian grouping", head + "     53,73,53,212      cycles\n" + elapsed, "cycles=5.37353212e+08 count; time.elapsed=0.102478361 s", nil},
		{"a decimal comma, points for thousands", head + "     5.373.530.212      cycles:u       #    2,510 GHz\n" + strings.ReplaceAll(elapsed, ".", ","),
			"cycles:u=5.373530212e+09 count; cycles:u.frequency=2.51 GHz; time.elapsed=0.102478361 s", nil},
		{"narrow blanks for thousands", head + "     5\u202f373      faults\n" + elapsed, "faults=5373 count; time.elapsed=0.102478361 s", nil},
		{"a hybrid processor", head + "     1000      cpu_core/cycles/u   (99.50%)\n     2000      cpu_atom/cycles/u\n     500      task-clock:u\n" + elapsed,
			"cpu_core/cycles/u=1000 count; cpu_core/cycles/u.running=99.5 %; cpu_atom/cycles/u=2000 count; task-clock:u=500 ns; time.elapsed=0.102478361 s", nil},
		{"a metric without an event", head + "     10      branches   #   1.5 % of all x\n      #     60.9 %  tma_backend_bound\n" + elapsed,
			"branches=10 count; branches.of_all_x=1.5 %; time.elapsed=0.102478361 s", nil},
		{"energy", head + "     1.25 Joules power/energy-pkg/\n" + elapsed, "power/energy-pkg/=1.25 J; time.elapsed=0.102478361 s", nil},
		{"the command's own numbers before", "     10      branches\n 5 seconds user\n" + head + "     11      branches\n" + elapsed, "branches=11 count; time.elapsed=0.102478361 s", nil},
		{"a report of the command before", head + "     10      faults\n" + elapsed + head + "     11      branches\n" + elapsed, "branches=11 count; time.elapsed=0.102478361 s; !several-reports", nil},
		{"cut", head + "     11      branches\n", "branches=11 count; !missing-headline", nil},
		{"one event of -e is lost", head + "     11      branches\n" + elapsed, "branches=11 count; time.elapsed=0.102478361 s; !missing-headline", []string{"perf", "stat", "-e", "branches,faults:u", "ls"}},
		{"an event with the separator", "7,,cpu/event=0x3c,umask=0x0/,741560,100.00,,\n", "cpu/event=0x3c,umask=0x0/=7 count", csv},
		{"another separator", "7;;faults;741560;62.50;1.349;K/sec\n", "faults=7 count; faults.rate=1.349 K/s; faults.running=62.5 %", []string{"perf", "stat", "-x", ";", "true"}},
		{"a tab", "7\t\tfaults\t741560\t100.00\t1.349\tK/sec\n", "faults=7 count; faults.rate=1.349 K/s", []string{"perf", "stat", "-x", "\\t", "true"}},
		{"the separator is found", "7;;faults;741560;100.00;;\n", "faults=7 count", nil},
		{"CSV with a decimal comma", "1,13,msec,task-clock,1130000,100,00,0,021,CPUs utilized\n82,,faults,1130000,100,00,73,267,K/sec\n",
			"task-clock=1.13 ms; task-clock.cpus_utilized=0.021; faults=82 count; faults.rate=73.267 K/s", csv},
		{"CSV with a decimal comma and another separator", "1,13;msec;task-clock;1130000;100,00;0,021;CPUs utilized\n", "task-clock=1.13 ms; task-clock.cpus_utilized=0.021", nil},
		{"CSV, intervals of cores", "     1.000100000,S0-D0-C0,1,9,,cs,99,100.00,,\n     1.000100000,S0-D0-C1,1,8,,cs,99,100.00,,\n",
			"interval.1.S0-D0-C0.cs=9 count; interval.1.S0-D0-C1.cs=8 count", csv},
		{"CSV, the summary of intervals", "     1.000100000,9,,cs,99,100.00,,\n         summary,9,,cs,99,100.00,,\n", "interval.1.cs=9 count; cs=9 count", csv},
		{"CSV, a metric without an event", "9,,branches,99,100.00,1.22,of all branches\n,,,,,60.9,%  tma_backend_bound\n", "branches=9 count; branches.of_all_branches=1.22 %", csv},
		{"CSV, rows of the command", "1,2,3\n1,a,b,c,d\n9,,branches,99,100.00,,\n", "branches=9 count", csv},
		{"JSON with a comma at the end", `{"counter-value" : "9.000000", "unit" : "", "event" : "cs", "event-runtime" : 99, "pcnt-running" : 100.00, }` + "\n", "cs=9 count", nil},
		{"JSON of a CPU", `{"cpu" : "3", "counter-value" : "9.000000", "unit" : "", "event" : "cs", "variance" : 1.5, "event-runtime" : 99, "pcnt-running" : 50.00, "metric-value" : "nan", "metric-unit" : "(null)"}` + "\n",
			"CPU3.cs=9 count; CPU3.cs.stddev_percent=1.5 %; CPU3.cs.running=50 %", nil},
		{"a command that is not there", "Workload failed: No such file or directory\n", "!tool-failed", nil},
		{"prose", "hello\n", "!not-my-format", nil},
		{"only the command's stderr, with -o", head + "     10      faults\n" + elapsed, "!not-my-format", []string{"perf", "stat", "-o", "f", "x"}},
	} {
		if got := read(c.text, c.argv...); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// The command prints on stdout. perf does not.
func TestStdoutIsTheCommands(t *testing.T) {
	e, err := parse(ktstr.Output{Stream: ktstr.Stdout, Data: []byte("\n Performance counter stats for 'x':\n\n 5 faults\n 0.1 seconds time elapsed\n")})
	if err != nil || len(e.Metrics) > 0 {
		t.Errorf("got %v, %v", e, err)
	}
}

// With -o, perf prints only its own errors on stderr, and ends with 129 or 255.
func TestErrorsWithAFile(t *testing.T) {
	for exit, want := range map[int]int{255: 1, 129: 1, 1: 0} {
		e, err := parse(ktstr.Output{Stream: ktstr.Stderr, Data: []byte("Workload failed: No such file or directory\n"), Argv: []string{"perf", "stat", "-o", "f", "--", "x"}, ExitCode: &exit})
		failed := 0
		for _, d := range e.Diagnostics {
			if d.Code == ktstr.ToolFailed {
				failed++
			}
		}
		if err != nil || failed != want {
			t.Errorf("exit status %d: %d failures, want %d: %v, %v", exit, failed, want, e.Diagnostics, err)
		}
	}
}

func TestLinear(t *testing.T) {
	corpustest.Linear(t, New(), " Performance counter stats for 'x':\n 1 a\n", "1,,a,1,1.0,", "1,,a,1,1.0,\n", "     0.100000000,1,,cs,99,100.00,,\n", "{\"counter-value\" : \"\n", "{\"counter-value\" : \"1\", \"event\" : \"a\"}\n",
		"{", "(", "# # ", " Performance counter stats for ")
}

// BenchmarkLog reads 16 MiB of what a command prints on stderr, and the report behind it.
func BenchmarkLog(b *testing.B) {
	report := corpustest.Read(b, "testdata/corpus/text-default", "stderr")
	line := "12:00:01.250 worker 7: processed 1500 records in 0.25 s\n"
	corpustest.Bench(b, errStream{}, append([]byte(strings.Repeat(line, 16<<20/len(line))), report...))
}

// BenchmarkCSVLog does so with the rows of -x.
func BenchmarkCSVLog(b *testing.B) {
	report := corpustest.Read(b, "testdata/corpus/stat-csv", "stderr")
	line := "12:00:01.250 worker 7: processed 1500 records in 0.25 s\n"
	corpustest.Bench(b, errStream{}, append([]byte(strings.Repeat(line, 16<<20/len(line))), report...))
}

// BenchmarkIntervals reads 16 MiB of intervals, about 13 hours of them with -I 1000. Each
// row gives two metrics.
func BenchmarkIntervals(b *testing.B) {
	var text strings.Builder
	for i := 1; text.Len() < 16<<20; i++ {
		fmt.Fprintf(&text, "%6[1]d.100182186,1000.92,msec,task-clock,923623,100.00,1.009,CPUs utilized\n"+
			"%6[1]d.100182186,%[1]d,,context-switches,923623,100.00,1.083,K/sec\n"+
			"%6[1]d.100182186,17,,cpu-migrations,923623,100.00,1.083,K/sec\n"+
			"%6[1]d.100182186,3000,,page-faults,923623,100.00,1.083,K/sec\n", i)
	}
	corpustest.Bench(b, errStream{}, []byte(text.String()))
}

// errStream gives the text as stderr.
type errStream struct{}

func (errStream) Describe() ktstr.Description { return New().Describe() }

func (errStream) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	out.Stream = ktstr.Stderr
	return New().Extract(ctx, out)
}
