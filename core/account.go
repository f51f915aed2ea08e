package core

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that a payload runs as. The zero value is the caller.
type account struct {
	credential *syscall.Credential // nil: the caller's
	env        []string            // what a login would set: HOME, USER and LOGNAME
}

// lookUpAccount returns the account with that name or number. An empty name is the
// caller. The error says that there is no such user, or that the caller may not become
// that user.
func lookUpAccount(name string) (account, error) {
	if name == "" {
		return account{}, nil
	}
	find := user.Lookup
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		find = user.LookupId
	}
	u, err := find(name)
	if err != nil {
		return account{}, fmt.Errorf("user %q: this host has no such user: want a name or a number of /etc/passwd", name)
	}
	if strconv.Itoa(os.Geteuid()) != u.Uid && os.Geteuid() != 0 {
		return account{}, fmt.Errorf("user %q: only root can run a payload as another user: run ktstr with sudo, or leave the user out", name)
	}
	a := account{env: []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}}
	if strconv.Itoa(os.Geteuid()) == u.Uid {
		return a, nil
	}
	groups, err := u.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("user %q: its groups: %w", name, err)
	}
	a.credential = new(syscall.Credential)
	for _, id := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %q: its id %q is no number", name, id)
		}
		a.credential.Groups = append(a.credential.Groups, uint32(n))
	}
	ids := a.credential.Groups
	a.credential.Uid, a.credential.Gid, a.credential.Groups = ids[0], ids[1], ids[2:]
	return a, nil
}
