// Package calibration keeps what runs of one payload showed about the noise of this host:
// which change a comparison can find, and the margins that follow.
package calibration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// schema is the version of the file. Later versions only add fields.
const schema = "ktstr.calibration/v1"

// Calibration is the noise of one payload on one host.
type Calibration struct {
	Schema  string    `json:"schema"`
	Payload string    `json:"payload"`
	Host    string    `json:"host"`
	Time    time.Time `json:"time"`
	Runs    int       `json:"runs"`
	Metrics []Metric  `json:"metrics"` // those that decide a comparison
}

// Metric is the noise of one metric.
type Metric struct {
	Name    string   `json:"name"`
	Spread  float64  `json:"spread"`  // percent
	Shape   []string `json:"shape"`   // such as "two modes"
	Detects Detects  `json:"detects"` // the change that a comparison finds with a probability of 80 %
	Margin  float64  `json:"margin"`  // percent; 0: none, because no margin up to 100 % can be decided, or all values were equal
}

// Detects has a change in percent for a number of runs a side. 0: unknown, because all
// values were equal.
type Detects struct {
	Five   float64 `json:"5"`
	Ten    float64 `json:"10"`
	Twenty float64 `json:"20"`
}

// margins are the margins that are proposed, in percent.
var margins = []float64{1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100}

// Of returns the calibration of the runs of one payload on this host. The margin of a
// metric is the smallest one that ten runs a side can decide.
func Of(list []runs.Run) Calibration {
	report := compare.Compare(compare.Side{}, runs.Side("", list), compare.Options{})
	c := Calibration{Schema: schema, Payload: list[0].Record.Payload, Host: list[0].Record.Host.Name, Time: list[0].Record.Start, Runs: report.B.Runs - report.B.Broken}
	for _, row := range report.Rows {
		noise, ok := compare.NoiseOf(row.B.Values)
		if !row.Shown || row.Polarity == ktstr.Unknown || !ok {
			continue
		}
		m := Metric{Name: row.Metric, Spread: noise.Spread * 100, Shape: noise.Shape, Detects: Detects{noise.Detects(5) * 100, noise.Detects(10) * 100, noise.Detects(20) * 100}}
		for _, margin := range margins {
			if margin >= m.Detects.Ten && noise.Spread > 0 && row.B.Median != 0 { // a margin is a part of the median
				m.Margin = margin
				break
			}
		}
		c.Metrics = append(c.Metrics, m)
	}
	return c
}

// Margins returns the margins of the metrics that have one.
func (c Calibration) Margins() (list []compare.Threshold) {
	for _, m := range c.Metrics {
		if m.Margin > 0 {
			list = append(list, compare.Threshold{Name: m.Name, Percent: m.Margin})
		}
	}
	return list
}

// String names the calibration, for example "calibration of 2026-11-30 (20 runs of fio)".
func (c Calibration) String() string {
	return fmt.Sprintf("calibration of %s (%d runs of %s)", c.Time.UTC().Format(time.DateOnly), c.Runs, c.Payload)
}

// path returns the file of a payload on a host.
func path(host, payload string) (string, error) {
	state, err := bundle.StateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(state, "calibration", "host-"+url.PathEscape(host), url.PathEscape(payload)+".json"), nil
}

// Keep writes the calibration, in the place of an older one of the same payload and host.
func (c Calibration) Keep() (string, error) {
	name, err := path(c.Host, c.Payload)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) // fails after the rename
	if _, err := f.Write(append(text, '\n')); err != nil {
		f.Close()
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return name, os.Rename(f.Name(), name)
}

// Find returns the calibration of a payload on this host, or nil. The error says that
// there is one that cannot be used.
func Find(payload string) (*Calibration, error) {
	name, err := path(core.ThisHost().Name, payload)
	if err != nil {
		return nil, nil // without a home directory nothing is kept
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var c Calibration
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && c.Schema != schema {
		err = fmt.Errorf("schema %q: want %s", c.Schema, schema)
	}
	for _, m := range c.Metrics {
		if !(m.Margin >= 0 && m.Margin <= margins[len(margins)-1]) {
			err = fmt.Errorf("margin %v%% of %s: want 0 to 100", m.Margin, m.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("calibration %s: %w. To replace it: ktstr calibrate %s", name, err, payload)
	}
	return &c, nil
}
