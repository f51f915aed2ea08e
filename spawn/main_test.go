package spawn

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own payload: with KTSTR_TEST_HELPER set it does what
// its arguments say, one after the other, and exits.
func TestMain(m *testing.M) {
	if os.Getenv("KTSTR_TEST_HELPER") != "" {
		helper(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func helper(acts []string) {
	for _, act := range acts {
		verb, arg, _ := strings.Cut(act, "=")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "out":
			os.Stdout.WriteString(arg)
		case "err":
			os.Stderr.WriteString(arg)
		case "flood", "flooderr":
			f := os.Stdout
			if verb == "flooderr" {
				f = os.Stderr
			}
			b := []byte(strings.Repeat("0123456789abcdef", 4096))
			for n > 0 {
				k, err := f.Write(b[:min(n, len(b))])
				if err != nil {
					os.Exit(99)
				}
				n -= k
			}
		case "sleep":
			time.Sleep(time.Duration(n) * time.Millisecond)
		case "hang":
			time.Sleep(time.Hour)
		case "ignore":
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		case "die":
			signal.Reset(syscall.Signal(n))
			syscall.Kill(os.Getpid(), syscall.Signal(n))
			time.Sleep(time.Hour)
		case "exit":
			os.Exit(n)
		default:
			fmt.Fprintf(os.Stderr, "helper: unknown act %q\n", act)
			os.Exit(98)
		}
	}
}

func help(acts ...string) Command {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Command{Path: exe, Args: acts, Env: Environ("KTSTR_TEST_HELPER=1")}
}

func mustRun(t *testing.T, c Command) Result {
	t.Helper()
	res, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
