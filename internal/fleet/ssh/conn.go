package ssh

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/remote"
)

// loginTime is how long a host may take from the start of ssh to the first line of the command there. ssh gives up after 30
// seconds without a TCP connection.
const loginTime = 2 * time.Minute

// options of ssh. The user's configuration gives everything else.
//
//   - It never asks, and needs no terminal.
//   - It may use a ControlMaster that is there, but does not become one that outlives us.
//   - It makes no forwardings, which another connection may hold.
//   - It sees within 30 seconds that the host is gone.
var options = []string{"-T", "-x", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none",
	"-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"}

// Attach logs in, puts our executable on the host if it is missing there, and connects with `ktstr _host-attach`.
func (h *host) Attach(ctx context.Context, note func(state string)) (fleet.Conn, error) {
	command, err := command(h.order.Ktstr, jobName(h.order.Name, h.handle.Name))
	if err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	default:
		note("waits to log in")
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	release := sync.OnceFunc(func() { <-h.slots })
	defer release()
	note("logs in")
	c, err := remote.Connect(ctx, remote.Program{
		Args:  append(append([]string{h.ssh}, options...), "--", h.handle.Name, command),
		Env:   append(os.Environ(), "SSH_ASKPASS_REQUIRE=never"),
		Time:  h.loginTime,
		Began: release,
	}, h.order.Ktstr, note)
	if err != nil {
		return nil, h.explain(err)
	}
	note("connected")
	return c, nil
}

// jobName returns the name of the job on a host. Hosts with a common home directory must not take the job of another host for
// their own, and the name of a host may have characters that a job cannot have.
func jobName(order, host string) string {
	sum := sha256.Sum256([]byte(host))
	return order + "." + hex.EncodeToString(sum[:4])
}

// command returns the command for the login shell of a host.
func command(ktstr fleet.File, job string) (string, error) {
	words, err := remote.Words(ktstr, job)
	if err != nil {
		return "", err
	}
	words[2] = "'" + words[2] + "'"
	return "exec " + strings.Join(words, " "), nil
}

// sshFailed is the exit status of ssh if ssh itself failed.
const sshFailed = 255

// explain adds the reason and a remedy to an error before the connection was ready.
func (h *host) explain(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install OpenSSH's client (openssh-client)", err)
	}
	notRun := new(remote.NotRunError)
	if !errors.As(err, &notRun) {
		return err
	}
	if notRun.Status == sshFailed {
		err = notRun.Why
		if !strings.HasPrefix(err.Error(), "ssh") {
			err = fmt.Errorf("ssh: %w", err)
		}
	} else {
		err = errors.New("its login shell did not run the command of ktstr")
		if notRun.Printed != "" {
			err = fmt.Errorf("%w. It printed: %s", err, notRun.Printed)
		}
		if notRun.Why != nil {
			err = fmt.Errorf("%w: %w", err, notRun.Why)
		}
		if notRun.Late {
			err = fmt.Errorf("it did not log in within %v: %w", h.loginTime, err)
		}
	}
	return fmt.Errorf("%w. To try it as ktstr does, without questions: ssh -o BatchMode=yes %s true", err, shellescape.Quote(h.handle.Name))
}
