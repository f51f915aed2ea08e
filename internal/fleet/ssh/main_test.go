package ssh

import (
	"os"
	"testing"
)

// The tests keep nothing among the sets of the user.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ktstr-ssh-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_STATE_HOME", dir)
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}
