package export_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/export"
)

// The server answers with its token and its own Host only, changes nothing, and serves no file
// but those of the runs of the report.
func TestHandler(t *testing.T) {
	list := some(t, 1)
	name := list[0].Name
	if err := os.WriteFile(filepath.Join(filepath.Dir(list[0].Dir), "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../secret", filepath.Join(list[1].Dir, "files")); err != nil {
		t.Fatal(err)
	}
	redacted := false
	h := export.Handler("TOKEN", []string{"127.0.0.1:1"}, func() (export.Source, error) {
		s := export.Source{Runs: list[:2]}
		if redacted {
			return export.Redact(s)
		}
		return s, nil
	})
	get := func(method, host, path string) (int, string, http.Header) {
		r := httptest.NewRequest(method, "http://"+host+path, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(body), w.Result().Header
	}
	const host = "127.0.0.1:1"
	for _, c := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", host, "/TOKEN/", 200},
		{"HEAD", host, "/TOKEN/", 200},
		{"GET", host, "/TOKEN/raw/" + name + "/record.json", 200},
		{"GET", host, "/TOKEN/raw/" + name + "/stderr", 200},
		{"GET", "evil.example", "/TOKEN/", 403},
		{"GET", "127.0.0.1:2", "/TOKEN/", 403},
		{"GET", host, "/", 404},
		{"GET", host, "/TOKEN", 404},
		{"GET", host, "/token/", 404},
		{"GET", host, "//TOKEN/", 404},
		{"POST", host, "/TOKEN/", 405},
		{"DELETE", host, "/TOKEN/raw/" + name + "/record.json", 405},
		{"GET", host, "/TOKEN/raw/" + name + "/payload.yaml", 404},
		{"GET", host, "/TOKEN/raw/" + name + "/files/../record.json", 404},
		{"GET", host, "/TOKEN/raw/" + name + "/files/../../secret", 404},
		{"GET", host, "/TOKEN/raw/../secret", 404},
		{"GET", host, "/TOKEN/raw/" + list[1].Name + "/files/", 404},
		{"GET", host, "/TOKEN/raw/" + list[2].Name + "/record.json", 404}, // not of the report
		{"GET", host, "/TOKEN/other", 404},
	} {
		code, body, header := get(c.method, c.host, c.path)
		if code != c.want || strings.Contains(body, "secret") {
			t.Errorf("%s %s %s: status %d, want %d: %.80s", c.method, c.host, c.path, code, c.want, body)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" || header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: headers %v", c.method, c.path, header)
		}
	}
	_, body, _ := get("GET", host, "/TOKEN/")
	if got := readReport(t, []byte(body)).data.Runs[0]["base"]; got != "raw/"+name+"/" {
		t.Errorf("the links of a run lead to %v, want raw/%s/", got, name)
	}
	redacted = true
	if code, _, _ := get("GET", host, "/TOKEN/raw/"+name+"/stdout"); code != 404 {
		t.Errorf("raw output of a redacted report: status %d, want 404", code)
	}
}
