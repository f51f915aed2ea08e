package bisect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The worktrees in b.home.
const (
	goodName = "good"
	testName = "test"
)

// open makes the directory of the search, locks it, and reads the judgements of an earlier
// process.
func (b *Bisect) open(home, prefix, request string) error {
	sum := sha256.Sum256([]byte(strings.Join([]string{b.repository, prefix, b.Good.Hash, b.Bad.Hash, request}, "\x00")))
	b.home = filepath.Join(home, hex.EncodeToString(sum[:8]))
	b.GoodDir, b.Dir = filepath.Join(b.worktree(goodName), prefix), filepath.Join(b.worktree(testName), prefix)
	b.State = filepath.Join(b.home, "state.json")
	if err := os.MkdirAll(b.home, 0o755); err != nil {
		return err
	}
	var err error
	if b.lock, err = os.Open(b.home); err != nil {
		return err
	}
	if err := unix.Flock(int(b.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		b.lock.Close()
		return fmt.Errorf("%s: the same bisect is already running: wait for its end", b.home)
	}
	text, err := os.ReadFile(b.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b.Judged)
	}
	for i, j := range b.Judged {
		if len(j.Commit.Hash) != len(b.Bad.Hash) || i == 0 && j.Commit.Hash != b.Bad.Hash {
			err = fmt.Errorf("judgement %d is of no commit of this search", i+1)
		}
	}
	if err != nil {
		b.lock.Close()
		return fmt.Errorf("%s: %w. To begin again, delete it", b.State, err)
	}
	return nil
}

// save writes the judgements by an atomic rename.
func (b *Bisect) save() error {
	text, err := json.MarshalIndent(b.Judged, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.State+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(b.State+".new", b.State)
}

// forget deletes the judgements of a search that has ended.
func (b *Bisect) forget() error {
	if err := os.Remove(b.State); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
