// Ktstr-plugin-fio is the fio extractor as a plugin in a process of its own.
package main

import (
	"github.com/ktstr/ktstr/plugins/fio"
	"github.com/ktstr/ktstr/sdk"
)

func main() { sdk.Serve(fio.New()) }
