package bisect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// git runs git in a directory and returns its output without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	// Hooks of the user are not for these worktrees.
	c := exec.CommandContext(ctx, "git", append([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false"}, args...)...)
	c.Dir = dir
	// A variable such as GIT_INDEX_FILE, which git sets for its hooks, would name the user's index.
	c.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "GIT_") && !strings.HasPrefix(pair, "GIT_CONFIG_")
	}), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	// Ctrl-C is for ktstr, and would end git in the middle of a checkout.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	text := strings.TrimSpace(string(out))
	if errors.As(err, new(*exec.ExitError)) {
		if said := strings.Join(strings.Fields(stderr.String()), " "); said != "" {
			return text, fmt.Errorf("git %s: %s", args[0], said)
		}
		return text, fmt.Errorf("git %s: %w", args[0], err)
	}
	return text, err
}

// commit returns the commit of a revision.
func (b *Bisect) commit(ctx context.Context, revision string) (Commit, error) {
	hash, err := git(ctx, b.repository, "rev-parse", "--quiet", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return Commit{}, errors.New("no commit of this repository has this name: want a revision, such as a tag, a branch or a hash")
	}
	return b.described(ctx, b.repository, hash)
}

// commitAt returns the commit that is checked out in a worktree.
func (b *Bisect) commitAt(ctx context.Context, dir string) (Commit, error) {
	return b.described(ctx, dir, "HEAD")
}

func (b *Bisect) described(ctx context.Context, dir, revision string) (Commit, error) {
	text, err := git(ctx, dir, "log", "--no-show-signature", "--max-count=1", "--format=%H%n%cI%n%s", revision)
	if err != nil {
		return Commit{}, err
	}
	lines := append(strings.SplitN(text, "\n", 3), "", "")
	return Commit{Hash: lines[0], Time: lines[1], Subject: lines[2]}, nil
}

// addWorktree makes a worktree at a commit, in the place of one that a killed process left.
func (b *Bisect) addWorktree(ctx context.Context, name, hash string) error {
	if err := b.removeWorktree(ctx, name); err != nil {
		return err
	}
	_, err := git(ctx, b.repository, "worktree", "add", "--quiet", "--detach", b.worktree(name), hash)
	return err
}

// removeWorktree removes a worktree with its bisect state.
func (b *Bisect) removeWorktree(ctx context.Context, name string) error {
	dir := b.worktree(name)
	if _, err := git(ctx, b.repository, "worktree", "remove", "--force", "--force", dir); err == nil {
		return nil
	}
	// It is no worktree, or one that is damaged.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	_, err := git(ctx, b.repository, "worktree", "prune")
	return err
}

// begin makes the worktree of the commits under test and tells git bisect the judgements of an
// earlier process.
func (b *Bisect) begin(ctx context.Context) error {
	if err := b.addWorktree(ctx, testName, b.Bad.Hash); err != nil {
		return err
	}
	for i := range b.Judged {
		if err := b.tell(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// tell tells git bisect one judgement. git checks out the next commit. Ignored files stay, so
// that builds are incremental.
func (b *Bisect) tell(ctx context.Context, i int) error {
	j, dir := b.Judged[i], b.worktree(testName)
	args := []string{"bisect", string(j.Verdict), j.Commit.Hash}
	switch {
	case i == 0 && j.Verdict != Bad: // the search ends here
		return nil
	case i == 0:
		args = []string{"bisect", "start", b.Bad.Hash, b.Good.Hash}
	case j.Verdict == Skipped:
		args[1] = "skip"
	}
	if err := b.removeBuilt(); err != nil {
		return err
	}
	for _, tidy := range [][]string{{"reset", "--quiet", "--hard"}, {"clean", "--quiet", "-d", "--force"}} {
		if _, err := git(ctx, dir, tidy...); err != nil {
			return err
		}
	}
	_, err := git(ctx, dir, args...)
	if err == nil {
		return nil
	}
	// git also fails if only skipped commits are left.
	if first, possible, _ := b.conclusion(ctx); first != "" || len(possible) > 0 {
		return nil
	}
	return err
}

// conclusion returns the first bad commit by the log of git bisect, or the commits among which
// it is if all of them but one were skipped.
func (b *Bisect) conclusion(ctx context.Context) (first string, possible []string, err error) {
	log, err := git(ctx, b.worktree(testName), "bisect", "log")
	for line := range strings.Lines(log) {
		if rest, ok := strings.CutPrefix(line, "# first bad commit: ["); ok {
			first, _, _ = strings.Cut(rest, "]")
		}
		if rest, ok := strings.CutPrefix(line, "# possible first bad commit: ["); ok {
			hash, _, _ := strings.Cut(rest, "]")
			possible = append(possible, hash)
		}
	}
	return first, possible, err
}

// removeBuilt deletes b.Built. A symbolic link cannot lead it out of the worktree.
func (b *Bisect) removeBuilt() error {
	if b.Built == "" {
		return nil
	}
	root, err := os.OpenRoot(b.worktree(testName))
	if err != nil {
		return err
	}
	defer root.Close()
	name, err := filepath.Rel(root.Name(), filepath.Join(b.Dir, b.Built))
	if err != nil {
		return err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file that the build made: %w", err)
	}
	return nil
}
