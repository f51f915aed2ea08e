package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
)

// The memory of all processes of a plugin is limited together, by a cgroup if
// there is one.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	p := startConfig(t, Config{Launcher: []string{"_launch"}, memory: 32 << 20, Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+`
head -c 200000000 /dev/zero | tail -c 150000000 >/dev/null
echo '{"metric": "status", "value": '$?'}'
`)})
	detail := ""
	for _, m := range p.Sandbox() {
		if m.Name == sandbox.Memory {
			detail = m.Detail
		}
	}
	if !strings.HasPrefix(detail, "cgroup, 32 MiB") {
		t.Skip("this needs a memory controller: ", detail)
	}
	x, err := p.Extract(context.Background(), ktstr.Output{})
	var e *Error
	killed := errors.As(err, &e) && e.Fault == Exited
	if !killed && (err != nil || len(x.Metrics) != 1 || x.Metrics[0].Value != 137) {
		t.Errorf("got %+v, %v; want tail killed", x, err)
	}
	p.Close()
	parent, _, err := groupParent()
	must(err, "cgroup")
	if left, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*")); len(left) > 3 { // other tests have some too
		t.Logf("cgroups: %q", left)
	}
}

// Without a cgroup the product of processes and address space is limited.
func TestMemoryWithoutGroup(t *testing.T) {
	t.Parallel()
	p := &process{command: command{isolated: true}, uid: 1}
	policy := p.policy(0)
	for _, want := range []string{`"threads":32`, `"address_space":2147483648`} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %s: want %s", policy, want)
		}
	}
	if env := strings.Join(p.minimalEnv(), " "); !strings.Contains(env, "GOMAXPROCS=4") {
		t.Errorf("environment %q: want few threads for Go", env)
	}
	p.group = "/sys/fs/cgroup/x"
	if policy := p.policy(0); !strings.Contains(policy, `"threads":128`) || !strings.Contains(policy, `"cgroup":"/sys/fs/cgroup/x"`) {
		t.Errorf("policy with a cgroup: %s", policy)
	}
}

// The cgroup of a killed host is removed by the next one.
func TestSweepGroups(t *testing.T) {
	parent, _, err := groupParent()
	if err != nil {
		t.Skip("this needs a memory controller: ", err)
	}
	dir := filepath.Join(parent, groupPrefix+"4194304-1") // no process has such a number
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Skip("this needs a writable cgroup: ", err)
	}
	sweepGroups()
	if _, err := os.Stat(dir); err == nil {
		os.Remove(dir)
		t.Error("the cgroup is still there")
	}
}
