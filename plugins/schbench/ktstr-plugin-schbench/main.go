// Command ktstr-plugin-schbench is the schbench extractor as a plugin of its own.
package main

import (
	"github.com/ktstr/ktstr/plugins/schbench"
	"github.com/ktstr/ktstr/sdk"
)

func main() { sdk.Serve(schbench.New()) }
