package ktstr_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ktstr/ktstr"

// listedPackage is what `go list -json` says of a package.
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

// room is a row of the floor plan in docs/architecture.md.
type room struct {
	floor   int
	imports []string // patterns of path.Match, relative to the module
}

func floorPlan(t *testing.T) map[string]room {
	t.Helper()
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	plan := map[string]room{}
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		floor, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // the heading
		}
		r := room{floor: floor}
		r.imports = strings.Fields(strings.NewReplacer("`", "", ",", " ").Replace(cells[4]))
		plan[strings.Trim(strings.TrimSpace(cells[2]), "`")] = r
	}
	if len(plan) < 10 {
		t.Fatalf("docs/architecture.md: %d rows in the floor plan: want the table `| floor | package | purpose | imports of ours |`", len(plan))
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
			t.Errorf("package %s is not in the floor plan of docs/architecture.md", name)
			continue
		}
		for _, i := range p.Imports {
			if i != module && !strings.HasPrefix(i, module+"/") {
				continue
			}
			i = short(i)
			if other, ok := plan[i]; ok && other.floor >= r.floor {
				t.Errorf("%s (floor %d) imports %s (floor %d): want lower floors only", name, r.floor, i, other.floor)
			}
			allowed := false
			for _, pattern := range r.imports {
				match, err := path.Match(pattern, i)
				if err != nil {
					t.Fatal(err)
				}
				allowed = allowed || match
			}
			if !allowed {
				t.Errorf("%s imports %s, which its row of the floor plan does not name", name, i)
			}
		}
	}
	for name := range plan {
		if !seen[name] {
			t.Errorf("the floor plan has %s, the module has not", name)
		}
	}
}

// The plugin libraries are heavy and start goroutines; whoever embeds the core
// or a stock parser must not get them.
func TestPluginLibrariesStayInTheirRooms(t *testing.T) {
	heavy := func(i string) bool {
		return strings.HasPrefix(i, "github.com/hashicorp/go-plugin") || strings.HasPrefix(i, "google.golang.org/grpc")
	}
	allowed := map[string]bool{"internal/wire": true, "sdk": true, "extractors/plugin": true}
	for _, p := range goList(t, "./...") {
		if strings.HasPrefix(short(p.ImportPath), "bench/") {
			continue // what is measured against
		}
		for _, i := range p.Imports {
			if heavy(i) && !allowed[short(p.ImportPath)] {
				t.Errorf("%s imports %s: only internal/wire, sdk and extractors/plugin may", short(p.ImportPath), i)
			}
		}
	}
	for _, p := range goList(t, "./core", "./plugins", "./plugins/fio", "./plugins/schbench", "./plugins/stressng") {
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
