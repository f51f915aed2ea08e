package fleet_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A connection can be dead before the host knows it. The next one waits until the host has seen it, because the dead one
// ends the run.
func TestNextConnectionWaitsForTheEarlierOne(t *testing.T) { // C47
	w := newWorld(t, []string{"n1"}, "1", "/bin/true")
	hosts, err := w.engine.Submit(t.Context(), w.saved.Order.Order(w.saved.Set))
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := hosts[0].Attach(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	// It has its turn when it asks for the file, which never comes.
	begin := fmt.Sprintf(`{"begin":{"request":{},"kit":[{"sha256":"%064d","size":1}]}}`, 0)
	if _, err := fmt.Fprintf(earlier, "M\x00\x00\x00%s%s", []byte{byte(len(begin))}, begin); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(earlier, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	waited := false
	w.client.Note = func(_ int, state string) {
		if strings.HasPrefix(state, "waits for") && !waited {
			waited = true
			go earlier.Close()
		}
	}
	late := time.AfterFunc(time.Minute, func() { earlier.Close() })
	defer late.Stop()
	if r := w.run(nil)[0]; r.Err != nil || len(r.Runs) != 1 || !waited {
		t.Errorf("%d runs, error %v, waited %v: want one run after the wait", len(r.Runs), r.Err, waited)
	}
}
