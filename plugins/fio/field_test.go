package fio

import (
	"testing"

	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// TestField reads texts from public reports. The skipped ones have a prefix on
// each line, which is removed before an extractor sees the text.
func TestField(t *testing.T) {
	corpustest.Field(t, New(), "indented-4", "j-prefix-compose", "logger-prefix")
}
