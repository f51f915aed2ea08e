package compare

// For tests of what the library's test gives.
var (
	UTest  = uTest
	LeastP = leastP
)
