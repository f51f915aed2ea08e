package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/bundle"
)

// Saved is what --resume needs to go on after the client ended. It is kept in
// $XDG_STATE_HOME/ktstr/fleet/SET.json until every host gave its result.
type Saved struct {
	Set     string      `json:"set"`
	Command []string    `json:"command"` // the arguments of ktstr
	Dir     string      `json:"dir"`     // the working directory of the command
	Order   SavedOrder  `json:"order"`
	Hosts   []SavedHost `json:"hosts,omitempty"`

	mu sync.Mutex // guards Hosts
}

// SavedOrder is the order and its kit.
type SavedOrder struct {
	Request json.RawMessage `json:"request"`
	Ktstr   File            `json:"ktstr"`
	Kit     []File          `json:"kit,omitempty"`
	Limit   time.Duration   `json:"limit"`
	Grace   time.Duration   `json:"grace"`
	Detach  bool            `json:"detach"`
}

// SavedHost is one host of an order.
type SavedHost struct {
	Handle
	Done bool `json:"done,omitempty"` // its result is kept
}

func savedPath(set string) (string, error) {
	if !namePattern().MatchString(set) {
		return "", fmt.Errorf("set %q: want a set that ktstr run --on printed", set)
	}
	state, err := bundle.StateDir()
	return filepath.Join(state, "fleet", set+".json"), err
}

// Resume reads what is saved of a set. The name may be that of the set of one payload or
// variant, such as "set-20260102T030405Z-abcdef.fio".
func Resume(set string) (*Saved, error) {
	stem, _, _ := strings.Cut(set, ".")
	path, err := savedPath(stem)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing is left to collect of %s: it is unknown on this host, or every host gave its result", set)
	}
	if err != nil {
		return nil, err
	}
	s := new(Saved)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w: remove it", path, err)
	}
	return s, nil
}

// Order returns the order of that name.
func (s SavedOrder) Order(name string) Order {
	line := new(bytes.Buffer)
	json.Compact(line, s.Request) // it is valid JSON: it was read as such, or written by Encode
	return Order{Name: name, Request: line.Bytes(), Ktstr: s.Ktstr, Limit: s.Limit, Grace: s.Grace, Detach: s.Detach}
}

// Keep adds the files to the kit of this host. The order uses them from there, so that the originals may change.
func (s *SavedOrder) Keep() (err error) {
	s.Ktstr, err = s.Ktstr.Keep()
	for i := range s.Kit {
		if err == nil {
			s.Kit[i], err = s.Kit[i].Keep()
		}
	}
	return err
}

// Handles returns the handles of all hosts.
func (s *Saved) Handles() (list []Handle) {
	for _, h := range s.Hosts {
		list = append(list, h.Handle)
	}
	return list
}

// Placed writes down the hosts that an engine returned. Hosts that were saved before keep
// their place in the list.
func (s *Saved) Placed(hosts []Host) {
	for len(s.Hosts) < len(hosts) {
		s.Hosts = append(s.Hosts, SavedHost{})
	}
	for i, h := range hosts {
		s.Hosts[i].Handle = h.Handle()
	}
}

// set changes the host at an index. A host that is done stays done.
func (s *Saved) set(at int, h Handle, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Hosts[at].Handle = h
	s.Hosts[at].Done = s.Hosts[at].Done || done
}

// Remove forgets the set.
func (s *Saved) Remove() error {
	path, err := savedPath(s.Set)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// Write saves s, by an atomic rename. After the last host is done, it removes the file.
func (s *Saved) Write() error {
	path, err := savedPath(s.Set)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left := len(s.Hosts) == 0
	for _, h := range s.Hosts {
		left = left || !h.Done
	}
	if !left {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
