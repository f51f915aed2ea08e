// Package bisect finds the commit that made a benchmark slower. It drives git bisect in git
// worktrees of its own, so that the working tree, the index and the bisect state of the user
// stay as they are. The caller judges each commit.
package bisect

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
)

// A Verdict is the result of one commit.
type Verdict string

const (
	Good    Verdict = "good"
	Bad     Verdict = "bad"
	Skipped Verdict = "skipped" // broken, or its runs leave the question open
)

// A Commit is a commit of the repository.
type Commit struct {
	Hash    string `json:"hash"`
	Subject string `json:"subject"`
	Time    string `json:"time"` // of the commit, in RFC 3339
}

// String returns the short hash and the subject.
func (c Commit) String() string { return c.Hash[:12] + " " + c.Subject }

// A Judgement is the verdict of a commit with its reason.
type Judgement struct {
	Commit  Commit  `json:"commit"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"` // of Skipped
	Text    string  `json:"text,omitempty"`   // the comparison with the good revision, for the user
	Spent   float64 `json:"spent"`            // the part of the error rate
}

// A Step is a commit that the caller judges.
type Step struct {
	Commit Commit
	Number int     // from 1
	Left   int     // steps after this one, estimated
	Alpha  float64 // the error rate that this step may have
}

// Bisect is one search. Its state survives the process: the Bisect of the same request goes
// on where the earlier one was interrupted.
type Bisect struct {
	Good, Bad Commit
	Between   int    // commits after Good up to Bad, which is included
	GoodDir   string // the counterpart of the working directory at Good
	Dir       string // the same at the commit of the step
	State     string // the file with the judgements
	Judged    []Judgement
	// Built is the file that the build makes, relative to Dir, or empty. It is deleted before
	// the next commit is checked out, because a build that does not make it must not be
	// measured with that of an earlier commit.
	Built string

	repository string // the top of the user's working tree
	home       string // has State and the worktrees
	lock       *os.File
}

// Answer is the result of a search.
type Answer struct {
	First      *Judgement  // the first bad commit; nil: not decided
	Candidates []Commit    // without First, the commits of which one is the first bad one
	Skipped    []Judgement // in the order of the steps
}

// NotBadError says that the bad revision was not judged as bad, so that there is nothing to
// find.
type NotBadError struct{ Judgement }

func (e *NotBadError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("--bad %s: %s: want a revision whose benchmark runs and is worse than at --good", e.Commit, e.Reason)
	}
	return fmt.Sprintf("--bad %s: it is not worse than --good by these runs, so there is nothing to find", e.Commit)
}

// Open prepares the search between two revisions of the repository of the working directory.
// home is where the states of all searches are kept, and request says what is measured: a
// state belongs to one request. The errors are mistakes of the user, except those of the
// filesystem. The caller closes the Bisect.
func Open(ctx context.Context, home, good, bad, request string) (b *Bisect, err error) {
	b = &Bisect{}
	if b.repository, err = git(ctx, ".", "rev-parse", "--show-toplevel"); err != nil {
		return nil, fmt.Errorf("%w: want a working directory in the git repository of the benchmark", err)
	}
	prefix, err := git(ctx, ".", "rev-parse", "--show-prefix")
	if err != nil {
		return nil, err
	}
	if b.Good, err = b.commit(ctx, good); err != nil {
		return nil, fmt.Errorf("--good %s: %w", good, err)
	}
	if b.Bad, err = b.commit(ctx, bad); err != nil {
		return nil, fmt.Errorf("--bad %s: %w", bad, err)
	}
	if _, err := git(ctx, b.repository, "merge-base", "--is-ancestor", b.Good.Hash, b.Bad.Hash); err != nil || b.Good.Hash == b.Bad.Hash {
		return nil, fmt.Errorf("--good %s: it is not an ancestor of --bad %s: want a good revision from which the bad one descends", good, bad)
	}
	if b.Between, err = b.between(ctx); err != nil {
		return nil, err
	}
	return b, b.open(home, prefix, request)
}

// Prepare makes the worktree of the good revision at b.GoodDir. It replaces one that a killed
// process left.
func (b *Bisect) Prepare(ctx context.Context) error {
	return b.addWorktree(ctx, goodName, b.Good.Hash)
}

// Run calls judge for one commit after the other until the first bad commit is known. It
// begins with the bad revision, because a search for a loss that does not exist would blame
// any commit. The steps together have an error rate of at most alpha. After an error of
// judge, the judgements are kept and a later Run continues.
func (b *Bisect) Run(ctx context.Context, alpha float64, judge func(Step) (Judgement, error)) (Answer, error) {
	if err := b.begin(ctx); err != nil {
		return Answer{}, err
	}
	for {
		if len(b.Judged) > 0 {
			if first := b.Judged[0]; first.Verdict != Bad {
				return Answer{}, errors.Join(&NotBadError{first}, b.forget())
			}
			answer, err := b.answer(ctx)
			if err != nil {
				return answer, err
			}
			if answer.First != nil || len(answer.Candidates) > 0 {
				return answer, b.forget()
			}
		}
		step, err := b.step(ctx, alpha)
		if err != nil {
			return Answer{}, err
		}
		j, err := judge(step)
		if err != nil {
			return Answer{}, err
		}
		j.Commit = step.Commit
		b.Judged = append(b.Judged, j)
		if err := b.save(); err != nil {
			return Answer{}, err
		}
		if err := b.tell(ctx, len(b.Judged)-1); err != nil {
			return Answer{}, err
		}
	}
}

// step returns the commit that git chose. Its error rate is an equal part of the remaining
// one, with one part in reserve, because skipped commits make a search longer. So the rates of
// all steps never add up to more than alpha.
func (b *Bisect) step(ctx context.Context, alpha float64) (Step, error) {
	c, err := b.commitAt(ctx, b.worktree(testName))
	if err != nil {
		return Step{}, err
	}
	n, err := b.between(ctx)
	if err != nil {
		return Step{}, err
	}
	left := bits.Len(uint(n - 1)) // log2 of the candidates, rounded up
	parts := left + 1
	if len(b.Judged) == 0 { // the bad revision
		parts++
	} else {
		left--
	}
	for _, j := range b.Judged {
		alpha -= j.Spent
	}
	return Step{Commit: c, Number: len(b.Judged) + 1, Left: left, Alpha: alpha / float64(parts)}, nil
}

// between returns the number of commits that can be the first bad one.
func (b *Bisect) between(ctx context.Context) (n int, err error) {
	args := []string{"rev-list", "--count", b.Bad.Hash, "^" + b.Good.Hash}
	for _, j := range b.Judged {
		switch j.Verdict {
		case Good:
			args = append(args, "^"+j.Commit.Hash)
		case Bad:
			args[2] = j.Commit.Hash
		}
	}
	text, err := git(ctx, b.repository, args...)
	if err == nil {
		_, err = fmt.Sscan(text, &n)
	}
	return n, err
}

// answer reads from the log of git bisect what is known.
func (b *Bisect) answer(ctx context.Context) (a Answer, err error) {
	first, possible, err := b.conclusion(ctx)
	if err != nil {
		return a, err
	}
	for i, j := range b.Judged {
		switch {
		case j.Commit.Hash == first:
			a.First = &b.Judged[i]
		case j.Verdict == Skipped:
			a.Skipped = append(a.Skipped, j)
		}
	}
	if first != "" && a.First == nil {
		return a, fmt.Errorf("git bisect found the commit %s, which was not measured", first)
	}
	for _, hash := range possible {
		c, err := b.commit(ctx, hash)
		if err != nil {
			return a, err
		}
		a.Candidates = append(a.Candidates, c)
	}
	return a, nil
}

// Close removes the worktrees, and the state if the search has ended.
func (b *Bisect) Close() error {
	defer b.lock.Close()
	ctx := context.Background()
	err := errors.Join(b.removeWorktree(ctx, goodName), b.removeWorktree(ctx, testName))
	if len(b.Judged) == 0 {
		err = errors.Join(err, b.forget())
	}
	if _, kept := os.Stat(b.State); errors.Is(kept, os.ErrNotExist) {
		err = errors.Join(err, os.RemoveAll(b.home))
	}
	return err
}

func (b *Bisect) worktree(name string) string { return filepath.Join(b.home, name) }

// Inside reports whether a path, relative to the working directory, is in the repository.
func (b *Bisect) Inside(path string) bool {
	name, err := filepath.Rel(b.worktree(testName), filepath.Join(b.Dir, path))
	return err == nil && filepath.IsLocal(name)
}
