package core_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
)

// A Handle that becomes unreachable ends its run: the payload is killed, the
// scratch directory is removed, and a warning says what was lost.
func TestDroppedHandleKillsAndWarns(t *testing.T) { // C15
	warned := make(chan string, 1)
	place := t.TempDir()
	pidfd := func() int {
		h, err := core.Start(context.Background(), core.Spec{
			Payload: payload.Payload{Name: "sleeper", Binary: "sleep", Args: []string{"1000"}, Dir: payload.DirScratch}, Extractor: words,
			Scratch: place,
			Notice:  func(text string) { warned <- text },
		})
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(h.Pid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}()
	defer unix.Close(pidfd)
	limit := time.After(30 * time.Second)
	var text string
	for text == "" {
		runtime.GC()
		select {
		case text = <-warned:
		case <-limit:
			t.Fatal("no warning about the dropped handle after 30 s")
		default:
			runtime.Gosched()
		}
	}
	if !strings.Contains(text, "sleeper") || !strings.Contains(text, "lost") {
		t.Errorf("warned %q, want the payload's name and what is lost", text)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0); err != nil || n != 1 {
		t.Errorf("the payload lives after the warning (%d, %v)", n, err)
	}
	if left, err := os.ReadDir(place); err != nil || len(left) != 0 {
		t.Errorf("scratch directories left: %v, %v", left, err)
	}
}
