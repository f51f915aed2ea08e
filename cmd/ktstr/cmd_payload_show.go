package main

import (
	"context"
	"fmt"

	"github.com/goccy/go-yaml"
)

func (a *app) showPayload(ctx context.Context, name string, f format) error {
	p, err := a.catalog(false).Payload(ctx, name)
	if err != nil {
		return err
	}
	text, err := p.MarshalYAML()
	if err != nil {
		return err
	}
	if f == formatJSON {
		document, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		return a.writeJSON(document)
	}
	fmt.Fprintf(a.stdout, "# from %s\n%s", printable(p.Source), printable(string(text)))
	return nil
}
