package usage_test

import (
	"context"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/spawn"
)

// nested runs a program around a shell script, and returns our numbers and what the
// program printed on stderr.
func nested(t *testing.T, program string, args ...string) (ours map[string]float64, printed string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	r, err := spawn.Run(context.Background(), spawn.Command{Path: program, Args: args})
	if err != nil || r.ExitCode != 0 {
		t.Fatalf("%s: %v, exit code %d\n%s", program, err, r.ExitCode, r.Stderr.Data)
	}
	ours, _ = read(r)
	return ours, string(r.Stderr.Data)
}

// perfStat returns the seconds by which our numbers are above those that perf stat
// gives for a script in the same run, and the numbers of perf stat.
func perfStat(t *testing.T, script string) (above, theirs map[string]float64) {
	t.Helper()
	ours, printed := nested(t, "perf", "stat", "-x,", "-e", "duration_time,user_time,system_time", "sh", "-c", script)
	above, theirs = map[string]float64{}, map[string]float64{}
	for theirName, ourName := range map[string]string{"duration_time": "run.wall", "user_time": "run.user", "system_time": "run.system"} {
		m := regexp.MustCompile(`(?m)^(\d+|<not counted>),ns,` + theirName + `,`).FindStringSubmatch(printed)
		if m == nil {
			t.Skipf("this perf does not count %s: %s", theirName, printed)
		}
		ns, _ := strconv.ParseFloat(m[1], 64) // not counted: it is 0
		theirs[ourName] = ns / 1e9
		above[ourName] = ours[ourName] - theirs[ourName]
	}
	return above, theirs
}

// In one run, our numbers are those of perf stat and what perf itself costs. A run of
// perf around an empty script tells its cost. // C38
func TestTimesAreThoseOfPerfStat(t *testing.T) {
	const script = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/null bs=64k count=80000 2>/dev/null`
	var failures []string
	for range 5 { // the cost of perf varies on a loaded machine
		failures = nil
		empty, _ := perfStat(t, ":")
		above, theirs := perfStat(t, script)
		for name, difference := range above {
			allowed := max(0.001, theirs[name]/100)
			if rest := difference - empty[name]; difference < -allowed || rest > allowed+empty[name] {
				failures = append(failures, fmt.Sprintf("%s: %.6f s above the %.6f s of perf stat, of which perf costs %.6f s", name, difference, theirs[name], empty[name]))
			}
		}
		if failures == nil {
			return
		}
	}
	t.Error(strings.Join(failures, "\n"))
}

// The peak memory is that of the largest process, as time(1) gives it. // C38
func TestPeakMemoryIsThatOfTime(t *testing.T) {
	ours, printed := nested(t, "/usr/bin/time", "-v", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
	m := regexp.MustCompile(`Maximum resident set size \(kbytes\): (\d+)`).FindStringSubmatch(printed)
	if m == nil {
		t.Skipf("this time(1) has no -v: %s", printed)
	}
	theirs, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(ours["run.max_rss"]-theirs) > theirs/100 {
		t.Errorf("run.max_rss is %v KiB, time says %v", ours["run.max_rss"], theirs)
	}
}
