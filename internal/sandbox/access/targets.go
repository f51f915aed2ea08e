package access

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Targets are the objects that the attempts aim at. Every user may reach them, so
// that only the sandbox can refuse an attempt.
type Targets struct {
	File     string `json:"file"` // readable
	Own      string `json:"own"`  // belongs to the user of the host
	Dir      string `json:"dir"`  // writable
	TCP      string `json:"tcp"`
	UDP      string `json:"udp"`
	Stream   string `json:"stream"`   // a listening unix socket
	Datagram string `json:"datagram"` // a unix socket
	Abstract string `json:"abstract"` // a listening unix socket without a path
	PID      int    `json:"pid"`      // a process
	Group    int    `json:"group"`    // its process group
}

// OpenTargets makes the targets in a new directory below base, for the process
// pid. stop removes them.
func OpenTargets(base string, pid int) (t Targets, stop func(), err error) {
	var closers []func() error
	stop = func() {
		for _, c := range closers {
			c()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	root, err := os.MkdirTemp(base, "ktstr-access-")
	if err != nil {
		return t, stop, err
	}
	closers = append(closers, func() error { return os.RemoveAll(root) })
	at := func(name string) string { return filepath.Join(root, name) }
	t = Targets{File: at("file"), Own: at("own"), Dir: at("dir"), Stream: at("stream"), Datagram: at("datagram"),
		Abstract: fmt.Sprintf("@ktstr-access-%d-%s", os.Getpid(), filepath.Base(root)), PID: pid}
	if t.Group, err = unix.Getpgid(pid); err != nil {
		return t, stop, err
	}
	steps := []func() error{
		func() error { return os.Chmod(root, 0o755) },
		func() error { return os.WriteFile(t.File, []byte("a file of the user\n"), 0o644) },
		func() error { return os.WriteFile(t.Own, nil, 0o644) },
		func() error { return os.Mkdir(t.Dir, 0o700) },
		func() error { return os.Chmod(t.Dir, 0o777) },
		func() error { return listen(&closers, "tcp", "127.0.0.1:0", &t.TCP) },
		func() error { return listen(&closers, "udp", "127.0.0.1:0", &t.UDP) },
		func() error { return listen(&closers, "unix", t.Stream, nil) },
		func() error { return listen(&closers, "unixgram", t.Datagram, nil) },
		func() error { return listen(&closers, "unix", t.Abstract, nil) },
		func() error { return os.Chmod(t.Stream, 0o777) },
		func() error { return os.Chmod(t.Datagram, 0o777) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return t, stop, err
		}
	}
	return t, stop, nil
}

// listen opens a socket and stores its address.
func listen(closers *[]func() error, network, address string, got *string) error {
	if network == "udp" || network == "unixgram" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		*closers = append(*closers, c.Close)
		if got != nil {
			*got = c.LocalAddr().String()
		}
		return nil
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	*closers = append(*closers, l.Close)
	if got != nil {
		*got = l.Addr().String()
	}
	return nil
}
