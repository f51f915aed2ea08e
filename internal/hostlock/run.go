package hostlock

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/text"
)

// Run describes a run, or the command that has the host to itself.
type Run struct {
	Pid       int       `json:"pid"`           // 0: in a container, whose processes this one cannot see
	UID       *uint32   `json:"uid,omitempty"` // nil: not known
	Payload   string    `json:"payload"`
	Set       string    `json:"set,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	Exclusive bool      `json:"exclusive,omitempty"` // the command has the host to itself since Start
}

// String returns the payload, the user, the process and the set, as far as they are known.
// For example: "fio-randread of alice (pid 123, set set-20260102T030405Z-0a1b2c.fio-randread)".
func (r Run) String() string {
	name := r.Payload
	if name == "" {
		name = "a run"
	}
	if user := r.User(); user != "" {
		name += " of " + user
	}
	var about []string
	if r.Pid > 0 {
		about = append(about, fmt.Sprintf("pid %d", r.Pid))
	} else {
		about = append(about, "a process of another container")
	}
	if r.Set != "" {
		about = append(about, "set "+r.Set)
	}
	return name + " (" + strings.Join(about, ", ") + ")"
}

// User returns the name of the run's user, or the number if it has no name, or "" if the
// user is not known.
func (r Run) User() string {
	if r.UID == nil {
		return ""
	}
	id := strconv.FormatUint(uint64(*r.UID), 10)
	if u, err := user.LookupId(id); err == nil {
		return text.Line(u.Username)
	}
	return id
}

// most is the number of runs that are listed.
const most = 100

// distinct returns the runs in the order of their start, each of them once: a run is in the
// files of both directories.
func distinct(list []Run) []Run {
	slices.SortStableFunc(list, func(a, b Run) int { return a.Start.Compare(b.Start) })
	list = slices.CompactFunc(list, func(a, b Run) bool { return a.Pid == b.Pid && a.Start.Equal(b.Start) })
	return list[:min(most, len(list))]
}

// long is the length to which names are cut.
const long = 300

// line returns the line of the lock file that describes the run.
func (r Run) line() []byte {
	if r.Pid == 0 {
		uid := uint32(os.Geteuid())
		r.Pid, r.UID = os.Getpid(), &uid
	}
	r.Payload, r.Set = text.Shorten(r.Payload, long), text.Shorten(r.Set, long)
	line, _ := json.Marshal(r) // numbers, strings and a time of this host: no error
	return append(line, '\n')
}

// parse returns the run that a line describes. Everyone can write the lock file, so the
// texts are made safe to print.
func parse(line []byte) (Run, bool) {
	var r Run
	if json.Unmarshal(line, &r) != nil {
		return Run{}, false
	}
	r.Payload, r.Set = text.Shorten(text.Line(r.Payload), long), text.Shorten(text.Line(r.Set), long)
	return r, true
}

// of returns r as the run of the process pid, which holds the lock of r's line.
func (r Run) of(pid int) Run {
	if pid <= 0 {
		r.Pid = 0
		return r
	}
	r.Pid = pid
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		r.UID = &info.Sys().(*syscall.Stat_t).Uid
	}
	return r
}
