// Command ktstr-plugin-stressng is the stressng extractor as a plugin of its own.
package main

import (
	"github.com/ktstr/ktstr/plugins/stressng"
	"github.com/ktstr/ktstr/sdk"
)

func main() { sdk.Serve(stressng.New()) }
