package conform

import (
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/wire"
)

// checkDescription says what a host would refuse.
func checkDescription(d ktstr.Description) error { return wire.CheckDescription(d) }
