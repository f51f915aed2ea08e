// Command mutate measures whether the tests detect a break. It changes one small thing
// in the source (a mutant), runs the tests of that package, and reports the mutants
// that no test noticed.
//
//	go run ./scripts/mutate -n 150 ./core ./core/check ./core/extract ./spawn
//
// The source tree does not change: each mutant is an overlay of the go command. The
// same seed chooses the same mutants, as long as the source is the same.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func main() {
	n := flag.Int("n", 150, "number of mutants")
	seed := flag.Uint64("seed", 1, "chooses the mutants")
	jobs := flag.Int("jobs", 2, "mutants at a time")
	limit := flag.Duration("timeout", 3*time.Minute, "time for the tests of one mutant; a mutant that exceeds it is killed")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "mutate: want one or more packages, for example ./core")
		os.Exit(2)
	}
	if err := run(*n, *seed, *jobs, *limit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutant replaces source[from:to] of a file by text.
type mutant struct {
	pkg, file string
	line      int
	from, to  int
	old, text string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s → %s", filepath.Base(m.pkg)+"/"+filepath.Base(m.file), m.line, oneLine(m.old), oneLine(m.text))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "(removed)"
	}
	return s
}

func run(n int, seed uint64, jobs int, limit time.Duration, packages []string) error {
	var all []mutant
	for _, pkg := range packages {
		if r, out := test(pkg, "", 10*time.Minute); r != survived {
			return fmt.Errorf("the tests of %s fail without a mutant:\n%s", pkg, out)
		}
		found, err := mutants(pkg)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	rand.New(rand.NewPCG(seed, seed)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	fmt.Printf("%d mutants, of which %d are tried (seed %d)\n", len(all), min(n, len(all)), seed)

	var mu sync.Mutex
	next, tried, dead := 0, 0, 0
	take := func() (mutant, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(all) || tried >= n {
			return mutant{}, false
		}
		tried++
		next++
		return all[next-1], true
	}
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for m, ok := take(); ok; m, ok = take() {
				r, err := try(m, limit)
				mu.Lock()
				switch {
				case err != nil:
					fmt.Println("error:", m, err)
					tried--
				case r == broken:
					tried-- // it does not compile: another one takes its place
				case r == killed:
					dead++
				default:
					fmt.Println("survived:", m)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	fmt.Printf("killed %d of %d mutants (%.0f %%)\n", dead, tried, 100*float64(dead)/float64(max(tried, 1)))
	return nil
}

type result int

const (
	survived result = iota // every test passed
	killed                 // a test failed, or did not end
	broken                 // the package does not compile
)

// try runs the tests of a mutant.
func try(m mutant, limit time.Duration) (result, error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "ktstr-mutant-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	changed := filepath.Join(dir, filepath.Base(m.file))
	text := append(append(bytes.Clone(source[:m.from]), m.text...), source[m.to:]...)
	if err := os.WriteFile(changed, text, 0o600); err != nil {
		return 0, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {m.file: changed}})
	if err != nil {
		return 0, err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return 0, err
	}
	r, _ := test(m.pkg, file, limit)
	return r, nil
}

// test runs the tests of a package, with an overlay if one is given.
func test(pkg, overlay string, limit time.Duration) (result, string) {
	// The tests have a deadline of their own, which prints where they hang. The context
	// ends a go command that hangs in another way.
	ctx, cancel := context.WithTimeout(context.Background(), limit+time.Minute)
	defer cancel()
	args := []string{"test", "-vet=off", "-failfast", "-count=1", "-timeout", limit.String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survived, ""
	case errors.As(err, &exit) && (bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]"))):
		return broken, string(out)
	}
	return killed, string(out)
}

// mutants returns the mutants of a package's files, tests and other platforms left out.
func mutants(pkg string) ([]mutant, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}{{range .GoFiles}}\n{{.}}{{end}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pkg, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var all []mutant
	for _, name := range lines[1:] {
		path := filepath.Join(lines[0], name)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		add := func(from, to token.Pos, text string) {
			f, t := files.Position(from), files.Position(to)
			all = append(all, mutant{pkg, path, f.Line, f.Offset, t.Offset, string(source[f.Offset:t.Offset]), text})
		}
		ast.Inspect(tree, func(n ast.Node) bool { return visit(n, source, files, add) })
	}
	return all, nil
}

// swaps has the operators that take each other's place.
var swaps = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

// visit adds the mutants of one node. It reports whether to look into the node.
func visit(n ast.Node, source []byte, files *token.FileSet, add func(from, to token.Pos, text string)) bool {
	text := func(n ast.Node) string {
		return string(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
	}
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR // constants, types and imports mostly give mutants that do not compile
	case *ast.BinaryExpr:
		if s, ok := swaps[n.Op]; ok {
			add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), s)
		}
	case *ast.IfStmt:
		add(n.Cond.Pos(), n.Cond.End(), "!("+text(n.Cond)+")")
	case *ast.BasicLit:
		if n.Kind == token.INT {
			add(n.Pos(), n.End(), "("+n.Value+"+1)")
		}
	case *ast.Ident:
		switch n.Name {
		case "true":
			add(n.Pos(), n.End(), "false")
		case "false":
			add(n.Pos(), n.End(), "true")
		}
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt:
		add(n.Pos(), n.End(), "")
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			add(n.Pos(), n.End(), "")
		}
	case *ast.CompositeLit:
		for _, e := range n.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			if _, ok := kv.Key.(*ast.Ident); ok { // a field, which stays zero
				end := e.End()
				if source[files.Position(end).Offset] == ',' {
					end++
				}
				add(e.Pos(), end, "")
			}
		}
	case *ast.ReturnStmt:
		if len(n.Results) > 0 {
			if id, ok := n.Results[len(n.Results)-1].(*ast.Ident); ok && id.Name == "err" {
				add(id.Pos(), id.End(), "nil")
			}
		}
	}
	return true
}
