package fio

import (
	"cmp"
	"strings"

	"github.com/ktstr/ktstr"
)

// An askedOption is an option of the command line, next to a job file. A job file
// overrides it.
type askedOption struct {
	name, value string
	used        bool   // some job has this value
	other       string // the value of another job
}

// nextToJobFile returns the options of a command line that names a job file.
func nextToJobFile(argv []string) (asked []askedOption) {
	file := false
	for i := 1; i < len(argv); i++ {
		name, value, given := strings.Cut(strings.TrimLeft(argv[i], "-"), "=")
		switch {
		case name == argv[i]:
			file = true
		case given && value != "":
			asked = append(asked, askedOption{name: name, value: value})
		}
	}
	if !file {
		return nil
	}
	return asked
}

// readOptions reads the values of the asked options. The last one of a name counts.
func (d *document) readOptions(values map[string]string) error {
	if len(d.asked) == 0 || d.Space() != '{' {
		return d.Skip()
	}
	return d.Object(func(key []byte) error {
		for _, o := range d.asked {
			if o.name == string(key) {
				text, _, err := d.Text()
				values[o.name] = text
				return err
			}
		}
		return d.Skip()
	})
}

// compareOptions compares the asked options with those of a job.
func (d *document) compareOptions(own map[string]string) {
	for i := range d.asked {
		o := &d.asked[i]
		value := cmp.Or(own[o.name], d.global[o.name])
		o.used = o.used || value == o.value
		o.other = cmp.Or(o.other, value)
	}
}

// reportIgnored reports the options that no job used. fio does not always print an
// option, so the report must show another value.
func (d *document) reportIgnored() {
	for _, o := range d.asked {
		if !o.used && o.other != "" {
			d.notes.add(ktstr.IgnoredOption, 0, "fio did not use --%s=%s of the command line: the job file has %s=%s. Change it there", o.name, o.value, o.name, printable(o.other))
		}
	}
}
