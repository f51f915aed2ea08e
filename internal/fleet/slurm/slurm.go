// Package slurm makes runs on the nodes of a Slurm cluster. Slurm places and starts one exclusive batch job on each node. The
// client follows a job by a second job step, whose standard input and output are the connection.
package slurm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
)

// Engine is the engine `slurm` of --on. One of Nodes, Hosts and Constraint must be set.
type Engine struct {
	Partition  string         // empty: the default partition of the cluster
	Nodes      string         // names, such as "n[1-20]", or their number
	Hosts      []fleet.Handle // nodes with their labels, instead of Nodes
	Constraint string         // as of sbatch; without Nodes and Hosts, it means all nodes that fulfil it
	SbatchArgs []string       // further arguments of sbatch, each of which begins with -
}

var _ fleet.Engine = Engine{}

// Starts is true: Slurm starts the job.
func (Engine) Starts() bool { return true }

// ours are the options of sbatch that this package sets and depends on, with what to use instead.
var ours = map[string]string{
	"--job-name": "ktstr finds its jobs by their name", "-J": "ktstr finds its jobs by their name",
	"--partition": "want --on slurm:PARTITION", "-p": "want --on slurm:PARTITION",
	"--nodelist": "want --nodes", "-w": "want --nodes", "--nodes": "want --nodes", "-N": "want --nodes", "--nodefile": "want --nodes", "-F": "want --nodes",
	"--constraint": "want --constraint", "-C": "want --constraint",
	"--array": "ktstr submits one job for each node", "-a": "ktstr submits one job for each node",
	"--export": "the job and the connection to it need the same environment", "--export-file": "the job and the connection to it need the same environment",
	"--wrap": "ktstr gives the script", "--wait": "ktstr waits itself", "-W": "ktstr waits itself",
	"--parsable": "ktstr reads it", "--test-only": "nothing would run", "--clusters": "want a client of that cluster", "-M": "want a client of that cluster",
}

// Check returns an error for fields that cannot be right on any cluster.
func (e Engine) Check() error {
	switch {
	case e.Nodes != "" && len(e.Hosts) > 0:
		return fmt.Errorf("--nodes %s: the file of --on names the nodes", e.Nodes)
	case e.Nodes == "" && len(e.Hosts) == 0 && e.Constraint == "":
		return errors.New("--on slurm: on which nodes? want --nodes with their names or number, such as n[1-20] or 20, or --constraint")
	case strings.HasPrefix(e.Partition, "-") || strings.HasPrefix(e.Nodes, "-") || strings.ContainsAny(e.Partition, ", \t\n"):
		return fmt.Errorf("--on slurm:%s --nodes %s: want the name of one partition, and the names of nodes or their number", e.Partition, e.Nodes)
	}
	for _, arg := range e.SbatchArgs {
		name, _, _ := strings.Cut(arg, "=")
		if len(arg) > 1 && arg[0] == '-' && arg[1] != '-' {
			name = arg[:2]
		}
		if len(name) < 2 || name[0] != '-' || name == "--" {
			return fmt.Errorf("--sbatch-arg %s: want an option with its value in one argument, such as --sbatch-arg=--qos=low", arg)
		}
		for option, instead := range ours {
			// sbatch takes the beginning of a long option as the option.
			if option == name || len(name) > 2 && strings.HasPrefix(option, name) && name[1] == '-' {
				return fmt.Errorf("--sbatch-arg %s: %s", arg, instead)
			}
		}
	}
	return nil
}

// submitting is the number of sbatch processes at the same time.
const submitting = 4

// Submit places one exclusive job on each node.
func (e Engine) Submit(ctx context.Context, order fleet.Order) ([]fleet.Host, error) {
	nodes, err := e.choose(ctx, order, nil)
	if err != nil {
		return nil, err
	}
	return e.place(ctx, order, nodes, nil)
}

// Reopen finds the jobs of an earlier Submit, and submits those that are missing. A job whose runs were made before does not
// make them again, because their directory is still on the node.
func (e Engine) Reopen(ctx context.Context, order fleet.Order, handles []fleet.Handle) ([]fleet.Host, error) {
	there, err := newQueue(order.Name).load(ctx)
	if err != nil {
		return nil, err
	}
	jobs := map[string]string{} // by node
	for _, j := range there {
		jobs[j.wants] = j.id
	}
	var nodes []node
	for _, h := range handles {
		if !isNode(h.Name) {
			return nil, fmt.Errorf("%q is no name of a node", h.Name)
		}
		if h.Job != "" {
			jobs[h.Name] = h.Job
		}
		nodes = append(nodes, node{name: h.Name, labels: h.Labels})
	}
	if len(handles) == 0 {
		if nodes, err = e.choose(ctx, order, jobs); err != nil {
			return nil, err
		}
	}
	return e.place(ctx, order, nodes, jobs)
}

// place submits a job for each node that has none in jobs.
func (e Engine) place(ctx context.Context, order fleet.Order, nodes []node, jobs map[string]string) ([]fleet.Host, error) {
	q := newQueue(order.Name)
	slots := make(chan struct{}, connecting)
	hosts := make([]*host, len(nodes))
	var all sync.WaitGroup
	submit := make(chan struct{}, submitting)
	for i, n := range nodes {
		h := &host{engine: e, order: order, node: n.name, labels: n.labels, job: jobs[n.name], err: n.err, queue: q, slots: slots}
		hosts[i] = h
		if h.job == "" && h.err == nil {
			all.Go(func() {
				submit <- struct{}{}
				defer func() { <-submit }()
				if h.err = ctx.Err(); h.err == nil {
					// It goes on also after Ctrl-C, because a killed sbatch may or may not have made a job.
					h.job, h.err = e.sbatch(context.WithoutCancel(ctx), order, h.node)
				}
			})
		}
	}
	all.Wait()
	if err := adopt(context.WithoutCancel(ctx), q, hosts); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), withdraw(context.WithoutCancel(ctx), order))
	}
	if !slices.ContainsFunc(hosts, func(h *host) bool { return h.err == nil }) {
		return nil, hosts[0].err
	}
	result := make([]fleet.Host, len(hosts))
	for i, h := range hosts {
		result[i] = h
	}
	return result, nil
}

// adopt looks for the jobs of nodes whose sbatch failed. The controller may have made the job before sbatch failed, for
// example if its answer was too late.
func adopt(ctx context.Context, q *queue, hosts []*host) error {
	if !slices.ContainsFunc(hosts, func(h *host) bool { return h.err != nil }) {
		return nil
	}
	jobs, err := q.load(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		for _, j := range jobs {
			if h.err != nil && j.wants == h.node {
				h.job, h.err = j.id, nil
			}
		}
	}
	return nil
}

// withdraw ends all jobs of the order.
func withdraw(ctx context.Context, order fleet.Order) error {
	_, err := run(ctx, "", "scancel", "--name="+jobName(order.Name), "--user="+user())
	return err
}

// jobName is the name of all jobs of an order.
func jobName(order string) string { return "ktstr-" + order }

// hostJob names the job on the node, whose directory may be on a filesystem that the nodes share.
func hostJob(order, node string) string { return order + "." + node }

var jobID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[1-9][0-9]{0,17}$`) })

// sbatch submits the job for a node and returns its id.
func (e Engine) sbatch(ctx context.Context, order fleet.Order, node string) (id string, err error) {
	text, err := script(order, node)
	if err != nil {
		return "", err
	}
	answer, err := run(ctx, text, "sbatch", e.arguments(order, node)...)
	if err != nil {
		return "", err
	}
	id, _, _ = strings.Cut(strings.TrimSpace(answer), ";")
	if !jobID().MatchString(id) {
		return "", fmt.Errorf("sbatch printed %q: want the number of a job", printable(answer))
	}
	return id, nil
}

// arguments returns the arguments of sbatch.
func (e Engine) arguments(order fleet.Order, node string) []string {
	args := []string{
		"--parsable", "--job-name=" + jobName(order.Name), "--nodelist=" + node, "--nodes=1", "--exclusive", "--mem=0", "--no-requeue",
		"--export=ALL", "--output=/dev/null",
		// Before the time limit, the payload gets its grace.
		fmt.Sprintf("--signal=B:TERM@%d", seconds(order.Grace+graceMargin)),
	}
	if order.Limit > 0 {
		args = append(args, "--time="+strconv.Itoa(minutes(order.Limit+order.Grace+graceMargin+limitMargin)))
	}
	if e.Partition != "" {
		args = append(args, "--partition="+e.Partition)
	}
	if e.Constraint != "" {
		args = append(args, "--constraint="+e.Constraint)
	}
	return append(args, e.SbatchArgs...)
}

const (
	// graceMargin is the time after the grace of the payload until Slurm kills the job, in which ktstr keeps the run.
	graceMargin = 30 * time.Second
	// limitMargin is the part of the time limit in which the job waits for its executable and for a client, and a minute by
	// which Slurm may send the signal too early.
	limitMargin = 4 * time.Minute
)

func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
