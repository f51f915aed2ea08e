package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr"
)

// The lock in testdata/old-build was written by the build of commit 6212b76. It is never
// regenerated, so that later builds stay able to read old locks.
func TestLockOfAnOldBuildIsReadable(t *testing.T) {
	const file = "testdata/old-build/ktstr.lock"
	l, err := ReadLock(file)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := l.Find("sysbench")
	if !ok || len(l.Plugins) != 1 {
		t.Fatalf("got %+v, want sysbench", l)
	}
	if want := "be6c8023f45490a22a1c2ba16bb26617b6bc18fcea5425e7f741967d22334a9b"; p.SHA256["linux/amd64"] != want {
		t.Errorf("sha256 %v, want %s", p.SHA256, want)
	}
	d := p.Description
	wantHint := ktstr.Hint{Name: "latency.p*", Unit: "ms", Polarity: ktstr.Lower, Headline: true}
	if p.Interface != "script" || d.Version != "1.0.0" || len(d.Hints) != 6 || d.Hints[5] != wantHint || len(d.Payloads) != 1 || d.Payloads[0].Name != "sysbench-cpu" {
		t.Errorf("got %+v", p)
	}

	// Today's build writes the same file.
	again := filepath.Join(t.TempDir(), LockFile)
	if err := l.Write(again); err != nil {
		t.Fatal(err)
	}
	was, err1 := os.ReadFile(file)
	is, err2 := os.ReadFile(again)
	if err1 != nil || err2 != nil || string(is) != string(was) {
		t.Errorf("%v, %v: got\n%s\nwant\n%s", err1, err2, is, was)
	}
}
