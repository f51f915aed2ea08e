package compare

// Order returns the order in which to run n rounds of several sides. Each item is the
// index of a side. The order is ABBA, so that a slow drift of the host affects all
// sides equally. For example, Order(2, 3) is 0, 1, 1, 0, 0, 1.
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
