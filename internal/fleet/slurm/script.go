package slurm

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/ktstr/ktstr/internal/fleet"
)

// Exit statuses of the script, before it becomes ktstr.
const (
	exitNoPlace = 97 // there is no directory for the kit
	exitNoKtstr = 98 // the executable did not come
)

// kitSeconds is how long a job waits for its executable.
const kitSeconds = 120

// script returns the batch script of the job for a node. The request is a part of it, so that a job can start without a
// client. The executable is in the kit already if the node shares the cache directory with the client. Otherwise a client
// puts it there after the start of the job.
func script(order fleet.Order, node string) (string, error) {
	name := hostJob(order.Name, node)
	for _, word := range []string{name, order.Ktstr.SHA256} {
		if !plain().MatchString(word) {
			return "", fmt.Errorf("%q: want letters, digits, and . _ - for a batch script", word)
		}
	}
	if strings.ContainsAny(string(order.Request), "\n\x00") {
		return "", fmt.Errorf("the request has several lines: want one")
	}
	return fmt.Sprintf(`#!/bin/sh
case ${XDG_CACHE_HOME:-${HOME-}} in
	/*) ;;
	*) exit %d ;;
esac
ktstr=${XDG_CACHE_HOME:-$HOME/.cache}/%s/%s
end=$(($(date +%%s) + %d))
until [ -x "$ktstr" ]; do
	[ "$(date +%%s)" -lt $end ] || exit %d
	sleep 0.2 || sleep 1
done
exec "$ktstr" %s %s "$0" %s
%s%s
`, exitNoPlace, fleet.KitDir, order.Ktstr.SHA256, kitSeconds, exitNoKtstr, fleet.JobVerb, name, fleet.Collect, fleet.RequestMark, order.Request), nil
}

// plain matches the words that a shell takes as they are.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`) })
