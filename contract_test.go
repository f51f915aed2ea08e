package ktstr_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	contractRow = regexp.MustCompile(`(?m)^\| (C\d+) \|`)
	contractTag = regexp.MustCompile(`\bC\d+\b`)
)

// docs/contract.md has a row for every tag such as C12 that the comment of a
// test names, and every row has such a test.
func TestContract(t *testing.T) {
	page, err := os.ReadFile("docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range contractRow.FindAllStringSubmatch(string(page), -1) {
		if rows[m[1]] {
			t.Errorf("docs/contract.md has two rows %s", m[1])
		}
		rows[m[1]] = true
	}
	named := map[string]string{} // by tag, a file that names it
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || path == "contract_test.go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			_, comment, _ := strings.Cut(line, "//")
			for _, tag := range contractTag.FindAllString(comment, -1) {
				named[tag] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for tag, path := range named {
		if !rows[tag] {
			t.Errorf("%s names %s, which has no row in docs/contract.md", path, tag)
		}
	}
	for row := range rows {
		if named[row] == "" {
			t.Errorf("docs/contract.md has the row %s, which no test names", row)
		}
	}
}
