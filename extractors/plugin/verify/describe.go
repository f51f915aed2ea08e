package verify

import (
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/wire"
)

// checkDescription returns the error with which a host would refuse d.
func checkDescription(d ktstr.Description) error {
	if err := wire.CheckDescription(d); err != nil {
		return err
	}
	for _, f := range d.Payloads {
		if _, err := payload.Parse(f.Name+".yaml", f.YAML); err != nil {
			return fmt.Errorf("payload %q: %w", f.Name, err)
		}
	}
	return nil
}
