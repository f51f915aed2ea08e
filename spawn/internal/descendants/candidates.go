package descendants

import (
	"slices"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
)

// progress is what earlier searches of a run have looked at.
type progress struct {
	alone  bool  // at the last search no process had a later pid than the leader
	seen   int   // the newest pid at the last search; 0: look at all processes
	lists  int   // how many searches since the last find listed all of /proc
	listed []int // the pids of the first such list, sorted
}

// restart makes the next search look at all processes.
func (p *progress) restart() { p.seen, p.lists = 0, 0 }

const (
	short = 50 * time.Millisecond // a run in which the pids cannot have wrapped around
	few   = 2048                  // pids that are looked at without a list of /proc
)

// candidates returns the pids that can belong to the run and that no earlier
// search has looked at. In a run shorter than 50 ms the pids cannot have wrapped
// around, so the first candidates are the pids after the leader's: none, if the
// payload forks nothing and the machine is quiet. In a longer run they are all
// processes. A later search gets the pids that were given since the one before it.
// So it finds the processes that were forked during that search.
func (s *Search) candidates(age time.Duration) ([]int, error) {
	p := &s.progress
	from, last := p.seen, lastPid()
	if from == 0 && age < short {
		from = s.leader
	}
	p.seen, p.alone = last, false
	if pids, ok := s.after(from, last); ok {
		p.alone = last == s.leader
		return pids, nil
	}
	p.lists++
	all, err := linux.Processes()
	if err != nil {
		return nil, err
	}
	pids := slices.DeleteFunc(all, func(pid int) bool { return pid == s.leader })
	switch {
	case p.lists == 1:
		p.listed = slices.Sorted(slices.Values(pids))
	case p.lists == 2 && !s.orphans:
		// A process of the first list that had no sign does not get one later. Only
		// the parent can change, by the death of the old one.
		pids = slices.DeleteFunc(pids, func(pid int) bool {
			_, was := slices.BinarySearch(p.listed, pid)
			return was
		})
	}
	return pids, nil
}

// after lists the pids from from+1 to last, without the leader. ok is false if from
// is unknown, the pids have wrapped around, or they are not few.
func (s *Search) after(from, last int) (pids []int, ok bool) {
	if from <= 0 || last < from || last-from > few {
		return nil, false
	}
	for pid := from + 1; pid <= last; pid++ {
		if pid != s.leader {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

// Settled reports whether a search that found no process is the last one. No
// process may have got a pid since it began: the children of a dead leader that was
// alone cannot exist. After a list of /proc a second list must find none as well:
// while the first was made, a process could be forked behind the place that was
// reached, and its parent could exit before its own place was reached.
func (s *Search) Settled() bool {
	p := &s.progress
	if p.alone {
		return true
	}
	if p.seen == 0 || lastPid() != p.seen {
		return false
	}
	if p.lists == 1 {
		p.seen = 0
		return false
	}
	return true
}

// lastPid is the newest pid in our pid namespace. 0: unknown.
func lastPid() int {
	load, err := linux.ReadLoad()
	if err != nil {
		return 0
	}
	return load.LastPid
}
