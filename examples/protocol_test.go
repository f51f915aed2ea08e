package examples

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/wire"
)

// The pages about the protocol give the names, the limits and the codes of the code.
func TestProtocolPages(t *testing.T) {
	paths := []string{"../docs/plugin-protocol.md", "../docs/script-plugins.md", "../docs/plugin-limits.md"}
	page := ""
	documents := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page += string(text)
		for _, b := range blocksOf(t, path) {
			switch b.info {
			case "json describe":
				d, kind, err := wire.ParseDescription([]byte(b.text))
				if err != nil || kind != wire.Script || len(d.Options) != 1 || len(d.Payloads) != 1 {
					t.Errorf("%s:%d: %v, %+v", path, b.line, err, d)
				}
				documents++
			case "json lines":
				var a wire.Answer
				for line := range strings.Lines(b.text) {
					if err := a.AddLine([]byte(line)); err != nil {
						t.Errorf("%s:%d: %v", path, b.line, err)
					}
				}
				if x := a.Extraction(); len(x.Metrics) != 1 || len(x.Hints) != 1 || len(x.Diagnostics) != 1 {
					t.Errorf("%s:%d: %+v", path, b.line, x)
				}
				documents++
			default:
				if !slices.Contains(tutorial, path) { // whose other blocks TestWalk runs
					t.Errorf("%s:%d: a block %q that nothing checks", path, b.line, b.info)
				}
			}
		}
	}
	if documents != 2 {
		t.Errorf("%v have %d JSON blocks: want a description and the lines of an extraction", paths, documents)
	}
	kib := func(n int) string { return fmt.Sprintf("%d KiB", n>>10) }
	mib := func(n int) string { return fmt.Sprintf("%d MiB", n>>20) }
	wanted := []string{
		"(../internal/wire/ktstr/plugin/v1/plugin.proto)",
		wire.CookieKey + "=" + wire.CookieValue,
		fmt.Sprintf("%d|%d|unix|", wire.CoreProtocol, wire.Protocol),
		"| capture in one message | " + kib(wire.MaxChunk),
		"one part of an extraction | " + mib(wire.MaxPart),
		"| all parts of one extraction | " + mib(wire.MaxAnswer),
		"| metrics of one extraction | " + strconv.Itoa(wire.MaxMetrics),
		"entries of a list in a description | " + strconv.Itoa(wire.MaxList),
		"| a name, a unit, a code, a version | " + kib(wire.MaxName),
		"| a message | " + kib(wire.MaxMessage),
		"| a payload file | " + mib(wire.MaxPayload),
	}
	for _, key := range []string{wire.SocketDirKey, wire.VersionsKey, wire.LifelineKey, wire.StreamKey, wire.TruncatedKey, wire.ExitCodeKey, wire.ArgvKey, wire.OptionsKey} {
		wanted = append(wanted, "| `"+key+"` |")
	}
	for _, code := range append(codes(t), string(plugin.Restarted)) {
		wanted = append(wanted, "| `"+code+"` |")
	}
	for _, w := range wanted {
		if !strings.Contains(page, w) {
			t.Errorf("%v do not say %q", paths, w)
		}
	}
}

// codes are the values of the constants of type Code in ktstr.go.
func codes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../ktstr.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if name, ok := v.Type.(*ast.Ident); ok && name.Name == "Code" {
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, text)
			}
		}
		return true
	})
	if len(found) < 15 {
		t.Fatalf("%d codes found in ktstr.go", len(found))
	}
	return found
}
