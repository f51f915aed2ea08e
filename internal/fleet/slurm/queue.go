package slurm

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A job is a line of squeue.
type job struct {
	id     string
	state  string // such as "RUNNING"
	exit   string // wait status of the batch script, such as "256" for the exit status 1
	node   string // where it runs or ran; empty: it did not start
	wants  string // the node that was asked for
	reason string // why it waits or ended, such as "Resources"
}

// format is the one of squeue for the fields of a job. No field has a |.
const format = "JobID:|,State:|,exit_code:|,NodeList:|,ReqNodes:|,Reason:|"

// A queue looks at the jobs of one order. All hosts share it, so that squeue runs at most once a second for all of them.
type queue struct {
	name  string // of the jobs
	turn  chan struct{}
	jobs  map[string]job // by id
	err   error
	asked time.Time // when squeue ran last
	count int       // how often squeue ran
}

// pause is the time between two looks at the queue.
const pause = time.Second

func newQueue(order string) *queue {
	return &queue{name: jobName(order), turn: make(chan struct{}, 1)}
}

// after returns the jobs as they were after look number seen, and the number of that look. 0 is before the first look.
func (q *queue) after(ctx context.Context, seen int) (map[string]job, int, error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
		return nil, seen, ctx.Err()
	}
	if q.count > seen {
		return q.jobs, q.count, q.err
	}
	timer := time.NewTimer(time.Until(q.asked.Add(pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, seen, ctx.Err()
	}
	jobs, err := q.load(ctx)
	if ctx.Err() != nil {
		return nil, seen, ctx.Err() // one host was stopped, and the next one looks
	}
	q.jobs, q.err, q.asked, q.count = jobs, err, time.Now(), q.count+1
	return q.jobs, q.count, q.err
}

// load returns the jobs of the order that Slurm knows, by id. It forgets a job some minutes after its end (MinJobAge).
func (q *queue) load(ctx context.Context) (map[string]job, error) {
	out, err := run(ctx, "", "squeue", "--noheader", "--all", "--states=all", "--name="+q.name, "--user="+user(), "--Format="+format)
	if err != nil {
		return nil, err
	}
	return parseJobs(out)
}

// parseJobs reads the output of squeue.
func parseJobs(out string) (map[string]job, error) {
	jobs := map[string]job{}
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 6)
		if len(f) != 6 {
			return nil, fmt.Errorf("squeue printed %q: want the fields %s", printable(line), format)
		}
		j := job{id: f[0], state: f[1], exit: f[2], node: f[3], wants: f[4], reason: printable(strings.TrimSuffix(f[5], "|"))}
		if !jobID().MatchString(j.id) || j.node != "" && !isNode(j.node) || !isNode(j.wants) || !isState(j.state) {
			return nil, fmt.Errorf("squeue printed %q: want a job on one node", printable(line))
		}
		jobs[j.id] = j
	}
	return jobs, nil
}

func isState(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}
