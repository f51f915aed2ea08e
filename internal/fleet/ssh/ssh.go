// Package ssh makes runs on the hosts that OpenSSH's client reaches. It uses the client of the user with its configuration,
// its agent and its jump hosts, and one connection for each host.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ktstr/ktstr/internal/fleet"
)

// Engine is the engine `ssh` of --on. A job is started by its first connection, and ends with it unless it is detached.
type Engine struct {
	Hosts []fleet.Handle // the Name is as for ssh: an alias of its configuration, HOST or USER@HOST
	Ssh   string         // the ssh client; empty: ssh on PATH
}

var _ fleet.Engine = Engine{}

// starting is the number of connections that log in at the same time. A jump host that all of them use drops connections
// at random if more than 10 have not logged in (MaxStartups of sshd).
const starting = 8

// ParseHosts returns the hosts of a list such as "node1,root@node2".
func ParseHosts(list string) []fleet.Handle {
	var hosts []fleet.Handle
	for name := range strings.SplitSeq(list, ",") {
		hosts = append(hosts, fleet.Handle{Name: name})
	}
	return hosts
}

// Submit checks the hosts. The first connection to a host starts its job.
func (e Engine) Submit(_ context.Context, job fleet.Order) ([]fleet.Host, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	program := e.Ssh
	if program == "" {
		program = "ssh"
	}
	slots := make(chan struct{}, starting)
	hosts := make([]fleet.Host, len(e.Hosts))
	for i, h := range e.Hosts {
		hosts[i] = &host{handle: h, ssh: program, order: job, slots: slots, loginTime: loginTime}
	}
	return hosts, nil
}

// Check returns an error if one of the names cannot be a host for ssh, or if there are two of it.
func (e Engine) Check() error {
	seen := map[string]bool{}
	for _, h := range e.Hosts {
		switch {
		case h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
			return fmt.Errorf("ssh host %q: want HOST or USER@HOST, such as node1", h.Name)
		case strings.HasPrefix(h.Name, "-"):
			return fmt.Errorf("ssh host %q: it looks like an option: want HOST or USER@HOST, such as node1", h.Name)
		case seen[h.Name]:
			return fmt.Errorf("ssh host %s: it is there twice: want each host once, because its runs would disturb each other", h.Name)
		}
		seen[h.Name] = true
	}
	return nil
}

// Reopen returns the hosts of the handles, or e.Hosts if there is none.
func (e Engine) Reopen(ctx context.Context, job fleet.Order, handles []fleet.Handle) ([]fleet.Host, error) {
	if len(handles) > 0 {
		e.Hosts = handles
	}
	return e.Submit(ctx, job)
}

// Starts is false: the process at the other end of the connection starts the job.
func (Engine) Starts() bool { return false }

type host struct {
	handle fleet.Handle
	ssh    string
	order  fleet.Order
	slots  chan struct{} // holds a value for each connection that is not logged in yet

	loginTime time.Duration
}

func (h *host) Handle() fleet.Handle { return h.handle }

// Cancel leaves it to a message over the connection.
func (h *host) Cancel(context.Context) error { return errors.ErrUnsupported }
