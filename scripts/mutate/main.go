// Command mutate measures whether the tests detect a break. It changes one small thing
// in the source (a mutant), runs the tests of that package, and reports the mutants
// that no test noticed.
//
//	go run ./scripts/mutate -n 150 ./core ./core/check ./core/extract ./spawn
//
// The source tree does not change: each mutant is an overlay of the go command. The
// same seed chooses the same mutants, as long as the source is the same. The fast tests
// of a package come first, because most mutants die there.
//
// Root runs the tests in a PID namespace of their own (unshare). So a mutant of code
// that kills processes kills only processes of its own tests, and none of them is left.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	n := flag.Int("n", 150, "number of mutants")
	seed := flag.Uint64("seed", 1, "chooses the mutants")
	jobs := flag.Int("jobs", 2, "mutants at a time")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "mutate: want one or more packages, for example ./core")
		os.Exit(2)
	}
	if err := run(*n, *seed, *jobs, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutant replaces source[from:to] of a file by text.
type mutant struct {
	suite     *suite
	file      string
	line      int
	from, to  int
	old, text string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s → %s", filepath.Base(m.suite.dir)+"/"+filepath.Base(m.file), m.line, oneLine(m.old), oneLine(m.text))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "(removed)"
	}
	return s
}

func run(n int, seed uint64, jobs int, packages []string) error {
	var all []mutant
	for _, pkg := range packages {
		s, err := newSuite(pkg)
		if err != nil {
			return err
		}
		found, err := s.mutants()
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d mutants\n", pkg, len(found))
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
				r, err := try(m)
				mu.Lock()
				fmt.Fprintf(os.Stderr, "%d/%d\r", tried, n)
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
func try(m mutant) (result, error) {
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
	binary := filepath.Join(dir, "test")
	if m.suite.build(binary, "-overlay", file) != nil {
		return broken, nil
	}
	for _, tests := range m.suite.tests {
		if _, err := m.suite.test(binary, tests.names, 5*tests.took+30*time.Second); err != nil {
			return killed, nil
		}
	}
	return survived, nil
}

// suite is the tests of a package.
type suite struct {
	pkg, dir string
	tests    []group // the fast tests and then the others
}

// group is some tests of a suite.
type group struct {
	names string        // regular expression
	took  time.Duration // without a mutant
}

// newSuite runs the tests of a package without a mutant.
func newSuite(pkg string) (*suite, error) {
	const fast = time.Second
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pkg, err)
	}
	s := &suite{pkg: pkg, dir: strings.TrimSpace(string(out))}
	dir, err := os.MkdirTemp("", "ktstr-mutant-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "test")
	if err := s.build(binary); err != nil {
		return nil, err
	}
	out, err = s.test(binary, ".", 20*time.Minute)
	if err != nil {
		return nil, fmt.Errorf("the tests of %s fail without a mutant: %w\n%s", pkg, err, out)
	}
	var names [2][]string
	var took [2]time.Duration
	for _, m := range regexp.MustCompile(`(?m)^--- PASS: (\w+) \((\S+)\)$`).FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(m[2]))
		if err != nil {
			return nil, err
		}
		i := 0
		if d > fast {
			i = 1
		}
		names[i] = append(names[i], string(m[1]))
		took[i] += d
	}
	for i := range names {
		if len(names[i]) > 0 {
			s.tests = append(s.tests, group{"^(" + strings.Join(names[i], "|") + ")$", took[i]})
		}
	}
	return s, nil
}

// build compiles the tests.
func (s *suite) build(binary string, args ...string) error {
	out, err := exec.Command("go", append(append([]string{"test", "-c", "-vet=off", "-o", binary}, args...), s.pkg)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", s.pkg, err, out)
	}
	return nil
}

// test runs tests. A test that does not end within the limit is an error.
func (s *suite) test(binary, names string, limit time.Duration) ([]byte, error) {
	// The tests have a deadline of their own, which prints where they hang. The context
	// ends them if they hang in another way.
	ctx, cancel := context.WithTimeout(context.Background(), limit+30*time.Second)
	defer cancel()
	args := []string{binary, "-test.v", "-test.failfast", "-test.timeout", limit.String(), "-test.run", names}
	if os.Geteuid() == 0 {
		// The shell is the init process, which gets the orphans of the tests. The tests name
		// cgroups by their pid. It is chosen at random, so that cgroups that another mutant
		// left do not count.
		last := strconv.Itoa(1000 + rand.IntN(30000))
		args = append([]string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", `echo "$0" >/proc/sys/kernel/ns_last_pid; "$@"; exit $?`, last}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.WaitDelay = 10 * time.Second
	return cmd.CombinedOutput()
}

// mutants returns the mutants of a package's files, tests and other platforms left out.
func (s *suite) mutants() ([]mutant, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}{{range .GoFiles}}\n{{.}}{{end}}", s.pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", s.pkg, err)
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
			all = append(all, mutant{s, path, f.Line, f.Offset, t.Offset, string(source[f.Offset:t.Offset]), text})
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
