package access

import (
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/sandbox"
)

// The table of docs/sandbox.md names each access and its mechanisms.
func TestTableOfDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	mechanism := map[string]string{
		sandbox.Files: "Landlock", sandbox.Syscalls: "seccomp", sandbox.Network: "namespace", sandbox.PIDs: "namespace",
		sandbox.IPC: "namespace", sandbox.User: "uid", sandbox.Limits: "limit",
	}
	_, table, _ := strings.Cut(string(text), "## Accesses")
	table, _, _ = strings.Cut(table, "\n## ")
	var got, want []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			got = append(got, strings.Trim(cells[1], " `")+": "+strings.TrimSpace(cells[3]))
		}
	}
	for _, a := range All() {
		var by []string
		for _, m := range a.By {
			by = append(by, mechanism[m])
		}
		want = append(want, a.Name+": "+strings.Join(by, ", "))
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("docs/sandbox.md:\n%s\nwant\n%s", g, w)
	}
}
