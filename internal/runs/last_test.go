package runs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

func TestLastCountsSets(t *testing.T) {
	var list []runs.Run
	for i, set := range []string{"c.old", "c.new", "a", "b", "a", "", "", "b"} {
		r := core.Record{ID: string(rune('0' + i)), Start: time.Unix(int64(i), 0), Labels: map[string]string{runs.LabelSet: set}}
		list = append(list, runs.Run{Record: r})
	}
	for n, want := range map[int]string{0: "01234567", 1: "37", 2: "367", 3: "3567", 4: "234567", 5: "01234567", 9: "01234567"} {
		var got strings.Builder
		for _, r := range runs.Last(list, n) {
			got.WriteString(r.Record.ID)
		}
		if got.String() != want {
			t.Errorf("the last %d sets: runs %s, want %s", n, got.String(), want)
		}
	}
}
