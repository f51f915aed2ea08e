package export_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ktstr/ktstr/internal/export"
)

// Each payload on each host is a group of its own, and a comparison is another one. The password
// goes to the gateway and into no error.
func TestPush(t *testing.T) {
	var groups []string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		words := strings.Split(r.URL.Path, "/")
		for i, w := range words {
			if value, err := base64.RawURLEncoding.DecodeString(w); err == nil && i > 0 && strings.HasSuffix(words[i-1], "@base64") {
				words[i] = string(value)
			}
		}
		user, password, _ := r.BasicAuth()
		groups = append(groups, r.Method+" "+strings.Join(words, "/")+" "+user+":"+password)
		parser := expfmt.NewTextParser(model.LegacyValidation)
		if _, err := parser.TextToMetricFamilies(r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "http://elsewhere.example/")
		w.WriteHeader(status)
		w.Write([]byte("no\x1b thanks"))
	}))
	defer server.Close()
	u, err := export.Gateway(strings.Replace(server.URL, "://", "://me:pass%2Fword@", 1) + "/base")
	if err != nil {
		t.Fatal(err)
	}
	list := append(some(t, 1), some(t, 1)...)
	for i := range list[:4] {
		list[i].Record.Host.Name = "a/b"
	}
	c := comparison(t)
	if err := export.Push(t.Context(), u, export.Source{Runs: list, Comparisons: append(c.Comparisons, *c.Report)}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PUT /base/metrics/job@base64/ktstr/instance@base64/a/b/payload@base64/bench me:pass/word",
		"PUT /base/metrics/job@base64/ktstr/instance@base64/here/payload@base64/bench me:pass/word",
		"PUT /base/metrics/job@base64/ktstr_compare/a@base64/old|1/b@base64/new me:pass/word",
	}
	if !slices.Equal(groups, want) {
		t.Errorf("got %q, want %q", groups, want)
	}
	for code, want := range map[int]string{
		400: "the gateway answers 400 Bad Request: no\uFFFD thanks",
		307: "the gateway answers 307 Temporary Redirect: no\uFFFD thanks", // it could lead the password elsewhere
	} {
		status = code
		if err := export.Push(t.Context(), u, c); err == nil || err.Error() != want {
			t.Errorf("status %d: %v, want %s", code, err, want)
		}
	}
	server.Close()
	if err := export.Push(t.Context(), u, c); err == nil || strings.Contains(err.Error(), "word") {
		t.Errorf("without a server: %v, want an error without the password", err)
	}
	for _, address := range []string{"", "localhost:9091", "ftp://me:word@x", "http://", "http://me:word@%zz"} {
		if _, err := export.Gateway(address); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%q: %v, want an error without the password", address, err)
		}
	}
}
