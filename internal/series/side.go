package series

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/shlex"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/runs"
)

// parseVariant reads NAME='ARGS', with ARGS quoted as in a shell. The variant has
// these arguments after those of base.
func parseVariant(base core.Spec, text string) (*Side, error) {
	name, quoted, ok := strings.Cut(text, "=")
	if !ok || !payload.ValidName(name) {
		return nil, fmt.Errorf("--variant %s: want NAME='ARGS', NAME of [a-z][a-z0-9-]*", text)
	}
	args, err := shlex.Split(quoted)
	if err != nil {
		return nil, fmt.Errorf("--variant %s: %w: want ARGS quoted as in a shell", text, err)
	}
	side := &Side{Name: name, Spec: base}
	side.Spec.Args = append(append([]string{}, base.Args...), args...)
	side.Spec.Labels = maps.Clone(base.Labels)
	return side, nil
}

// NewSet returns a new beginning for the names of sets.
func NewSet() string {
	var unique [3]byte
	rand.Read(unique[:]) // never fails
	return time.Now().UTC().Format("set-20060102T150405Z-") + hex.EncodeToString(unique[:])
}

// nameSets gives each side a set of its own, whose name begins with stem. A name that
// occurs twice gets a number: x, x-2.
func nameSets(sides []*Side, stem string) {
	seen := map[string]int{}
	for _, side := range sides {
		if seen[side.Name]++; seen[side.Name] > 1 {
			side.Name = fmt.Sprintf("%s-%d", side.Name, seen[side.Name])
		}
		side.Set = stem + "." + side.Name
		side.Spec.Labels[runs.LabelSet] = side.Set
		if len(sides) > 1 {
			side.Spec.Labels[runs.LabelVariant] = side.Name
		}
	}
}

// digest distinguishes the versions of a payload's definition.
func digest(p payload.Payload) string {
	text, err := p.MarshalYAML()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// gitTimeout bounds the queries to the working directory's repository.
const gitTimeout = 5 * time.Second

// workingCopy returns labels with the git commit of the working directory and
// whether it has changes. They are empty without a repository or without git.
func workingCopy(ctx context.Context) map[string]string {
	labels := map[string]string{}
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	git := func(args ...string) *exec.Cmd {
		// A repository's own configuration must not make a query execute programs.
		c := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false"}, args...)...)
		c.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0")
		return c
	}
	// Unlike git log, rev-list checks no signature, so it starts no program.
	out, err := git("rev-list", "--max-count=1", "--format=%cI", "HEAD").Output()
	if err != nil {
		return labels
	}
	if words := strings.Fields(string(out)); len(words) == 3 { // commit HASH TIME
		labels[runs.LabelCommit], labels[runs.LabelCommitTime] = words[1], words[2]
	}
	if out, err := git("status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(out) > 0 {
		labels[runs.LabelDirty] = "true"
	}
	return labels
}
