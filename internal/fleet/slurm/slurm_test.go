package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
)

func TestCheck(t *testing.T) { // C47
	for _, tt := range []struct {
		e    Engine
		want string // "": no error
	}{
		{Engine{}, "on which nodes?"},
		{Engine{Nodes: "n1", Hosts: []fleet.Handle{{Name: "n2"}}}, "--nodes n1: the file of --on names the nodes"},
		{Engine{Nodes: "--help"}, "want the name of one partition"},
		{Engine{Nodes: "1", Partition: "a,b"}, "want the name of one partition"},
		{Engine{Nodes: "1", SbatchArgs: []string{"job.sh"}}, "--sbatch-arg job.sh: want an option"},
		{Engine{Nodes: "1", SbatchArgs: []string{"--"}}, "--sbatch-arg --: want an option"},
		{Engine{Nodes: "1", SbatchArgs: []string{"-pfast"}}, "--sbatch-arg -pfast: want --on slurm:PARTITION"},
		{Engine{Nodes: "1", SbatchArgs: []string{"--nodeli=n1"}}, "--sbatch-arg --nodeli=n1: want --nodes"},
		{Engine{Nodes: "1", SbatchArgs: []string{"--array=1-3"}}, "one job for each node"},
		{Engine{Nodes: "1", SbatchArgs: []string{"--qos=low", "-Ateam", "--requeue", "--time=5"}}, ""},
		{Engine{Constraint: "milan"}, ""},
	} {
		err := tt.e.Check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v, want %q", tt.e, err, tt.want)
		}
	}
}

// The time limit is that of the payload, and before it the payload gets its grace.
func TestArguments(t *testing.T) { // C47
	e := Engine{Partition: "bench", Constraint: "milan", SbatchArgs: []string{"--qos=low"}}
	got := strings.Join(e.arguments(fleet.Order{Name: "set-1", Limit: 10 * time.Minute, Grace: 5 * time.Second}, "n1"), " ")
	for _, want := range []string{"--nodelist=n1 ", "--exclusive ", "--no-requeue ", "--signal=B:TERM@35 ", "--time=15 ", "--partition=bench ", "--constraint=milan --qos=low"} {
		if !strings.Contains(got+" ", want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if got := (Engine{}).arguments(fleet.Order{Name: "set-1"}, "n1"); strings.Contains(strings.Join(got, " "), "--time") {
		t.Errorf("got %v: want no time limit, because none is known", got)
	}
}

// The commands of Slurm print what nodes and other users say. It is read strictly.
func TestParseJobs(t *testing.T) { // C47
	got, err := parseJobs("12|RUNNING|0|n3|n3|None|\n13|PENDING|0||n4|ReqNodeNotAvail, UnavailableNodes:n4|\n")
	want := map[string]job{
		"12": {"12", "RUNNING", "0", "n3", "n3", "None"},
		"13": {"13", "PENDING", "0", "", "n4", "ReqNodeNotAvail, UnavailableNodes:n4"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	for _, bad := range []string{
		"12|RUNNING|0|n3|n3\n", "12;x|RUNNING|0|n3|n3|None|\n", "-1|RUNNING|0|n3|n3|None|\n", "12|run\x1b[31m|0|n3|n3|None|\n",
		"12||0|n3|n3|None|\n", "12|RUNNING|0|n[3-4]|n3|None|\n", "12|RUNNING|0|n3||None|\n", "12|RUNNING|0|../n3|n3|None|\n", "slurm_load_jobs error\n",
	} {
		if got, err := parseJobs(bad); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%q: got %v, %v; want an error that is safe to print", bad, got, err)
		}
	}
}

func TestParseNodes(t *testing.T) { // C47
	const out = "n1|bench*|idle|none\nn1|all|idle|none\nn2|bench*|mixed~|none\nn3|bench*|down*|Not|responding\x1b[31m\nn4|other|idle|none\n"
	got, err := parseNodes(out, "")
	if err != nil || len(got) != 3 || got[0].err != nil || got[1].err != nil || got[2].err == nil {
		t.Fatalf("got %+v, %v; want n1, n2, and n3 with an error", got, err)
	}
	if got, want := got[2].err.Error(), "node n3 is down* (Not|responding\uFFFD[31m): no job was submitted for it"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := parseNodes(out, "other"); err != nil || len(got) != 1 || got[0].name != "n4" {
		t.Errorf("partition other: got %+v, %v; want n4", got, err)
	}
	if _, err := parseNodes("sinfo: error\n", ""); err == nil {
		t.Error("no error for text that is no node")
	}
	for state, want := range map[string]bool{
		"idle": true, "allocated": true, "mixed": true, "idle~": true, "planned": true, "reserved": true, "maint": true, "allocated+": true,
		"idle*": false, "down": false, "drained": false, "draining": false, "drained*": false, "fail": false, "unknown": false,
	} {
		if got := usable(state); got != want {
			t.Errorf("usable(%s) is %v, want %v", state, got, want)
		}
	}
}

// The end of a job in words: whether its runs may be had, and that Slurm or its node was the reason.
func TestEndsOfJobs(t *testing.T) { // C47
	for _, tt := range []struct {
		job  job
		want string // "": its runs can be collected
	}{
		{job{"12", "COMPLETED", "0", "n3", "n3", "None"}, ""},
		{job{"12", "FAILED", "256", "n3", "n3", "NonZeroExitCode"}, ""},
		{job{"12", "TIMEOUT", "15", "n3", "n3", "TimeLimit"}, ""},
		{job{"12", "PREEMPTED", "15", "n3", "n3", "None"}, ""},
		{job{"12", "NODE_FAIL", "0", "n3", "n3", "NodeDown"}, ""},
		{job{"12", "BOOT_FAIL", "0", "n3", "n3", "None"}, "node n3 did not boot for job 12 (None)"},
		{job{"12", "CANCELLED", "0", "", "n3", "None"}, "job 12 ended before it began (CANCELLED, None): somebody or a limit of Slurm ended it"},
		{job{"12", "FAILED", fmt.Sprint(exitNoPlace << 8), "n3", "n3", "NonZeroExitCode"}, "job 12 on node n3 had no absolute path in XDG_CACHE_HOME or HOME: set HOME"},
		{job{"12", "FAILED", fmt.Sprint(exitNoKtstr << 8), "n3", "n3", "NonZeroExitCode"}, "job 12 on node n3 ran nothing, because ktstr did not come within 120 seconds"},
	} {
		if !ended(tt.job.state) {
			t.Errorf("%s: has not ended", tt.job.state)
		}
		err := (&host{node: "n3", job: "12"}).lost(tt.job)
		var lost *fleet.LostError
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &lost) || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v, want %q", tt.job, err, tt.want)
		}
	}
	for state, want := range map[string]string{
		"PENDING Resources": "queued (Resources)", "PENDING None": "queued", "CONFIGURING None": "configuring", "COMPLETING None": "completing",
	} {
		s, reason, _ := strings.Cut(state, " ")
		if got := waiting(job{state: s, reason: reason}); got != want || ended(s) {
			t.Errorf("%s: got %q, want %q of a job that has not ended", state, got, want)
		}
	}
	for reason, want := range map[string]bool{"PartitionTimeLimit": true, "AssocMaxWallDurationPerJobLimit": true, "Resources": false, "JobHeldUser": false} {
		if got := never(reason); got != want {
			t.Errorf("never(%s) is %v, want %v", reason, got, want)
		}
	}
}

// tools puts commands of Slurm on PATH that are shell scripts.
func tools(t *testing.T, scripts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\ncd "+dir+"\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

// All hosts look at the queue together: at most once a second.
func TestOnePollASecondForAllHosts(t *testing.T) { // C47
	dir := tools(t, map[string]string{"squeue": "date +%s%N >>asked; n=$(wc -l <asked); s=RUNNING; [ $n -ge 3 ] || s=PENDING\nfor i in 1 2 3 4 5; do echo \"$i|$s|0||n$i|None|\"; done"})
	q := newQueue("set-1")
	var all sync.WaitGroup
	for i := 1; i <= 5; i++ {
		h := &host{node: fmt.Sprintf("n%d", i), job: fmt.Sprint(i), queue: q}
		all.Go(func() {
			if j, err := h.wait(t.Context(), func(string) {}); err != nil || j.state != running {
				t.Errorf("%+v, %v: want a job that runs", j, err)
			}
		})
	}
	all.Wait()
	text, _ := os.ReadFile(filepath.Join(dir, "asked"))
	times := strings.Fields(string(text))
	if len(times) != 3 {
		t.Fatalf("squeue ran %d times, want 3", len(times))
	}
	for i := range times[1:] {
		if a, b := nanoseconds(t, times[i]), nanoseconds(t, times[i+1]); b-a < 0.9*float64(time.Second) {
			t.Errorf("squeue ran again after %.2f s: want a second", (b-a)/1e9)
		}
	}
}

func nanoseconds(t *testing.T, s string) (n float64) {
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A controller that does not answer is a state, and the job is waited for. A job that it forgot has ended.
func TestControllerRestarts(t *testing.T) { // C47
	tools(t, map[string]string{"squeue": "[ -e asked ] || { touch asked; echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1; }"})
	var states []string
	h := &host{node: "n1", job: "7", queue: newQueue("set-1")}
	j, err := h.wait(t.Context(), func(s string) { states = append(states, s) })
	want := []string{"squeue: slurm_load_jobs error: Unable to contact slurm controller (connect failure)"}
	if err != nil || j.state != gone || !reflect.DeepEqual(states, want) {
		t.Errorf("got %+v, %v after %q\nwant a job that is gone after %q", j, err, states, want)
	}
}

// A job that sbatch made before it failed is found by its name, and no second one is submitted.
func TestJobOfAFailedSbatchIsFound(t *testing.T) { // C47
	tools(t, map[string]string{
		"sinfo":    "echo 'n1|bench*|idle|none'; echo 'n2|bench*|idle|none'",
		"scontrol": "echo n1; echo n2",
		"sbatch":   "echo \"$*\" >>submitted; case $* in *nodelist=n1*) echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1;; esac; echo 8",
		"squeue":   "echo '7|PENDING|0||n1|None|'; echo '8|PENDING|0||n2|None|'",
	})
	hosts, err := Engine{Nodes: "n[1-2]"}.Submit(t.Context(), testOrder())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := hosts[0].Handle(), hosts[1].Handle(); a.Job != "7" || b.Job != "8" {
		t.Errorf("got %+v and %+v, want the jobs 7 and 8", a, b)
	}
}

// Output of another program in the place of a command of Slurm is an error, in bounded time and memory.
func TestHostileOutput(t *testing.T) { // C47
	for name, script := range map[string]string{
		"garbage": "printf 'x\\033[31m|\\n'", "endless": "exec yes 'n1|bench*|idle|none'", "odd node": "echo '-n|bench*|idle|none'",
		"silent failure": "exit 7", "error": "printf 'sinfo: error: \\033[31mno\\n' >&2; exit 1",
	} {
		tools(t, map[string]string{"sinfo": script})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := Engine{Nodes: "1"}.Submit(ctx, testOrder())
		if err == nil || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 2000 || ctx.Err() != nil {
			t.Errorf("%s: got %v, want a short error that is safe to print", name, err)
		}
	}
}

func testOrder() fleet.Order {
	return fleet.Order{Name: "set-1", Request: []byte(`{"set":"set-1"}`), Ktstr: fleet.File{SHA256: strings.Repeat("ab", 32)}}
}

// The batch script starts the executable of the kit with the name of the job on that node.
func TestScript(t *testing.T) { // C47
	text, err := script(testOrder(), "n1")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	kit := filepath.Join(home, ".cache", fleet.KitDir)
	path := filepath.Join(home, "script")
	if err := errors.Join(os.MkdirAll(kit, 0o700), os.WriteFile(path, []byte(text), 0o700),
		os.WriteFile(filepath.Join(kit, testOrder().Ktstr.SHA256), []byte("#!/bin/sh\necho \"$*\"\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/bin/sh", path)
	c.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	got, err := c.CombinedOutput()
	if want := "_host-job set-1.n1 " + path + " collect\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	c = exec.Command("/bin/sh", path)
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	if c.Run(); c.ProcessState.ExitCode() != exitNoPlace {
		t.Errorf("without a home directory: exit status %d, want %d", c.ProcessState.ExitCode(), exitNoPlace)
	}
	bad := testOrder()
	bad.Request = []byte("{}\nrm -rf /")
	if _, err := script(bad, "n1"); err == nil {
		t.Error("a request with a second line is in the script")
	}
	if _, err := script(testOrder(), "n1; true"); err == nil {
		t.Error("a node with a space is in the script")
	}
}

// Variables of a job around us, or of the user's squeue, are no options of our commands.
func TestEnvironment(t *testing.T) { // C47
	t.Setenv("SLURM_JOB_ID", "1")
	t.Setenv("SQUEUE_FORMAT", "%i")
	t.Setenv("SLURM_CONF", "/etc/slurm.conf")
	env := "\n" + strings.Join(environment(), "\n") + "\n"
	if strings.Contains(env, "\nSLURM_JOB_ID=") || strings.Contains(env, "\nSQUEUE_FORMAT=") || !strings.Contains(env, "\nSLURM_CONF=/etc/slurm.conf\n") {
		t.Errorf("got %s: want SLURM_CONF alone of the three", env)
	}
}

// A client that was killed while it submitted finds the jobs that are there, and submits the others.
func TestReopenSubmitsTheMissingJobs(t *testing.T) { // C47
	dir := tools(t, map[string]string{
		"sinfo":    "for n in n1 n2 n3; do echo \"$n|bench*|idle|none\"; done",
		"scontrol": "echo n1; echo n2; echo n3",
		"sbatch":   "echo \"$*\" >>submitted; echo 9",
		"squeue":   "echo '7|RUNNING|0|n1|n1|None|'; echo '8|COMPLETED|0|n3|n3|None|'",
	})
	for _, handles := range [][]fleet.Handle{nil, {{Name: "n1", Job: "7"}, {Name: "n2"}, {Name: "n3", Job: "8", Labels: map[string]string{"rack": "1"}}}} {
		if err := os.RemoveAll(filepath.Join(dir, "submitted")); err != nil {
			t.Fatal(err)
		}
		hosts, err := Engine{Nodes: "n[1-3]"}.Reopen(t.Context(), testOrder(), handles)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range hosts {
			got = append(got, h.Handle().Name+" "+h.Handle().Job)
		}
		if want := []string{"n1 7", "n2 9", "n3 8"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		text, _ := os.ReadFile(filepath.Join(dir, "submitted"))
		if strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), "--nodelist=n2 ") {
			t.Errorf("submitted %q: want one job for n2", text)
		}
		if handles != nil && hosts[2].Handle().Labels["rack"] != "1" {
			t.Errorf("n3 has the labels %v, want those of its handle", hosts[2].Handle().Labels)
		}
	}
	if _, err := (Engine{Nodes: "1"}).Reopen(t.Context(), testOrder(), []fleet.Handle{{Name: "n1;x"}}); err == nil {
		t.Error("no error for a handle that is no node")
	}
}

// Ctrl-C while jobs are submitted leaves none.
func TestStoppedSubmitLeavesNoJob(t *testing.T) { // C47
	dir := tools(t, map[string]string{
		"sinfo": "echo 'n1|bench*|idle|none'", "scontrol": "echo n1", "squeue": "", "scancel": "echo \"$*\" >>cancelled",
		"sbatch": "touch began; until [ -e stopped ]; do sleep 0.02; done; echo 9",
	})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "began")); err == nil {
				stop()
				os.WriteFile(filepath.Join(dir, "stopped"), nil, 0o600)
			}
		}
	}()
	if _, err := (Engine{Nodes: "n1"}).Submit(ctx, testOrder()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "cancelled")); !strings.Contains(string(text), "--name=ktstr-set-1 ") {
		t.Errorf("scancel got %q, want the name of the jobs", text)
	}
}
