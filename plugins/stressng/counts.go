package stressng

import "strconv"

// counts says how often each name occurred. The zero value is empty and ready.
type counts struct {
	list   []*count // in the order of the first occurrences
	byName map[string]*count
}

// count is how often one name occurred.
type count struct {
	name     string
	times    int
	measured int // rows of the name that hold a measurement
}

// of returns the count of name, which is new if the name is.
func (c *counts) of(name []byte) *count {
	if known, ok := c.byName[string(name)]; ok {
		return known
	}
	if c.byName == nil {
		c.byName = make(map[string]*count)
	}
	added := &count{name: string(name)}
	c.byName[added.name] = added
	c.list = append(c.list, added)
	return added
}

// numbered counts name once more and returns it. From its second time on, "~2",
// "~3" and so on follow its first bytes. For example, with first 3 the second
// "cpu.rate" is called "cpu~2.rate".
func (c *counts) numbered(name []byte, first int) string {
	n := c.of(name)
	if n.times++; n.times == 1 {
		return n.name
	}
	return n.name[:first] + "~" + strconv.Itoa(n.times) + n.name[first:]
}

// find returns the count of name, or the zero value if it did not occur.
func (c *counts) find(name string) count {
	if known, ok := c.byName[name]; ok {
		return *known
	}
	return count{}
}
