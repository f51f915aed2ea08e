package plugin

import (
	"fmt"
	"slices"
	"testing"
)

// The lines of a traceback keep their places.
func TestTail(t *testing.T) {
	t.Parallel()
	var said tail
	fmt.Fprint(&said, "Traceback:\n  File \"x\", line 3\r\n\tboom()\n \n")
	if got, want := said.lines(), []string{"Traceback:", "  File \"x\", line 3", "    boom()"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
