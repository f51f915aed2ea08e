package spawn

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
)

// fio's forked jobs are in sessions of their own. They do not end when fio is killed.
func TestFioKilledHalfway(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		dir := t.TempDir()
		c := set(Command{
			Path: "fio", Dir: dir, Grace: 10 * time.Second,
			Args: []string{"--name=jobs", "--numjobs=4", "--rw=randread", "--size=1m", "--ioengine=psync", "--time_based", "--runtime=600", "--status-interval=1", "--output-format=json"},
		})
		c.Env = Environ("HOME=" + dir)
		p := printed(t, c, 1)
		jobs := map[int]bool{}
		for start := time.Now(); len(jobs) < 4; linux.Pause(10 * time.Millisecond) { // the first status can come before the last fork
			for _, pid := range childrenOf(t, p.Pid(), nil) {
				jobs[pid] = true
			}
			if time.Since(start) > time.Minute {
				t.Fatalf("fio forked %d processes, want 4 jobs", len(jobs))
			}
		}
		res, err := p.Kill()
		if err != nil || res.Signal != "SIGKILL" || !res.Stdout.Complete || !res.Stderr.Complete {
			t.Errorf("signal %q, complete %v %v, %v", res.Signal, res.Stdout.Complete, res.Stderr.Complete, err)
		}
		for pid := range jobs {
			if alive(pid) {
				t.Errorf("job %d is alive", pid)
			}
		}
		if len(res.Killed) < 4 {
			t.Errorf("killed %v, want the jobs", res.Killed)
		}
	})
}

// fio prints its whole report after SIGINT.
func TestFioInterrupted(t *testing.T) { // C9
	dir := t.TempDir()
	c := Command{
		Path: "fio", Dir: dir, Grace: 30 * time.Second,
		Args: []string{"--name=jobs", "--numjobs=2", "--rw=randread", "--size=1m", "--ioengine=psync", "--time_based", "--runtime=600", "--output-format=json", "--output=report", "--status-interval=1"},
	}
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// The jobs run when the report file has its first status.
	for start := time.Now(); ; linux.Pause(10 * time.Millisecond) {
		if st, err := os.Stat(dir + "/report"); err == nil && st.Size() > 0 {
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("fio wrote no status")
		}
	}
	p.Interrupt()
	res, err := p.Wait()
	if err != nil || res.Cause != CauseInterrupt || res.Signal != "" {
		t.Errorf("cause %q, signal %q, %v", res.Cause, res.Signal, err)
	}
	text, err := os.ReadFile(dir + "/report")
	if err != nil {
		t.Fatal(err)
	}
	// One line between the reports names the signal that ended it.
	var reports strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "fio: ") {
			reports.WriteString(line)
		}
	}
	for d := json.NewDecoder(strings.NewReader(reports.String())); d.More(); {
		var report struct{ Jobs []any }
		if err := d.Decode(&report); err != nil || len(report.Jobs) == 0 {
			t.Fatalf("the report is not whole: %v", err)
		}
	}
}
