package ssh

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/fleet"
)

// A host that cannot take our executable is an error that names the place and the reason. Nothing partial is left there.
func TestHostsThatCannotTakeTheExecutable(t *testing.T) { // C47
	t.Parallel()
	// run runs the command and then notes the files that are left. The mounts are those of the host alone.
	const run = "sh -c \"$command\"; find $dir -type f >$dir.left 2>/dev/null"
	inside := func(mount string) string {
		return "export command dir; exec unshare -m sh -c '" + mount + " && " + run + "'"
	}
	tests := []struct{ name, script, want string }{
		{"full disk", inside("mount -t tmpfs -o size=64k none $dir"), "DIR/.cache/ktstr/kit: head: error writing 'standard output': No space left on device"},
		{"read-only home", inside("mount -t tmpfs -o ro none $dir"), "DIR/.cache/ktstr/kit: mkdir: cannot create directory 'DIR/.cache': Read-only file system"},
		{"noexec home", inside("mount -t tmpfs -o noexec none $dir"), "DIR/.cache/ktstr/kit/HASH cannot be executed, for example because its filesystem is mounted noexec: make ~/.cache/ktstr a link"},
		{"no home", "unset HOME; " + run, "no place for ktstr: HOME is not an absolute path"},
		{"relative home", "HOME=x; " + run, "no place for ktstr: HOME is not an absolute path"},
		{"home that does not exist", "HOME=$dir/x; " + run, "no place for ktstr: there is no home directory DIR/x"},
		{"home that is a file", "HOME=/dev/null/x; XDG_CACHE_HOME=/dev/null; export XDG_CACHE_HOME; " + run, "/dev/null/ktstr/kit: mkdir: cannot create directory '/dev/null': Not a directory"},
		{"damaged on the way", "mkdir $0.bin; printf '#!/bin/sh\\n/usr/bin/head \"$@\" | tr x y\\n' >$0.bin/head; chmod +x $0.bin/head; PATH=$0.bin:$PATH; " + run,
			"DIR/.cache/ktstr/kit: ktstr arrived damaged"},
		{"no utilities", "mkdir $0.bin; ln -s $(command -v sh) $0.bin/sh; PATH=$0.bin; eval \"$command\"", `uname -srm gives "" there: want Linux`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tt.script, "unshare") && os.Geteuid() != 0 {
				t.Skip("needs root for a mount namespace")
			}
			dir := filepath.Join(t.TempDir(), "home")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			e := fakeSSH(t, "dir="+dir+"; export HOME=$dir LC_ALL=C; unset XDG_CACHE_HOME; "+tt.script)
			job := order(t, "#"+strings.Repeat("x", 1<<20))
			_, states, err := attach(t, e, job, "node1")
			if err == nil {
				t.Fatalf("%v: want an error", states)
			}
			want := strings.NewReplacer("DIR", dir, "HASH", job.Ktstr.SHA256).Replace(tt.want)
			if got := strings.NewReplacer("‘", "'", "’", "'").Replace(err.Error()); !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			left, err := os.ReadFile(dir + ".left")
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(string(left), dir+"/.cache/"+fleet.KitDir+"/"+job.Ktstr.SHA256+"\n", ""); got != "" {
				t.Errorf("left on the host: %s", got)
			}
		})
	}
}

// A kit that a crash of the host has cut, and a host without sha256sum, get the executable as others do.
func TestKitIsRepaired(t *testing.T) { // C47
	t.Parallel()
	home := t.TempDir()
	bin := filepath.Join(home, "bin") // the utilities of a small host
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "uname", "wc", "mkdir", "find", "head", "chmod", "sync", "mv", "rm"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nPATH=/usr/bin:/bin exec "+name+" \"$@\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e := fakeSSH(t, "export HOME="+home+" PATH="+bin+"; unset XDG_CACHE_HOME; eval \"$command\"")
	job := order(t, `echo "$@"`)
	kit := filepath.Join(home, ".cache", fleet.KitDir)
	if err := os.MkdirAll(kit, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kit, job.Ktstr.SHA256), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, states, err := attach(t, e, job, "node1")
	if err != nil {
		t.Fatalf("%v: %v", states, err)
	}
	if got, want := talk(t, c, ""), "_host-attach "+jobName(job.Name, "node1")+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A connection that is cut during the transfer leaves no part of the executable.
func TestCutTransferLeavesNothing(t *testing.T) { // C47
	t.Parallel()
	home := t.TempDir()
	job := order(t, "#"+strings.Repeat("x", 1000))
	command, err := command(job.Ktstr, "set-1")
	if err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-c", command)
	sh.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	sh.Stdin = strings.NewReader("#!/bin/sh\n#xxx")
	out, err := sh.Output()
	kit := filepath.Join(home, ".cache", fleet.KitDir)
	if want := "fail " + kit + ": only a part of ktstr arrived\n"; err == nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("%v, %q: want %q at the end", err, out, want)
	}
	if left, err := os.ReadDir(kit); err != nil || len(left) > 0 {
		t.Errorf("the kit has %v, %v: want nothing", left, err)
	}
}
