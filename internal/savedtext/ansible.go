package savedtext

import (
	"bytes"
	"encoding/json"
	"regexp"
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
var (
	ansibleHost  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w+: \[([^\]]+)\].* => \{$`) })
	ansibleArray = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*"([\w.]*(?:_lines|msg))": \[$`) })
)

// removeQuotes removes everything from data but the lines of Ansible's arrays. It
// returns one reading for each array, and none if data is not the output of Ansible.
func removeQuotes(data []byte) []Reading {
	if !bytes.Contains(data, []byte("] => {")) {
		return nil
	}
	var parts []Reading
	host, open, count, ends := "", false, 0, []byte(nil)
	valid := true
	eachLine(data, func(line, end []byte) bool {
		var inside []byte
		trimmed := bytes.TrimSpace(line)
		switch {
		case open && (bytes.Equal(trimmed, []byte("]")) || bytes.Equal(trimmed, []byte("],"))):
			open = false
			parts[len(parts)-1].Removed = []Removal{{"the quotes of Ansible", count, "line"}}
		case open:
			var s string
			valid = json.Unmarshal(bytes.TrimSuffix(trimmed, []byte(",")), &s) == nil && !bytes.ContainsRune([]byte(s), '\n')
			inside, count = []byte(s), count+1
		default:
			if m := ansibleHost().FindSubmatch(line); m != nil {
				host = string(m[1])
			} else if m := ansibleArray().FindSubmatch(line); m != nil && len(parts) <= maxSources {
				open, count = true, 0
				parts = append(parts, Reading{Data: bytes.Clone(ends), Source: string(m[1]) + " of " + host})
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
	if !valid || open || host == "" {
		return nil
	}
	return parts
}
