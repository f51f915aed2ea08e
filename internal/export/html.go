package export

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
)

// The page is made of these files. They are in the binary as they are, so a command that
// writes no report does not touch them. uPlot is version 1.6.32 from the npm registry.
// It has 51 KB. Of the other libraries there, dygraphs 2.2.2 has 130 KB, Chart.js 4.6.1 has
// 210 KB, and ECharts 6.1.0 and the basic bundle of Plotly 4.1.1 have 1.1 MB each (minified).
var (
	//go:embed page/report.js
	reportJS string
	//go:embed page/report.css
	reportCSS string
	//go:embed page/uPlot.iife.min.js
	uPlotJS string
	//go:embed page/uPlot.min.css
	uPlotCSS string
	//go:embed page/uPlot.LICENSE
	uPlotLicense string
)

func htmlRuns(w io.Writer, s Source) error   { return writePage(w, pageOf(s)) }
func htmlReport(w io.Writer, s Source) error { return writePage(w, pageOf(s)) }

// writePage writes one file that needs no other file and no network. The policy of the page
// allows only the scripts and the styles of this file, by their hashes. All text of runs is in
// a compressed block of data, and the script shows it as text and never as markup. Text outside
// of the block is escaped.
func writePage(w io.Writer, p page) error {
	data, err := packed(p)
	if err != nil {
		return err
	}
	license := "/* " + strings.ReplaceAll(uPlotLicense, "*/", "* /") + " */\n"
	styles, scripts := []string{uPlotCSS, reportCSS}, []string{license + uPlotJS, reportJS}
	privacy := "Not redacted: this file has names of hosts, users and directories."
	if p.Redacted {
		privacy = "Redacted: names of users, hosts and home directories were replaced, and lines of the raw output were left out."
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src%s; style-src%s; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>%s</title>
`, hashes(scripts), hashes(styles), html.EscapeString(visible(p.Title)))
	for _, style := range styles {
		b.WriteString("<style>" + style + "</style>\n")
	}
	fmt.Fprintf(&b, `</head>
<body>
<header>
<h1>%s</h1>
<p class="soft" id="about">%s</p>
<p class="privacy">%s</p>
<noscript><p>This page needs JavaScript to show its plots and tables.</p></noscript>
</header>
<main id="main"></main>
<footer id="footer"></footer>
<script type="application/json" id="data">{"gzip":%q}</script>
`, html.EscapeString(visible(p.Title)), html.EscapeString(visible(p.About)), privacy, data)
	for _, script := range scripts {
		b.WriteString("<script>" + script + "</script>\n")
	}
	b.WriteString("</body>\n</html>\n")
	_, err = io.WriteString(w, b.String())
	return err
}

// packed returns the JSON of p, compressed and in base64.
func packed(p page) (string, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(z).Encode(p); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// hashes returns the sources of a policy that allow these texts.
func hashes(texts []string) string {
	list := ""
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text))
		list += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return list
}
