package payload

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/internal/strictyaml"
)

// maxFile is the size limit of a payload file. A bundle's payload.yaml holds
// the arguments of its run, and Linux executes at most 2 MiB of them.
const maxFile = 4 << 20

// A SyntaxError gives the place of an error in a payload file, such as
// "fio.yaml:3:10: timeout: "30": want a duration above 0 such as 30s or 5m". Its fields are File, Line and Column
// (from 1, or 0 if the error concerns the whole file), Field such as "hints[0].polarity", and Problem.
type SyntaxError = strictyaml.SyntaxError

// Parse reads the text of a payload file. Messages call it file. The payload's
// name is the base name of file without ".yaml", and a name in the text must be
// equal to it. If file is empty, the name must be in the text. Every error is a
// *SyntaxError.
func Parse(file string, text []byte) (Payload, error) {
	if len(text) > maxFile {
		return Payload{}, &SyntaxError{File: file, Problem: fmt.Sprintf("%d bytes: want a payload file of at most %d", len(text), maxFile)}
	}
	root, err := strictyaml.Parse(file, text, "a payload: name, summary, binary, …")
	if err != nil {
		return Payload{}, err
	}
	d := decoder{strictyaml.Decoder{File: file}}
	p := d.payload(root)
	p.Source, p.Raw = file, slices.Clone(text)
	if file != "" && d.Err == nil {
		base := strings.TrimSuffix(filepath.Base(file), ".yaml")
		switch p.Name {
		case "":
			p.Name = base
		case base:
		default:
			// A bundle stores its payload as payload.yaml.
			if base != "payload" {
				d.Fail("name", nil, "%q in a file called %s.yaml: want the same name", p.Name, base)
			}
		}
	}
	if d.Err == nil {
		var wrong *FieldError
		if err := p.Validate(); errors.As(err, &wrong) {
			d.Fail(wrong.Field, nil, "%s", wrong.Problem)
		}
	}
	if d.Err != nil {
		return Payload{}, d.Err
	}
	return p, nil
}

// ErrorAt returns an error about a field, such as "counters[1]", that only a user of the
// payload can find. It gives the place in the file that Parse read.
func (p Payload) ErrorAt(field string, problem error) error {
	d := decoder{strictyaml.Decoder{File: cmp.Or(p.Source, p.Name)}}
	if root, err := strictyaml.Parse(d.File, p.Raw, "a payload"); err == nil {
		d.payload(root)
	}
	d.Err = nil
	d.Fail(field, nil, "%v", problem)
	return d.Err
}

// A decoder reads the nodes of a payload or of a table.
type decoder struct{ strictyaml.Decoder }
