package spawn

import "testing"

func TestFeatures(t *testing.T) {
	for _, f := range Features() {
		t.Logf("%-28s %v: %s", f.Name, f.Present, f.Detail)
		if f.Present != (f.Consequence == "") {
			t.Errorf("%s: present %v with consequence %q", f.Name, f.Present, f.Consequence)
		}
		if f.Required && !f.Present {
			t.Errorf("%s: %s", f.Name, f.Consequence)
		}
	}
}

func TestSubreaper(t *testing.T) { // C13
	// The host is a process of its own: a test binary must not become a subreaper.
	res := mustRun(t, help("subreaper", "run=hermit=hang,sleep=20,out=\n", "exit=0"))
	list := pids(t, res.Stdout.Data)
	if len(list) != 2 {
		t.Fatalf("host printed %q and %q, want the pid of the hermit and the number killed, and no child", res.Stdout.Data, res.Stderr.Data)
	}
	if alive(list[0]) || list[1] != 1 {
		t.Errorf("hermit alive %v, %d killed: want it killed", alive(list[0]), list[1])
	}
}
