package savedtext

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
)

// Ansible prints the lines of a command as an array of JSON, with one string on each
// line:
//
//	ok: [node7] => {
//	    "r.stdout_lines": [
//	        "fio-3.36",
//	        "Starting 1 process"
//	    ]
//	}
//
// The head and the end are missing if a user copied only the strings.
var (
	ansibleHost  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w+: \[([^\]]+)\].* => \{$`) })
	ansibleArray = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*(?:"([\w.]*(?:_lines|msg))": )?\[$`) })
)

// removeQuotes removes everything from data but the lines of Ansible's arrays. It
// returns one reading for each array, and none if data is not the output of Ansible.
func removeQuotes(data []byte) []Reading {
	var parts []Reading
	host, open, bare, count, ends := "", false, false, 0, []byte(nil)
	valid, headed := true, bytes.Contains(data, []byte(" => {"))
	begin := func(name string) {
		open, count = true, 0
		parts = append(parts, Reading{Data: bytes.Clone(ends), Source: name})
	}
	eachLine(data, func(line, end []byte) bool {
		var inside []byte
		trimmed := bytes.TrimSpace(line)
		if len(parts) == 0 && host == "" && bytes.HasPrefix(trimmed, []byte(`"`)) && json.Valid(bytes.TrimSuffix(trimmed, []byte(","))) {
			begin("")
			bare = true
		}
		switch {
		case len(trimmed) == 0:
		case open && (bytes.Equal(trimmed, []byte("]")) || bytes.Equal(trimmed, []byte("],"))):
			open = false
		case open:
			var s string
			valid = json.Unmarshal(bytes.TrimSuffix(trimmed, []byte(",")), &s) == nil && !strings.Contains(s, "\n")
			inside, count = []byte(s), count+1
			parts[len(parts)-1].Removed = []Removal{{"the quotes of Ansible", count, "line"}}
		default:
			if m := ansibleHost().FindSubmatch(line); m != nil {
				host = string(m[1])
			} else if m := ansibleArray().FindSubmatch(line); m != nil && len(parts) <= maxSources {
				if name := string(m[1]); host != "" {
					begin(name + " of " + host)
				} else {
					begin(name)
				}
			} else {
				valid = headed // without a head there is no other text
			}
		}
		ends = append(ends, end...)
		for i := range parts {
			if open && i == len(parts)-1 {
				parts[i].Data = append(parts[i].Data, inside...)
			}
			parts[i].Data = append(parts[i].Data, end...)
		}
		return valid
	})
	if !valid || open && !bare || headed && host == "" {
		return nil
	}
	return parts
}
