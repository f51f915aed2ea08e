package unit_test

import (
	"math"
	"testing"

	"github.com/ktstr/ktstr/core/unit"
)

func TestScale(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{1234567, "ns", "1.235 ms"},
		{0.25, "ms", "250 us"},
		{90, "s", "90 s"},
		{150, "s", "2.5 min"},
		{0, "us", "0 us"},
		{1536, "KiB/s", "1.5 MiB/s"},
		{2048, "KB", "2 MiB"},
		{2500, "kB", "2.5 MB"},
		{1e9, "B/s", "953.7 MiB/s"},
		{52345, "iops", "52.34 kiops"},
		{1500, "ops/s", "1.5 kops/s"},
		{12.5, "%", "12.5 %"},
		{123456, "count", "123456 count"},
		{12.25, "", "12.25"},
		{1250.53125, "", "1250.53125"},
		{-1500, "us", "-1.5 ms"},
		{0.5, "ns", "0.5 ns"},
		{3, "furlong/s", "3 furlong/s"},
		{math.NaN(), "ms", "NaN ms"},
		{math.Inf(-1), "ms", "-Inf ms"},
	} {
		if got := unit.Scale(c.v, c.unit); got != c.want {
			t.Errorf("Scale(%v, %q) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}
