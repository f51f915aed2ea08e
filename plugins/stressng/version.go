package stressng

import (
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// version says so if the output is of a version that the plugin was not proven
// on. Only some outputs name it: --verbose, --version, the YAML.
func (p *parser) version() {
	v, at := p.text.version, p.text.versionLine
	if v == "" {
		v, at = p.yaml.version, p.yaml.versionLine
	}
	if v == "" {
		return
	}
	for _, known := range proven {
		if v == known {
			return
		}
	}
	where := "is not one that this plugin was proven on (" + strings.Join(proven, ", ") + ")"
	if newest := proven[len(proven)-1]; text.CompareVersions(v, newest) > 0 {
		where = fmt.Sprintf("is newer than any this plugin was proven on (%s)", newest)
	} else if oldest := proven[0]; text.CompareVersions(v, oldest) < 0 {
		where = fmt.Sprintf("is older than any this plugin was proven on (%s)", oldest)
	}
	p.diagnose(ktstr.UnsupportedVersion, at, fmt.Sprintf("stress-ng %s %s", v, where))
}

// cutVersion reads the digits and points that text starts with.
func cutVersion(text []byte) string {
	end := 0
	for end < len(text) && end < 32 && (text[end] == '.' || text[end] >= '0' && text[end] <= '9') {
		end++
	}
	if end == 0 || text[0] == '.' || text[end-1] == '.' {
		return ""
	}
	return string(text[:end])
}
