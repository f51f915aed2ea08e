package compare

// Order is the order in which n rounds of several sides are run so that slow
// drift of the host falls on all alike: forth and back (ABBA, ABBA, …; an odd
// last round is forth only). Each item is a side's index.
func Order(sides, n int) []int {
	order := make([]int, 0, sides*n)
	for round := range n {
		for i := range sides {
			if round%2 == 1 {
				i = sides - 1 - i
			}
			order = append(order, i)
		}
	}
	return order
}
