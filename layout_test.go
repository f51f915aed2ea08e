package ktstr_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ktstr/ktstr"

// listedPackage is a package as `go list -json` prints it.
type listedPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func goList(t *testing.T, args ...string) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listedPackage
	for d := json.NewDecoder(out); ; {
		var p listedPackage
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return packages
}

// room is a row of the floor plan in docs/floor-plan.md.
type room struct {
	floor   int
	imports []string // names of packages, as short returns them
}

// floorPlan reads the table `| floor | package | purpose | imports of ours |`. Its
// rows are sorted by package, and each import is named in full.
func floorPlan(t *testing.T) map[string]room {
	t.Helper()
	const page = "docs/floor-plan.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	plan := map[string]room{}
	previous := ""
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		floor, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // the heading
		}
		name := strings.Trim(strings.TrimSpace(cells[2]), "`")
		if name <= previous {
			t.Errorf("%s: the row %s comes after %s: want the rows sorted by package, each once", page, name, previous)
		}
		previous = name
		r := room{floor: floor, imports: strings.Fields(strings.NewReplacer("`", "", ",", " ").Replace(cells[4]))}
		if strings.Contains(cells[4], "*") {
			t.Errorf("%s: the row %s has a `*`: want each import by its name", page, name)
		}
		plan[name] = r
	}
	if len(plan) < 10 {
		t.Fatalf("%s: %d rows in the floor plan: want the table `| floor | package | purpose | imports of ours |`", page, len(plan))
	}
	return plan
}

// short is a package's name in the floor plan.
func short(importPath string) string {
	if importPath == module {
		return "ktstr"
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func TestImportsFollowTheFloorPlan(t *testing.T) {
	plan := floorPlan(t)
	packages := goList(t, "./...")
	seen := map[string]bool{}
	for _, p := range packages {
		name := short(p.ImportPath)
		if name == "examples" || strings.HasPrefix(name, "bench") || strings.HasPrefix(name, "scripts/") {
			continue // outside of the plan
		}
		seen[name] = true
		r, ok := plan[name]
		if !ok {
			t.Errorf("package %s is not in the floor plan of docs/floor-plan.md", name)
			continue
		}
		used := map[string]bool{}
		for _, i := range p.Imports {
			if i != module && !strings.HasPrefix(i, module+"/") {
				continue
			}
			i = short(i)
			used[i] = true
			if other, ok := plan[i]; ok && other.floor >= r.floor {
				t.Errorf("%s (floor %d) imports %s (floor %d): want lower floors only", name, r.floor, i, other.floor)
			}
			if !slices.Contains(r.imports, i) {
				t.Errorf("%s imports %s, which its row of the floor plan does not name", name, i)
			}
		}
		for _, i := range r.imports {
			if !used[i] {
				t.Errorf("the row %s of the floor plan names %s, which the package does not import", name, i)
			}
		}
	}
	for name := range plan {
		if !seen[name] {
			t.Errorf("the floor plan has the row %s, but the module has no such package", name)
		}
	}
}

// The plugin libraries cost start-up time and start goroutines. A program that
// embeds the core or a stock parser must not get them.
func TestPluginLibrariesStayInTheirRooms(t *testing.T) {
	heavy := func(i string) bool {
		return strings.HasPrefix(i, "github.com/hashicorp/go-plugin") || strings.HasPrefix(i, "google.golang.org/grpc")
	}
	allowed := map[string]bool{"internal/wire": true, "sdk": true, "extractors/plugin": true}
	for _, p := range goList(t, "./...") {
		if strings.HasPrefix(short(p.ImportPath), "bench/") {
			continue // a peer of a measurement
		}
		for _, i := range p.Imports {
			if heavy(i) && !allowed[short(p.ImportPath)] {
				t.Errorf("%s imports %s: only internal/wire, sdk and extractors/plugin may", short(p.ImportPath), i)
			}
		}
	}
	for _, p := range goList(t, "./core", "./plugins") {
		for _, i := range p.Deps {
			if heavy(i) {
				t.Errorf("%s depends on %s", short(p.ImportPath), i)
			}
		}
	}
	for _, p := range goList(t, ".") {
		for _, i := range p.Deps {
			if strings.Contains(i, ".") && i != module {
				t.Errorf("the root package depends on %s: want the standard library only", i)
			}
		}
	}
}
