package bisect

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// history makes a repository of n commits, which is the working directory, and returns a
// function that opens the search from the first commit to the last.
func history(t *testing.T, n int) (open func() *Bisect) {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	run := func(args ...string) {
		c := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.org"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
	run("init", "-q")
	for i := range n {
		run("commit", "-q", "--allow-empty", "-m", fmt.Sprint("commit ", i+1))
	}
	return func() *Bisect {
		b, err := Open(t.Context(), home, fmt.Sprintf("HEAD~%d", n-1), "HEAD", "a request")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			left, err := os.ReadDir(home)
			if err != nil || len(left) > 0 {
				t.Errorf("left after the search: %v, %v; want nothing", left, err)
			}
		})
		return b
	}
}

// If only skipped commits are left, the answer has the commits of which one is the first bad
// one. A search that an error ended continues, and its steps never spend more than alpha.
func TestOnlySkippedCommitsAreLeft(t *testing.T) {
	open := history(t, 5)
	const alpha = 0.05
	stop, spent := errors.New("stop"), 0.0
	seen := map[string]int{}
	judge := func(last int) func(Step) (Judgement, error) {
		return func(s Step) (Judgement, error) {
			if s.Number > last {
				return Judgement{}, stop
			}
			seen[s.Commit.Subject]++
			spent += s.Alpha
			if s.Number == 1 {
				return Judgement{Verdict: Bad, Spent: s.Alpha}, nil
			}
			return Judgement{Verdict: Skipped, Reason: "broken", Spent: s.Alpha}, nil
		}
	}
	b := open()
	if _, err := b.Run(t.Context(), alpha, judge(2)); err != stop {
		t.Errorf("got %v, want %v", err, stop)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	b = open()
	answer, err := b.Run(t.Context(), alpha, judge(99))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(len(answer.Candidates), len(answer.Skipped), answer.First), "4 3 <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, subject := range []string{"commit 2", "commit 3", "commit 4", "commit 5"} {
		if seen[subject] != 1 {
			t.Errorf("%s: judged %d times, want once", subject, seen[subject])
		}
	}
	if spent > alpha {
		t.Errorf("spent %v, want at most %v", spent, alpha)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A bad revision that is not worse ends the search at once.
func TestBadRevisionIsNotWorse(t *testing.T) {
	b := history(t, 3)()
	steps := 0
	_, err := b.Run(t.Context(), 0.05, func(Step) (Judgement, error) {
		steps++
		return Judgement{Verdict: Good}, nil
	})
	if !errors.As(err, new(*NotBadError)) || steps != 1 {
		t.Errorf("got %v after %d steps, want a *NotBadError after 1", err, steps)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
