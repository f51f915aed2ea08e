package export

import (
	"bytes"
	"crypto/subtle"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
)

// rawPath is the directory of the served page below which the files of the bundles are.
const rawPath = "raw/"

// Handler returns a server of reports. It serves a page below /TOKEN/, made anew for each
// request from the Source that source returns, and the files of the bundles that the page links
// to. Nothing can be changed through it.
//
// hosts are the values of the Host header that are allowed, such as "127.0.0.1:8080". The check
// keeps a web site from reading the page through a name that resolves to this host (DNS
// rebinding). The token keeps out other users of this host.
func Handler(token string, hosts []string, source func() (Source, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := false
		for _, h := range hosts {
			allowed = allowed || r.Host == h
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		given, request, slash := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case !allowed:
			http.Error(w, "The Host header is not that of this server: open the address that ktstr printed.", http.StatusForbidden)
		case subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 || !slash:
			http.Error(w, "Not found: open the address that ktstr printed, with its token.", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "The report is read-only.", http.StatusMethodNotAllowed)
		default:
			s, err := source()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			s.Served = true
			if request == "" {
				servePage(w, s)
				return
			}
			serveFile(w, s, request)
		}
	})
}

func servePage(w http.ResponseWriter, s Source) {
	var b bytes.Buffer
	if err := htmlRuns(&b, s); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// The page has a policy of its own, in its head.
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write(b.Bytes())
}

// serveFile serves a file of a bundle: raw/RUN/record.json, raw/RUN/stdout, raw/RUN/stderr or
// raw/RUN/files/NAME. It serves files of the runs of s only, and none if s is redacted.
func serveFile(w http.ResponseWriter, s Source, request string) {
	request, raw := strings.CutPrefix(request, rawPath)
	name, file, _ := strings.Cut(request, "/")
	stream := ktstr.Stream(file)
	if of, ok := strings.CutPrefix(file, "files/"); ok {
		stream = ktstr.FileStream(of)
		raw = raw && path.Clean("/"+of) == "/"+of
	} else if file != "record.json" && stream != ktstr.Stdout && stream != ktstr.Stderr {
		raw = false
	}
	var found *runs.Run
	for i, r := range s.Runs {
		if r.Name == name && r.Dir != "" && name != "" {
			found = &s.Runs[i]
		}
	}
	if !raw || found == nil || s.Redacted {
		http.Error(w, "Not found: the report has no such file.", http.StatusNotFound)
		return
	}
	const most = 64 << 20
	data, err := bundle.LoadStream(found.Dir, stream, most)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
}
