package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ktstr/ktstr/internal/fleet"
)

// maxNodes is the greatest number of nodes of one order.
const maxNodes = 10_000

var nodeName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`) })

func isNode(name string) bool { return nodeName().MatchString(name) }

// A node is a line of sinfo.
type node struct {
	name   string
	state  string
	err    error // why it cannot get a job
	labels map[string]string
}

// choose returns the nodes for an order. A node that was named and is down has an err. Nodes with a job in jobs are chosen
// first.
func (e Engine) choose(ctx context.Context, order fleet.Order, jobs map[string]string) ([]node, error) {
	partition, err := e.partition(ctx)
	if err != nil {
		return nil, err
	}
	hosts := e.Hosts
	if len(hosts) == 0 {
		if count, err := strconv.Atoi(e.Nodes); err == nil || e.Nodes == "" {
			return e.pick(ctx, order, partition, count, jobs)
		}
		if hosts, err = expand(ctx, e.Nodes); err != nil {
			return nil, err
		}
	}
	nodes := make([]node, len(hosts))
	for i, h := range hosts {
		at := slices.IndexFunc(partition, func(n node) bool { return n.name == h.Name })
		if at < 0 {
			return nil, fmt.Errorf("node %s is not in %s: sinfo --Node lists the nodes", h.Name, e.partitionName())
		}
		nodes[i] = partition[at]
		nodes[i].labels = h.Labels
	}
	return nodes, nil
}

// expand returns the nodes in a host list such as "n[1-3,7]".
func expand(ctx context.Context, list string) (hosts []fleet.Handle, err error) {
	out, err := run(ctx, "", "scontrol", "show", "hostnames", list)
	if err != nil {
		return nil, fmt.Errorf("--nodes %s: %w", list, err)
	}
	names := strings.Fields(out)
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case !isNode(name):
			return nil, fmt.Errorf("--nodes %s: %q is no name of a node", list, printable(name))
		case seen[name]:
			return nil, fmt.Errorf("--nodes %s: node %s is there twice: want each node once, because its runs would follow each other", list, name)
		}
		seen[name] = true
		hosts = append(hosts, fleet.Handle{Name: name})
	}
	if len(names) == 0 || len(names) > maxNodes {
		return nil, fmt.Errorf("--nodes %s: %d nodes: want 1 to %d", list, len(names), maxNodes)
	}
	return hosts, nil
}

// pick returns count nodes of the partition that fulfil the constraint, or all of them if count is 0.
func (e Engine) pick(ctx context.Context, order fleet.Order, partition []node, count int, jobs map[string]string) ([]node, error) {
	if count < 0 || e.Nodes != "" && count == 0 || count > maxNodes {
		return nil, fmt.Errorf("--nodes %d: want 1 to %d", count, maxNodes)
	}
	// Nodes with a job of this order first, then those that are free.
	rank := func(n node) int {
		switch {
		case jobs[n.name] != "":
			return 0
		case n.state == "idle":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(partition, func(a, b node) int { return rank(a) - rank(b) })
	var chosen []node
	var refused error
	for _, n := range partition {
		if count > 0 && len(chosen) == count {
			break
		}
		if n.err == nil && e.Constraint != "" && jobs[n.name] == "" {
			if _, n.err = run(ctx, "#!/bin/sh\n", "sbatch", append(e.arguments(order, n.name), "--test-only")...); n.err != nil {
				refused = n.err // says more than a node that is down
			}
		}
		if n.err != nil {
			refused = cmp.Or(refused, n.err)
			continue
		}
		chosen = append(chosen, n)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(chosen) < max(count, 1) {
		return nil, fmt.Errorf("%d of %d nodes can get a job: %w", len(chosen), max(count, 1), cmp.Or(refused, fmt.Errorf("%s has %d nodes", e.partitionName(), len(partition))))
	}
	return chosen, nil
}

// partition returns the nodes of the partition.
func (e Engine) partition(ctx context.Context) ([]node, error) {
	args := []string{"--noheader", "--Node", "--format=" + nodeFormat}
	if e.Partition != "" {
		args = append(args, "--partition="+e.Partition)
	}
	out, err := run(ctx, "", "sinfo", args...)
	if err != nil {
		return nil, err
	}
	nodes, err := parseNodes(out, e.Partition)
	if err == nil && len(nodes) == 0 {
		err = fmt.Errorf("--on slurm:%s: there is no such partition, or it has no nodes: sinfo lists the partitions", e.Partition)
		if e.Partition == "" {
			err = errors.New("--on slurm: the cluster has no default partition: want --on slurm:PARTITION, and sinfo lists the partitions")
		}
	}
	return nodes, err
}

func (e Engine) partitionName() string {
	if e.Partition == "" {
		return "the default partition"
	}
	return "the partition " + e.Partition
}

// parseNodes reads the output of sinfo, and returns the nodes of the partition of that name, or of the default partition.
func parseNodes(out, partition string) ([]node, error) {
	var nodes []node
	for line := range strings.Lines(out) {
		n, of, err := parseNode(line)
		if err != nil {
			return nil, err
		}
		name, isDefault := strings.CutSuffix(of, "*")
		if name != partition && (partition != "" || !isDefault) {
			continue
		}
		if n.err != nil {
			n.err = fmt.Errorf("%w: no job was submitted for it", n.err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// nodeFormat is the one of sinfo for the fields of a node. Only the last one can have a |.
const nodeFormat = "%N|%P|%T|%E"

// parseNode reads a line of sinfo, and returns the node and its partition. A node that cannot get a job has an err.
func parseNode(line string) (n node, partition string, err error) {
	f := strings.SplitN(strings.TrimSpace(line), "|", 4)
	if len(f) != 4 || !isNode(f[0]) {
		return n, "", fmt.Errorf("sinfo printed %q: want a node, its partition, its state and a reason", printable(line))
	}
	n = node{name: f[0], state: printable(f[2])}
	if !usable(n.state) {
		n.err = fmt.Errorf("node %s is %s (%s)", n.name, n.state, printable(f[3]))
	}
	return n, f[1], nil
}

// usable reports whether a job for a node in that state of sinfo starts at some time without an administrator. For example,
// a job waits for an "allocated" node. The mark * means that the node does not respond.
func usable(state string) bool {
	if strings.Contains(state, "*") {
		return false
	}
	state = strings.TrimRight(state, "~#!%$@^+-")
	return !slices.Contains([]string{"down", "drained", "drain", "draining", "fail", "failing", "error", "future", "inval", "unknown"}, state)
}
