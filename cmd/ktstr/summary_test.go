package main

import (
	"testing"

	"github.com/ktstr/ktstr/internal/compare"
)

// The summary of several runs shows no digit that was not measured, and drops only digits that are below the spread.
func TestSummaryKeepsDigits(t *testing.T) {
	for _, c := range []struct {
		n              int
		median, spread float64
		unit, want     string
	}{
		{4, 1250.5, 0, "", "1250.5 ±0"},
		{1, 1250.5, 0, "", "1250.5"},
		{4, 1250.5, 0, "widgets", "1250.5 ±0 widgets"},
		{1, 1234567, 0, "ns", "1.234567 ms"},
		{2, 1234567, 0.5, "ns", "1.234567 ±5e-07 ms"},
		{4, 1250.5, 12.35, "", "1250.5 ±12.35"},
		{4, 1250.5, 200, "", "1250 ±200"},
		{4, 1250.55, 0.025, "", "1250.55 ±0.025"},
		{3, 123456.789, 1000, "", "123457 ±1000"},
		{4, 5, 0, "us", "5 ±0 us"},
		{4, 1000, 0, "KiB", "1000 ±0 KiB"},
		{4, 1500, 0, "KiB", "1.465 ±0 MiB"},
		{4, 123456, 0, "KiB", "120.562 ±0 MiB"},
		{4, 0, 0, "", "0 ±0"},
		{4, 0, 0.5, "", "0 ±0.5"},
		{4, -1250.5, 0, "", "-1250.5 ±0"},
		{4, 1.23456e-9, 0, "", "1.23456e-09 ±0"},
		{4, 1.23456789e17, 0, "", "1.23456789e+17 ±0"},
	} {
		if got := summaryText(compare.Sample{N: c.n, Median: c.median, Spread: c.spread}, c.unit); got != c.want {
			t.Errorf("n=%d %v ±%v %s: %q, want %q", c.n, c.median, c.spread, c.unit, got, c.want)
		}
	}
}
