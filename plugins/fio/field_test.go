package fio

import (
	"testing"

	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// TestField reads texts from public reports. The named ones are read as saved text,
// because each line has a prefix, for example.
func TestField(t *testing.T) {
	corpustest.Field(t, New(), "indented-4", "j-prefix-compose", "logger-prefix")
}
