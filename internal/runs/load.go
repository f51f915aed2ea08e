package runs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ktstr/ktstr/internal/bundle"
)

// SetSchema is the version of the JSON document of several records.
const SetSchema = "ktstr.runs/v1"

// Load reads the runs at a path. The path may be a bundle, a directory of bundles, or a
// file that ReadRecords reads. If the error is nil or an *UnreadableError, there is at
// least one run.
func Load(path string) ([]Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		list, err := ReadRecords(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return list, nil
	}
	r, err := bundle.LoadRecord(path)
	if !errors.Is(err, os.ErrNotExist) {
		one := []Run{{Name: filepath.Base(path), Dir: path, Record: r, Err: err}}
		return one, broken(one)
	}
	list, err := dirStore{path}.List(Filter{})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: neither a bundle nor a directory of bundles: want a record.json in it, or directories that have one", path)
	}
	return list, broken(list)
}

// ReadRecords reads records from JSON. The text is a sequence of records, documents of
// sets, and arrays of records.
func ReadRecords(r io.Reader) ([]Run, error) {
	var list []Run
	add := func(text json.RawMessage) error {
		rec, err := bundle.ParseRecord(text)
		if err != nil {
			return fmt.Errorf("record %d: %w", len(list)+1, err)
		}
		run := Run{Record: rec}
		if rec.Bundle != "" { // filepath.Base("") would be "."
			run.Name = filepath.Base(rec.Bundle)
		}
		list = append(list, run)
		return nil
	}
	for d := json.NewDecoder(r); ; {
		var text json.RawMessage
		if err := d.Decode(&text); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		var several []json.RawMessage
		if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '[' {
			if err := json.Unmarshal(text, &several); err != nil {
				return nil, err
			}
		} else {
			var set struct {
				Schema string
				Runs   []json.RawMessage
			}
			if bytes.Contains(text, []byte(SetSchema)) && json.Unmarshal(text, &set) == nil && set.Schema == SetSchema {
				several = set.Runs
			} else {
				several = []json.RawMessage{text}
			}
		}
		for _, one := range several {
			if err := add(one); err != nil {
				return nil, err
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no record in it: want what ktstr run -o json or --export json= wrote")
	}
	return list, nil
}
